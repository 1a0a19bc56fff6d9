//! What happens when: everything follows from a seed.

use std::fmt;
use std::time::Duration;

use embedded_kube_api::FaultSpec as ApiFault;
use infrafabric::fault_point::POINTS;
use infrafabric_definition::Span;
use infrafabric_world::FaultSpec;

use crate::faults::{Kill, Kind, LAG, Random};

/// How many machines there may be at a time.
const MACHINES: usize = 10;

/// A timeline.
#[derive(Clone)]
pub(crate) struct Timeline {
    seed: u64,
    length: Duration,
    pub(crate) acts: Vec<(Duration, Act)>,
}

/// Something that happens.
#[derive(Clone)]
pub(crate) enum Act {
    /// A machine is applied.
    Apply { name: String, at: Vec<Kind> },
    /// A machine is deleted, whatever it is doing.
    Delete { name: String },
    /// A provider fails.
    Provider(FaultSpec),
    /// The API server fails.
    Api(ApiFault),
    /// The operator dies, and its successor dies like this.
    Kill(Kill),
}

impl Timeline {
    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        let mut random = Random::new(seed);
        let (mut acts, mut at) = (Vec::new(), Duration::ZERO);
        let (mut applied, mut alive) = (0, Vec::<String>::new());
        while at < length {
            let act = match random.below(100) {
                0..25 if alive.len() < MACHINES => {
                    let name = format!("m{applied}");
                    applied += 1;
                    alive.push(name.clone());
                    Act::Apply { name, at: candidates(&mut random) }
                }
                0..40 if !alive.is_empty() => {
                    let at = usize::try_from(random.below(alive.len() as u64)).expect("an index");
                    Act::Delete { name: alive.remove(at) }
                }
                0..65 => Act::Provider(provider_fault(&mut random)),
                65..90 => Act::Api(api_fault(&mut random)),
                _ => Act::Kill(kill(&mut random)),
            };
            acts.push((at, act));
            at += random.millis(50, 450);
        }
        Self { seed, length, acts }
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, act) in &self.acts {
            writeln!(f, "{:>7} ms  {act}", at.as_millis())?;
        }
        let minutes = self.length.as_secs().div_ceil(60);
        let asked = self.length != crate::LENGTH;
        let minutes = if asked { format!(" --minutes {minutes}") } else { String::new() };
        write!(f, "  replay: cargo xtask test --only chaos --seed {} --runs 1{minutes}", self.seed)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |fault: serde_json::Result<String>| fault.map_err(|_| fmt::Error);
        match self {
            Self::Apply { name, at } => {
                let at: Vec<&str> = at.iter().map(|kind| kind.account()).collect();
                write!(f, "apply {name} for {}", at.join(", "))
            }
            Self::Delete { name } => write!(f, "delete {name}"),
            Self::Provider(fault) => write!(f, "provider {}", json(serde_json::to_string(fault))?),
            Self::Api(fault) => write!(f, "API {}", json(serde_json::to_string(fault))?),
            Self::Kill(kill) => write!(f, "kill; the next one dies: {kill}"),
        }
    }
}

/// One or two clouds, in whatever order.
fn candidates(random: &mut Random) -> Vec<Kind> {
    let first = random.one(&Kind::FOUND);
    let second = random.one(&Kind::FOUND);
    if first == second { vec![first] } else { vec![first, second] }
}

fn kill(random: &mut Random) -> Kill {
    if random.chance(40) {
        return Kill::After(random.millis(20, 2_000));
    }
    let point = random.one(&POINTS);
    // Every object is looked at when the operator starts.
    let often = point.starts_with("reconcile") || point.starts_with("report");
    Kill::At { point, time: random.between(1, if often { 12 } else { 2 }) }
}

/// Faults whose waits are short: a budget that is used up, say, is remembered for minutes.
fn provider_fault(random: &mut Random) -> FaultSpec {
    let kind = random.one(&Kind::FOUND);
    let fault = |name: &str| FaultSpec::new(kind.name(), name);
    let span = |millis: u64| Some(Span(format!("{millis}ms")));
    let effect = random.one(&["machine.create", "machine.create", "machine.delete"]);
    match random.below(12) {
        0..=3 => {
            let name = random.one(&["lost", "500", "garbage", "truncated", "noid"]);
            let fault = fault(name).on(effect).times(random.between(1, 2));
            FaultSpec { effect: (name != "lost").then_some(true), ..fault }
        }
        4 => FaultSpec {
            delay: span(random.between(100, 1_500)),
            ..fault("slow").on(effect).times(2)
        },
        5 => FaultSpec { lasts: span(random.between(200, 1_500)), ..fault("hold").on(effect) },
        6 => fault(random.one(&["503", "429", "outage", "500"])).on(effect).times(1),
        7..=9 => {
            let name = random.one(&["500", "503", "429", "outage", "garbage", "truncated"]);
            let reads = ["*.list", "machine.list", "machine.read", "verify", "*"];
            let lasts = span(random.between(100, 1_500));
            FaultSpec { lasts, ..fault(name).on(random.one(&reads)).times(random.between(1, 3)) }
        }
        10 => FaultSpec { lasts: span(2_000), ..fault("outage") },
        _ => FaultSpec {
            by: span(random.between(20, LAG * 3 / 4)),
            lasts: span(random.between(500, 4_000)),
            ..fault("lag").on("machine.list")
        },
    }
}

fn api_fault(random: &mut Random) -> ApiFault {
    const RESOURCES: [&str; 8] = [
        "cloudmachines.infrafabric.io/status",
        "cloudmachines.infrafabric.io/status",
        "cloudmachines.infrafabric.io/status",
        "cloudmachines.infrafabric.io",
        "providers.infrafabric.io/status",
        "providers.infrafabric.io",
        "events.events.k8s.io",
        "secrets",
    ];
    let mut fault = ApiFault::new(random.one(&[
        "conflict",
        "too-many",
        "error",
        "error",
        "reset",
        "reset",
        "slow",
        "late-events",
        "drop-watches",
        "expire",
    ]));
    match fault.fault.as_str() {
        "drop-watches" | "expire" => return fault,
        "late-events" => {
            fault.resource = Some("cloudmachines.infrafabric.io".to_owned());
            fault.by = Some(format!("{}ms", random.between(100, 1_500)));
            fault.r#for = Some("3s".to_owned());
            return fault;
        }
        "slow" => fault.by = Some(format!("{}ms", random.between(50, 1_000))),
        // The effect happens and its answer does not come.
        "error" | "reset" if random.chance(50) => fault.when = Some("after".to_owned()),
        _ => {}
    }
    fault.resource = Some(random.one(&RESOURCES).to_owned());
    fault.verb = Some(random.one(&["write", "write", "read", "watch"]).to_owned());
    fault.count = Some(random.between(1, 4));
    fault.r#for = Some("3s".to_owned());
    fault
}
