//! The operator's moves: the product's own `decide`, `status` and `with_intent`, given what the model's
//! providers show. Only the reading and the sending are made anew here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use infrafabric::controllers::cloud_machine::act::{self, Acted, Place, What, again};
use infrafabric::controllers::cloud_machine::decide::{Decision, asks_for_another, decide};
use infrafabric::controllers::cloud_machine::report;
use infrafabric::engine::failover::Failure;
use infrafabric::engine::naming;
use infrafabric_adapters::error::{AdapterError, scope_of};
use infrafabric_crds::engine::Operation;
use infrafabric_crds::{CloudMachine, CloudMachineStatus, FINALIZER, RESOLVE_ANNOTATION};
use infrafabric_definition::Class;
use serde_json::json;

use crate::model::Model;
use crate::observe::{PROVIDERS, UID, observe, owner, provider, shown};
use crate::rules::Rule;
use crate::state::{Deed, Effect, Kept, Object, Process, Reply, Said, State, kept};

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

/// What the request of an object says.
fn digest(object: &Object) -> String {
    if object.edited { "edited" } else { "first" }.to_owned()
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
    Place {
        provider: provider.to_owned(),
        region: "r".to_owned(),
        size: Some("s".to_owned()),
        verb: None,
    }
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
