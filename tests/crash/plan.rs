//! What happens in a run: everything follows from its seed.

use std::fmt;

use infrafabric_definition::Span;
use infrafabric_world::FaultSpec;

use crate::faults::{Kill, Kind, LAG, Random};
use crate::operation::Operation;

/// A run.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    /// How many machines there are.
    pub(crate) machines: u64,
    /// What the cloud does wrong.
    pub(crate) troubles: Vec<FaultSpec>,
    /// Whether a person answers only when the object is to go.
    pub(crate) late: bool,
    /// The deaths over each operation.
    pub(crate) deaths: Vec<(Operation, Vec<Kill>)>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let count = Kind::ALL.len() as u64;
        let kind = Kind::ALL[usize::try_from(seed % count).expect("an index")];
        let machines = random.between(1, 3);
        let life = life(kind, &mut random);
        let troubles = troubles(kind, life, &mut random);
        let late = kind == Kind::None && life[1] == Operation::Delete && random.chance(60);
        let deaths = life.map(|operation| {
            (operation, deaths(operation, kind, seed / count, machines, &mut random))
        });
        Self { seed, kind, machines, troubles, late, deaths: deaths.into() }
    }

    /// The fault points that its operations meet.
    pub(crate) fn points(&self) -> Vec<&'static str> {
        self.deaths.iter().flat_map(|(operation, _)| operation.points(self.kind)).collect()
    }

    pub(crate) fn has(&self, operation: Operation) -> bool {
        self.deaths.iter().any(|(has, _)| *has == operation)
    }

    /// The machines' names.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        (0..self.machines).map(|index| format!("m{index}"))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} machines, idempotency by {}", self.machines, self.kind)?;
        for trouble in &self.troubles {
            writeln!(f, "  fault {}", serde_json::to_string(trouble).map_err(|_| fmt::Error)?)?;
        }
        if self.late {
            writeln!(f, "  a person answers when the machines are to go")?;
        }
        for (operation, deaths) in &self.deaths {
            let deaths: Vec<String> = deaths.iter().map(ToString::to_string).collect();
            writeln!(f, "  {operation}: dies at {}", deaths.join(", then "))?;
        }
        write!(f, "  replay: cargo xtask test --only crash --seed {} --runs 1", self.seed)
    }
}

/// How machines come to be, and what becomes of them.
fn life(kind: Kind, random: &mut Random) -> [Operation; 2] {
    use Operation::{Adopt, Create, Delete, LetGo, Sweep, Update};
    let first = random.one(&[Create, Create, Create, Adopt]);
    let then = if kind.has_tags() {
        random.one(&[Delete, Update, Update, Sweep, Sweep, LetGo])
    } else {
        random.one(&[Delete, Delete, Delete, Delete, Delete, LetGo])
    };
    [first, then]
}

/// The first death goes through all points in turn, so that few runs see all of them.
fn deaths(
    operation: Operation,
    kind: Kind,
    turn: u64,
    machines: u64,
    random: &mut Random,
) -> Vec<Kill> {
    let (points, own) = (operation.points(kind), operation.own_points(kind));
    // After a removal that was begun the next one waits a minute.
    let cheap = ["sweep.before", "intent.status.before", "sweep.after"];
    let further = if operation == Operation::Sweep { &cheap[..] } else { &points };
    let count = random.between(1, 3);
    let deaths = (0..count).map(|index| {
        if index > 0 && random.chance(25) {
            return Kill::After(random.millis(20, 1_500));
        }
        let nth = usize::try_from(turn % points.len() as u64).expect("an index");
        let point = match index {
            0 if !own.is_empty() && random.chance(40) => random.one(&own),
            0 => points[nth],
            _ => random.one(further),
        };
        // The account and its definition get finalizers before the first machine does.
        let more = if point.starts_with("finalizer.add") { 2 } else { 0 };
        let most = if operation == Operation::Sweep { 1 } else { machines + more };
        Kill::At { point, time: random.between(1, most) }
    });
    deaths.collect()
}

fn troubles(kind: Kind, life: [Operation; 2], random: &mut Random) -> Vec<FaultSpec> {
    let mut all = Vec::new();
    for _ in 0..random.below(3) {
        all.push(effect_trouble(kind, "machine.create", random));
    }
    if random.chance(40) {
        all.push(effect_trouble(kind, "machine.delete", random));
    }
    let changes = life.contains(&Operation::Update) || life.contains(&Operation::Adopt);
    if kind.has_tags() && changes && random.chance(60) {
        all.push(effect_trouble(kind, "machine.update", random));
    }
    if random.chance(30) {
        let fault = random.one(&["outage", "500", "garbage", "truncated"]);
        let operation = random.one(&["machine.list", "machine.list", "machine.read"]);
        all.push(FaultSpec::new(kind.name(), fault).on(operation).times(1));
    }
    if random.chance(50) {
        let by = Some(Span(format!("{}ms", random.between(20, LAG * 3 / 4))));
        all.push(FaultSpec { by, ..FaultSpec::new(kind.name(), "lag").on("machine.list") });
    }
    all
}

/// An effect whose answer leaves doubt, or that does not happen.
fn effect_trouble(kind: Kind, operation: &str, random: &mut Random) -> FaultSpec {
    let fault = |fault: &str| FaultSpec::new(kind.name(), fault).on(operation).times(1);
    let after = |name: &str| FaultSpec { effect: Some(true), ..fault(name) };
    match random.below(9) {
        0 | 1 => fault("lost"),
        2 => after("500"),
        3 => after("garbage"),
        4 => after("truncated"),
        5 => after("noid"),
        // Longer than a call may take.
        6 => FaultSpec { delay: Some(Span("900ms".to_owned())), ..fault("slow") },
        7 => fault("outage"),
        _ => fault("503"),
    }
}
