//! The operator's moves: the product's own `decide`, `status` and `with_intent`, given what the model's
//! providers show. Only the reading and the sending are made anew here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use infrafabric::controllers::cloud_machine::act::{self, Acted, Place, What, again};
use infrafabric::controllers::cloud_machine::decide::{Decision, asks_for_another, decide};
use infrafabric::controllers::cloud_machine::observe::{Found, Observed, Seen};
use infrafabric::controllers::cloud_machine::report;
use infrafabric::engine::failover::{Candidate, Failure, Standing};
use infrafabric::engine::naming::{self, Owner};
use infrafabric::engine::placement::Offering;
use infrafabric::engine::recovery::Named;
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_adapters::error::{AdapterError, scope_of};
use infrafabric_crds::engine::Operation;
use infrafabric_crds::{CloudMachine, CloudMachineStatus, FINALIZER, RESOLVE_ANNOTATION};
use infrafabric_definition::Class;
use serde_json::json;

use crate::model::{Identity, Model};
use crate::rules::Rule;
use crate::state::{
    CALL, Deed, Effect, Kept, LAG, Object, Origin, Process, Reply, Said, State, kept, span,
};

/// The candidates, in the spec's order.
pub(crate) const PROVIDERS: [&str; 2] = ["a", "b"];
const UID: &str = "7f0d2c1e-1111-2222-3333-444455556666";

/// What a look leads to.
#[derive(Clone)]
pub(crate) enum Next {
    /// The object stands as it is written.
    Nothing,
    /// A status to write.
    Write(Kept<CloudMachineStatus>),
    /// What a person said is taken off.
    DropAnswer,
    /// The finalizer is taken off.
    Release,
    /// An effect whose intent is written first.
    Begin(Effect),
}

/// The object as the API gives it.
fn machine(object: &Object) -> CloudMachine {
    static TEMPLATE: LazyLock<CloudMachine> = LazyLock::new(|| {
        let machine = json!({
            "apiVersion": "infrafabric.io/v1alpha1",
            "kind": "CloudMachine",
            "metadata": {"name": "web", "namespace": "default", "uid": UID, "generation": 1,
                         "finalizers": [FINALIZER]},
            "spec": {"providers": [{"name": "a"}, {"name": "b"}], "size": "s", "image": "i",
                     "failover": {"after": "10s"}},
        });
        serde_json::from_value(machine).expect("a machine")
    });
    let mut machine = TEMPLATE.clone();
    machine.metadata.annotations = object.answer.map(|answer| {
        let text = match answer {
            Said::Adopt(id) => format!("adopt={id}"),
            Said::Forget => "forget".to_owned(),
        };
        BTreeMap::from([(RESOLVE_ANNOTATION.to_owned(), text)])
    });
    machine.metadata.deletion_timestamp = object
        .deleting
        .then(|| serde_json::from_value(json!("2027-01-15T08:00:00Z")).expect("a time"));
    machine.status = Some((*object.status).clone());
    machine
}

fn owner() -> Owner {
    Owner {
        installation: "0123456789ab".to_owned(),
        kind: "cloudmachine".to_owned(),
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: UID.to_owned(),
    }
}

fn offering() -> Offering {
    Offering {
        region: "r".to_owned(),
        size: "s".to_owned(),
        size_id: None,
        image: "i".to_owned(),
        price_per_hour: None,
        currency: None,
    }
}

/// What the request of an object says.
fn digest(object: &Object) -> String {
    if object.edited { "edited" } else { "first" }.to_owned()
}

fn provider(name: &str) -> usize {
    PROVIDERS.iter().position(|known| *known == name).expect("a candidate")
}

/// A thing as a provider shows it.
fn shown(state: &State, id: usize) -> Machine {
    let marks = match state.things[id].origin {
        Origin::Ours | Origin::Copied => owner().marks(),
        Origin::Foreign => Owner { uid: "another".to_owned(), ..owner() }.marks(),
    };
    Machine { state: MachineState::Running, marks, ..Machine::unseen(id.to_string()) }
}

/// The object's things in a provider's list, as `Snapshot::of_object` picks them. A copy comes before
/// what it was made of, as it may: lists have no order.
fn listed(model: &Model, state: &State, at: usize) -> Vec<Machine> {
    let in_list = |id: &usize| state.things[*id].shown && state.things[*id].provider == at;
    let all = (0..state.things.len()).rev().filter(in_list).map(|id| shown(state, id));
    let mark = owner().uid_mark();
    let of_object = |machine: &Machine| model.off(Rule::OwnMarks) || machine.marks.contains(&mark);
    let mut found: Vec<Machine> = all.filter(of_object).collect();
    if model.off(Rule::NoGuess) {
        found.truncate(1);
    }
    found
}

/// What a read of one thing says.
fn read(state: &State, id: &str) -> Seen {
    let id: usize = id.parse().expect("an id of the model");
    if state.things[id].living { Seen::Here(shown(state, id)) } else { Seen::Absent }
}

/// What `observe` reads.
fn observe(model: &Model, state: &State, object: &Object) -> Observed {
    let status = &object.status;
    let mut observed = Observed { now: state.now(), lag: span(LAG), ..Observed::default() };
    let (open, active) = (status.operation.as_ref(), status.active.as_ref());
    let Some(place) = active.map(|it| &it.provider).or(open.map(|it| &it.provider)) else {
        if object.deleting {
            return observed;
        }
        for name in PROVIDERS {
            observed.candidates.push(Candidate {
                name: name.to_owned(),
                region: Ok("r".to_owned()),
                standing: Standing::Ready,
                offering: Some(Ok(offering())),
            });
            observed.accounts.push(None);
        }
        let mut there = Vec::new();
        for at in 0..PROVIDERS.len() {
            if model.lists() {
                let found = listed(model, state, at).into_iter();
                let found = found.filter(|it| matches!(read(state, &it.id), Seen::Here(_)));
                there.extend(found.map(|it| (at, it)));
            }
        }
        observed.there = Some(there);
        return observed;
    };
    let place = provider(place);
    if let Some(active) = active {
        let id = &active.external_id;
        let in_list = model.lists() && listed(model, state, place).iter().any(|it| it.id == *id);
        let late = model.lists() && state.now() < active.since + observed.lag;
        observed.active = match in_list {
            true => Seen::Here(shown(state, id.parse().expect("an id of the model"))),
            false if late && !object.deleting => Seen::Unlisted,
            false => read(state, id),
        };
    }
    let open = open.filter(|operation| operation.verb == "create");
    if open.is_some() || (object.deleting && observed.active == Seen::Absent) {
        let lag = span(if model.off(Rule::WaitForTheLag) { 0 } else { LAG });
        let call = span(if model.off(Rule::WaitForTheCall) { 0 } else { CALL });
        observed.settles_at = open.map_or(observed.now, |it| it.started_at + lag + call);
        observed.named = match object.answer {
            Some(Said::Adopt(id)) => match read(state, &id.to_string()) {
                Seen::Here(machine) => Named::Here(machine),
                _ => Named::Absent,
            },
            _ => Named::None,
        };
        observed.found = match model.identity {
            Identity::Tag | Identity::KeyedTag => Found::Listed(listed(model, state, place)),
            Identity::Keyed => Found::Untold { keyed: true },
            Identity::None => Found::Untold { keyed: false },
        };
    }
    observed
}

/// One look at the object: observe, decide, and act up to where something is sent or written.
pub(crate) fn look(model: &Model, state: &State, process: &Process) -> Next {
    let copy = &process.copy;
    let mut machine = machine(copy);
    if model.off(Rule::ResolveBeforeRelease)
        && copy.deleting
        && let Some(status) = &mut machine.status
    {
        status.operation.take_if(|operation| operation.verb == "create");
    }
    let observed = observe(model, state, copy);
    let now = state.now();
    let plain = |what: What| {
        let next = report::status(&machine, &observed, &Acted::modelled(what, None), now);
        let next = kept(next);
        if next == copy.status { Next::Nothing } else { Next::Write(next) }
    };
    let effect = |deed: Deed, operation: Operation| Effect {
        deed,
        operation: Kept::new(operation),
        began: state.time,
    };
    match decide(&machine, &observed) {
        Decision::Hold(hold) => plain(What::Held(hold)),
        Decision::Create { candidate, attempt, .. } => {
            let operation = creation(model, state, copy, candidate, attempt);
            let forgotten = copy.status.forgotten.as_ref();
            let differs = forgotten.is_some_and(|earlier| {
                earlier.token == operation.token
                    && earlier.request_digest != operation.request_digest
            });
            if differs {
                return plain(What::Outdated { attempt });
            }
            Next::Begin(effect(Deed::Create, operation))
        }
        Decision::Adopt(found) => plain(What::Adopted { machine: found, at: None }),
        Decision::Take { candidate, machine: found } => {
            let at = place(PROVIDERS[candidate]);
            plain(What::Adopted { machine: found, at: Some(at) })
        }
        Decision::Repeat(open) => {
            if digest(copy) != open.request_digest && !model.off(Rule::SameRequest) {
                return plain(What::Held(asks_for_another(&open, "")));
            }
            let token = salted(model, state, open.token.clone());
            let open = if model.off(Rule::RepeatAnew) { open } else { again(open, now) };
            let open = Operation { token, ..open };
            let open = Operation { request_digest: digest(copy), ..open };
            Next::Begin(effect(Deed::Repeat, open))
        }
        Decision::Forget(open) => plain(What::Forgotten { operation: Box::new(open) }),
        Decision::Delete { external_id } => {
            let id = external_id.parse().expect("an id of the model");
            let at = copy.status.active.as_ref().map(|active| provider(&active.provider));
            let operation = deletion(state, copy, at.unwrap_or_default());
            Next::Begin(effect(Deed::Delete(id), operation))
        }
        Decision::Release(_) => Next::Release,
        Decision::DropAnswer => Next::DropAnswer,
        other => panic!("the model has no such decision: {other:?}"),
    }
}

/// The operation of `act::create`, with the digest that the journal adds.
fn creation(
    model: &Model,
    state: &State,
    object: &Object,
    candidate: usize,
    attempt: u32,
) -> Operation {
    let name = PROVIDERS[candidate];
    Operation {
        token: salted(model, state, naming::token(&owner(), name, "create", attempt)),
        verb: "create".to_owned(),
        size: Some("s".to_owned()),
        image: Some("i".to_owned()),
        request_digest: digest(object),
        attempt,
        ..deletion(state, object, candidate)
    }
}

/// The operation of `act::delete`.
fn deletion(state: &State, object: &Object, at: usize) -> Operation {
    let attempt = object.status.attempt;
    Operation {
        token: naming::token(&owner(), PROVIDERS[at], "delete", attempt),
        verb: "delete".to_owned(),
        provider: PROVIDERS[at].to_owned(),
        region: "r".to_owned(),
        size: None,
        size_id: None,
        image: None,
        request_digest: "delete".to_owned(),
        started_at: state.now(),
        attempt: attempt.max(1),
        witness_index: None,
        price_per_hour: None,
        currency: None,
    }
}

/// The token; one that differs each time where that rule is off.
fn salted(model: &Model, state: &State, token: String) -> String {
    if model.off(Rule::OneToken) { format!("{token}+{}", state.time) } else { token }
}

fn place(provider: &str) -> Place {
    Place { provider: provider.to_owned(), region: "r".to_owned(), size: Some("s".to_owned()) }
}

/// The status with the intent of an effect, as it is written before the request leaves.
pub(crate) fn intended(state: &State, copy: &Object, effect: &Effect) -> Kept<CloudMachineStatus> {
    kept(report::with_intent(&machine(copy), &effect.operation, state.now()))
}

/// The status after an effect; no reply is one that was lost.
pub(crate) fn ended(
    model: &Model,
    state: &State,
    copy: &Object,
    effect: &Effect,
    reply: Option<Reply>,
) -> Kept<CloudMachineStatus> {
    let what = became(model, state, effect, reply);
    // The index of its log entry comes once the call ended.
    let intent = Operation { witness_index: Some(0), ..(*effect.operation).clone() };
    let acted = Acted::modelled(what, Some(intent));
    kept(report::status(&machine(copy), &observe(model, state, copy), &acted, state.now()))
}

fn became(model: &Model, state: &State, effect: &Effect, reply: Option<Reply>) -> What {
    let place = place(&effect.operation.provider);
    let attempt = Some(effect.operation.attempt);
    let failed = |class: Class, attempt: Option<u32>| {
        let failure = Failure::from(&error(class));
        What::Failed { place: place.clone(), failure, duration_ms: 0, attempt }
    };
    let class = match reply {
        Some(Reply::Made(id)) => {
            let operation = Box::new((*effect.operation).clone());
            return What::Created { operation, machine: Box::new(shown(state, id)) };
        }
        Some(Reply::Deleted) => return What::DeleteAccepted,
        Some(Reply::NoCapacity) => Class::Capacity,
        Some(Reply::OtherRequest) => Class::Invalid,
        None => Class::Unknown,
    };
    match (effect.deed, class) {
        (Deed::Delete(_), class) => failed(class, None),
        (_, Class::Unknown) if model.off(Rule::UnknownIsNoFailure) => {
            failed(Class::Capacity, attempt)
        }
        (Deed::Create, class) => {
            act::failed(error(class), place.clone(), 0, attempt).expect("no journal is in it")
        }
        (Deed::Repeat, Class::Unknown) => What::Unknown { message: "asked again".to_owned() },
        (Deed::Repeat, class) => failed(class, attempt),
    }
}

fn error(class: Class) -> AdapterError {
    AdapterError {
        class,
        scope: scope_of(class),
        provider: "model".to_owned(),
        operation: "machine.create".to_owned(),
        status: None,
        code: None,
        request_id: None,
        message: class.as_str().to_owned(),
        retry_after: None,
        sent: true,
        source: None,
    }
}
