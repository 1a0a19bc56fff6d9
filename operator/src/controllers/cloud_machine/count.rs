//! What a deed that is written down means for the metrics.

use std::time::Duration;

use chrono::{DateTime, Utc};
use infrafabric_crds::condition::{self, READY};
use infrafabric_crds::engine::Operation;
use infrafabric_crds::{CloudMachine, CloudMachineStatus};
use infrafabric_definition::Class;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::act::{Acted, What};
use super::observe::Observed;
use crate::context::Context;
use crate::engine::failover;
use crate::times;

const KIND: &str = "CloudMachine";

/// Counts it, once: its status was written.
pub(super) fn count(
    machine: &CloudMachine,
    observed: &Observed,
    acted: &Acted,
    next: &CloudMachineStatus,
    context: &Context,
) {
    let definition = |provider: &str| definition(machine, provider, context);
    if let Some(operation) = prevented(machine, &acted.what) {
        context.metrics.prevented_duplicate(KIND, definition(&operation.provider));
    }
    if let Some(operation) = made(machine, &acted.what)
        && let Some((from, class)) = failed_over(machine, observed, operation)
    {
        let (from, to) = (definition(from), definition(&operation.provider));
        context.metrics.failed_over(from, to, class);
    }
    if let (Some(after), Some(active)) = (first_ready(machine, next, context.now()), &next.active) {
        context.metrics.became_ready(KIND, definition(&active.provider), after);
    }
}

/// The definition of a Provider: a name that the registry knows, so that its number is bounded.
fn definition(machine: &CloudMachine, provider: &str, context: &Context) -> String {
    let provider = ObjectRef::new(provider).within(&machine.namespace().unwrap_or_default());
    let type_ = context.providers.get(&provider).map(|provider| provider.spec.type_.clone());
    let known = type_.filter(|type_| context.registry.get(type_).is_some());
    known.unwrap_or_else(|| "unknown".to_owned())
}

/// The creation whose answer was lost and whose machine was taken.
fn prevented<'a>(machine: &'a CloudMachine, what: &What) -> Option<&'a Operation> {
    let What::Adopted { machine: found, at: None } = what else { return None };
    let open = machine.status.as_ref()?.operation.as_ref()?;
    (open.verb == "create" && !found.is_unseen()).then_some(open)
}

/// The creation that gave a machine, whether or not its answer was heard.
fn made<'a>(machine: &'a CloudMachine, what: &'a What) -> Option<&'a Operation> {
    match what {
        What::Created { operation, .. } => Some(operation),
        what => prevented(machine, what),
    }
}

/// The first candidate in the spec's order that stands before the one that served and failed, with the
/// class.
fn failed_over<'a>(
    machine: &CloudMachine,
    observed: &'a Observed,
    served: &Operation,
) -> Option<(&'a str, Class)> {
    let terms = observed.terms(machine);
    let is_it = |name: &str, region: &Result<String, String>| {
        name == served.provider && region.as_ref() == Ok(&served.region)
    };
    let mut before = observed.candidates.iter().take_while(|c| !is_it(&c.name, &c.region));
    before.find_map(|candidate| {
        let class = failover::failed(candidate, &terms)?;
        Some((candidate.name.as_str(), class))
    })
}

/// How long after its creation the object is ready for the first time. One that was ready before stopped
/// being so after its machine was taken.
fn first_ready(
    machine: &CloudMachine,
    next: &CloudMachineStatus,
    now: DateTime<Utc>,
) -> Option<Duration> {
    if !condition::find(&next.conditions, READY)?.is_true() {
        return None;
    }
    let taken = next.active.as_ref()?.since;
    let before = machine.status.as_ref().map(|status| status.conditions.as_slice());
    if let Some(before) = condition::find(before.unwrap_or_default(), READY)
        && (before.is_true() || taken < before.last_transition_time)
    {
        return None;
    }
    let created = times::created(&machine.metadata)?;
    // A clock that was set back makes no time negative.
    Some((now - created).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use infrafabric_adapters::contract::cloud::{Machine, MachineState};
    use infrafabric_definition::Scope;
    use serde_json::json;

    use super::*;
    use crate::engine::failover::{Candidate, Failure, Place, Standing, remember};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).expect("a time")
    }

    fn machine() -> CloudMachine {
        let machine = json!({"apiVersion": "infrafabric.io/v1alpha1", "kind": "CloudMachine",
            "metadata": {"name": "web", "creationTimestamp": at(0)},
            "spec": {"providers": [{"name": "a"}, {"name": "b"}, {"name": "c"}], "image": "i"},
            "status": {"observedGeneration": -1, "state": "Pending"}});
        serde_json::from_value(machine).expect("a machine")
    }

    fn operation(verb: &str, provider: &str) -> Operation {
        let operation = json!({"token": "t", "verb": verb, "provider": provider, "region": "r",
            "requestDigest": "", "startedAt": at(1), "attempt": 1});
        serde_json::from_value(operation).expect("an operation")
    }

    fn with_operation(verb: &str) -> CloudMachine {
        let mut machine = machine();
        machine.status.get_or_insert_default().operation = Some(operation(verb, "b"));
        machine
    }

    fn found(vendor_state: &str) -> Box<Machine> {
        Box::new(Machine {
            id: "1".to_owned(),
            name: None,
            state: MachineState::Unknown,
            vendor_state: vendor_state.to_owned(),
            addresses: Vec::new(),
            region: None,
            size: None,
            image: None,
            marks: Vec::new(),
        })
    }

    #[test]
    fn only_an_open_creation_that_made_something_prevents_a_duplicate() {
        let adopted = |vendor_state| What::Adopted { machine: found(vendor_state), at: None };
        let is = |machine: &CloudMachine, what: &What| prevented(machine, what).is_some();
        assert!(is(&with_operation("create"), &adopted("active")));
        assert!(!is(&with_operation("create"), &adopted("")), "nothing was found");
        assert!(!is(&with_operation("delete"), &adopted("active")));
        assert!(!is(&machine(), &adopted("active")), "an import");
        assert!(!is(&with_operation("create"), &What::Settled));
    }

    /// `a` and `b` as given, then `c`, which served; who counts as failed over from.
    fn from(standing: Standing, failed: &[(&str, Class)]) -> Option<(String, Class)> {
        let candidate = |name: &str, standing| Candidate::new(name, Ok("r".to_owned()), standing);
        let candidates = vec![
            candidate("a", standing),
            candidate("b", Standing::Ready),
            candidate("c", Standing::Ready),
        ];
        let mut machine = machine();
        let status = machine.status.get_or_insert_default();
        for (provider, class) in failed {
            let scope = Scope::Account;
            let message = String::new();
            let failure = Failure { class: *class, scope, code: None, message, retry_after: None };
            let place = Place::new(provider, "r");
            status.attempts = remember(&status.attempts, &place, &failure, (at(1), 1), None);
        }
        let observed = Observed { now: at(2), candidates, ..Observed::default() };
        failed_over(&machine, &observed, &operation("create", "c"))
            .map(|(name, class)| (name.to_owned(), class))
    }

    #[test]
    fn a_failover_is_from_the_first_that_failed() {
        let is = |name: &str, class| Some((name.to_owned(), class));
        let refused = |class| Standing::NotReady { class, message: String::new(), since: at(0) };
        let both = [("a", Class::Quota), ("b", Class::Capacity)];
        assert_eq!(from(Standing::Ready, &both), is("a", Class::Quota));
        assert_eq!(from(Standing::Ready, &both[1..]), is("b", Class::Capacity));
        assert_eq!(from(refused(Class::Auth), &both[1..]), is("a", Class::Auth));
        assert_eq!(from(Standing::Suspended, &[]), None, "nobody failed");
        assert_eq!(
            from(Standing::Ready, &[("c", Class::Unavailable)]),
            None,
            "it served after all"
        );
    }

    /// Ready or not at times, then ready at `now`: how long that took.
    fn took(before: &[(i64, bool)], taken: i64, now: i64) -> Option<Duration> {
        let mut machine = machine();
        let status = machine.status.get_or_insert_default();
        for (second, is) in before {
            let why = ("Why", "");
            condition::set(&mut status.conditions, READY, *is, why, None, at(*second));
        }
        let mut next = status.clone();
        condition::set(&mut next.conditions, READY, true, ("Why", ""), None, at(now));
        let active = json!({"provider": "a", "region": "r", "size": "s", "image": "i",
            "externalId": "1", "since": at(taken)});
        next.active = Some(serde_json::from_value(active).expect("a machine in use"));
        first_ready(&machine, &next, at(now))
    }

    #[test]
    fn only_the_first_time_that_it_is_ready_counts() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(took(&[], 3, 9), seconds(9));
        assert_eq!(took(&[(1, false)], 3, 9), seconds(9));
        assert_eq!(took(&[(1, false)], 3, -9), seconds(0), "the clock was set back");
        assert_eq!(took(&[(1, false), (5, true)], 3, 9), None, "it is ready already");
        assert_eq!(took(&[(1, false), (5, true), (7, false)], 3, 9), None, "it was before");
    }
}
