//! Says in status what was done and how the object stands; writes only when that changed.

use chrono::{DateTime, Utc};
use infrafabric_adapters::contract::cloud::Machine;
use infrafabric_crds::cloud_machine::{MachineAddress, State, reason};
use infrafabric_crds::condition::{self, DRIFTED, READY, RECONCILING, STALLED, WITNESSED};
use infrafabric_crds::engine::{Active, Forgotten, Operation, Placed, WitnessRef};
use infrafabric_crds::{CloudMachine, CloudMachineStatus, RECONCILE_ANNOTATION};
use infrafabric_definition::{Class, Scope};
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::reflector::ObjectRef;

use super::act::{Acted, What, asked, open_account, owner};
use super::count::count;
use super::decide::{Hold, Phase};
use super::drift::{self, Change};
use super::observe::{Observed, Seen, same};
use super::{expiry, power};
use crate::context::Context;
use crate::engine::failover::{self, Failure, Place, Refusal};
use crate::engine::{score, status};
use crate::fault_point::fault_point;

/// How often a status is written again when somebody else changed the object in between.
const CONFLICTS: u32 = 4;

/// The status after the deed. Pure.
pub fn status(
    machine: &CloudMachine,
    observed: &Observed,
    acted: &Acted,
    now: DateTime<Utc>,
) -> CloudMachineStatus {
    let mut status = machine.status.clone().unwrap_or_default();
    let generation = machine.metadata.generation;
    status.observed_generation = generation.unwrap_or_default();
    status.last_handled_reconcile_at = machine.annotations().get(RECONCILE_ANNOTATION).cloned();
    if let Seen::Here(seen) = &observed.active {
        addresses(&mut status, seen);
    }
    if let Some(intent) = &acted.intent {
        status.operation = Some(intent.clone());
    }
    let hold = match &acted.what {
        What::Held(hold) => hold.clone(),
        What::Superseded | What::Released => return status,
        What::Created { operation, machine: made } => {
            created(&mut status, machine, (operation, made), now)
        }
        What::Unknown { message } if machine.metadata.deletion_timestamp.is_some() => {
            standing(State::Deleting, reason::DELETING, message.clone())
        }
        // The machine in use is as it was meanwhile.
        What::Unknown { message } if status.active.is_some() => {
            super::decide::beside(&status, message)
        }
        What::Unknown { message } => {
            standing(State::Creating, reason::OUTCOME_UNKNOWN, message.clone())
        }
        What::Failed { place, failure, duration_ms, attempt } => {
            let witness_index = acted.witness.as_ref().map(|witness| witness.index);
            status.attempts = failover::remember(
                &status.attempts,
                place,
                failure,
                (now, *duration_ms),
                witness_index,
            );
            failed(&mut status, machine, (place, failure), *attempt)
        }
        What::Adopted { machine: found, at } => {
            adopted(&mut status, machine, (found, at.as_ref()), now)
        }
        What::Outdated { attempt } => {
            status.attempt = *attempt;
            status.forgotten = None;
            let message = "what is asked for changed: the next attempt is another one".to_owned();
            status.operation = None;
            apart(&status, standing(State::Pending, reason::NO_CANDIDATE, message))
        }
        What::Withdrawn { why } => {
            status.operation = None;
            let state = status.state.unwrap_or(State::Pending);
            let phase = Phase::Stalled;
            Hold { phase, ..standing(state, reason::STOPPED, why.clone()) }
        }
        What::Changed { change } => changed(&mut status, machine, change, observed, now),
        What::Settled => {
            drift::settle(&mut status, machine, observed);
            super::decide::unsettled(&status, ready_message(&status))
        }
        What::Forgotten { operation } => {
            let hold = forgotten(&mut status, operation, now);
            if machine.metadata.deletion_timestamp.is_some() {
                standing(State::Deleting, reason::DELETING, hold.message)
            } else {
                apart(&status, hold)
            }
        }
        What::Moved { machine: seen } => moved(&mut status, seen),
        What::GivenUp { why } => given_up(&mut status, why, now),
        What::Retired { thing } => {
            status.retired.retain(|other| other.external_id != thing.external_id);
            status.operation = None;
            super::decide::beside(&status, &format!("machine {} is gone", thing.external_id))
        }
        What::RetireAccepted => {
            super::decide::beside(&status, "the earlier machine is being deleted")
        }
        What::Next => next(&mut status),
        What::DeleteAccepted => standing(
            State::Deleting,
            reason::DELETING,
            "the provider accepted the deletion".to_owned(),
        ),
    };
    if let Some(witness) = &acted.witness {
        witnessed(&mut status, witness, generation, now);
    }
    placed(&mut status, machine, observed, now);
    conditions(&mut status, &hold, generation, now);
    expiry::tell(&mut status, machine, now);
    status
}

/// How the candidates were compared, if they were; when, only if it came out otherwise than before.
fn placed(
    status: &mut CloudMachineStatus,
    machine: &CloudMachine,
    observed: &Observed,
    now: DateTime<Utc>,
) {
    // While one is in use the candidates are looked at only to go back.
    let in_use = machine.status.as_ref().is_some_and(|status| status.active.is_some());
    let chooses = !in_use || status.replacement.is_some();
    if observed.candidates.is_empty() || machine.spec.existing.is_some() || !chooses {
        return;
    }
    let terms = observed.terms(machine);
    let candidates = &observed.candidates;
    let choice = failover::choose(candidates, &terms);
    let before = status.placement.as_ref().map(|placed| placed.at);
    let placed = score::explain(candidates, &choice, &terms, before.unwrap_or(now));
    if status.placement.as_ref() != Some(&placed) {
        status.placement = Some(Placed { at: now, ..placed });
    }
}

/// A candidate did not serve, or what is there could not be changed or deleted.
fn failed(
    status: &mut CloudMachineStatus,
    machine: &CloudMachine,
    (place, failure): (&Place, &Failure),
    attempt: Option<u32>,
) -> Hold {
    let deleting = machine.metadata.deletion_timestamp.is_some();
    let message = format!("{}: {}", place.provider, failure.message);
    // A deletion stays open until its end; a create that was refused made nothing.
    if !deleting || attempt.is_some() {
        status.operation = None;
        if let Some(attempt) = attempt {
            status.attempt = attempt;
            status.forgotten = None;
        }
    }
    if deleting {
        standing(State::Deleting, reason::DELETING, message)
    } else {
        match &status.active {
            // A change that was refused: the machine is as it was.
            Some(_) => super::decide::unsettled(status, ready_message(status)),
            None => standing(State::Pending, reason::NO_CANDIDATE, message),
        }
    }
}

/// A creation beside a machine in use says nothing about that one.
fn apart(status: &CloudMachineStatus, hold: Hold) -> Hold {
    if status.active.is_none() {
        return hold;
    }
    super::decide::beside(status, &hold.message)
}

/// What took the place of the machine in use is the one in use; the other one is removed.
fn moved(status: &mut CloudMachineStatus, seen: &Machine) -> Hold {
    let (Some(mut replacement), Some(active)) = (status.replacement.take(), status.active.take())
    else {
        return super::decide::unsettled(status, ready_message(status));
    };
    replacement.first_since = active.first_since.or(Some(active.since));
    status.active = Some(replacement);
    status.retired.push(active);
    addresses(status, seen);
    let message = format!("machine {} is {}", seen.id, seen.vendor_state);
    super::decide::beside(status, &message)
}

/// What was made to take the place of the machine in use is removed, and its candidate left alone for a while.
fn given_up(status: &mut CloudMachineStatus, why: &str, now: DateTime<Utc>) -> Hold {
    if let Some(replacement) = status.replacement.take() {
        let failure = not_going_back(why);
        let place = place_of(&replacement);
        status.attempts = failover::remember(&status.attempts, &place, &failure, (now, 0), None);
        status.retired.push(replacement);
    }
    super::decide::beside(status, &format!("not going back: {why}"))
}

fn not_going_back(why: &str) -> Failure {
    Failure {
        class: Class::Unavailable,
        scope: Scope::Offering,
        code: None,
        message: why.to_owned(),
        retry_after: None,
    }
}

fn place_of(thing: &Active) -> Place {
    Place {
        size: Some(thing.size.clone()),
        price: thing.price_per_hour.clone().zip(thing.currency.clone()),
        ..Place::new(&thing.provider, &thing.region)
    }
}

/// The next of the object's machines is the one that is deleted.
fn next(status: &mut CloudMachineStatus) -> Hold {
    let first = status.replacement.take();
    let first = first.or_else(|| (!status.retired.is_empty()).then(|| status.retired.remove(0)));
    status.operation = None;
    let id = first.as_ref().map(|thing| thing.external_id.clone()).unwrap_or_default();
    status.active = first;
    standing(State::Deleting, reason::DELETING, format!("machine {id} goes next"))
}

fn standing(state: State, reason: &'static str, message: String) -> Hold {
    Hold { state, reason, message, phase: Phase::Reconciling, again_at: None, drift: None }
}

/// The status with an intent in it, as it is written before the request leaves. Pure.
pub fn with_intent(
    machine: &CloudMachine,
    operation: &Operation,
    now: DateTime<Utc>,
) -> CloudMachineStatus {
    let mut status = machine.status.clone().unwrap_or_default();
    let generation = machine.metadata.generation;
    status.observed_generation = generation.unwrap_or_default();
    let hold = if operation.verb == "delete" {
        let message = format!("asking {} to delete the machine", operation.provider);
        standing(State::Deleting, reason::DELETING, message)
    } else if machine.metadata.deletion_timestamp.is_some() {
        let message = format!("asking {} to delete an earlier machine", operation.provider);
        standing(State::Deleting, reason::DELETING, message)
    } else if let Some(hold) = power::switching(&operation.verb, &status) {
        hold
    } else if operation.verb != "create" || status.active.is_some() {
        super::decide::unsettled(&status, ready_message(&status))
    } else {
        let size = operation.size.as_deref().unwrap_or_default();
        let message = format!("asking {} for {size} in {}", operation.provider, operation.region);
        standing(State::Creating, reason::CREATING, message)
    };
    status.operation = Some(operation.clone());
    conditions(&mut status, &hold, generation, now);
    status
}

fn created(
    status: &mut CloudMachineStatus,
    machine: &CloudMachine,
    (operation, made): (&Operation, &Machine),
    now: DateTime<Utc>,
) -> Hold {
    status.attempt = operation.attempt;
    let message = format!("machine {} is {}", made.id, made.vendor_state);
    let tags = machine.spec.tags.clone();
    if status.active.is_some() {
        replace(status, operation, made, tags, now);
        return super::decide::beside(status, &format!("going back: {message}"));
    }
    take(status, operation, made, now);
    if let Some(active) = &mut status.active {
        active.tags = tags;
        if let Some(size) = &operation.size {
            // It was made as it was asked for, whatever the provider calls that.
            active.size.clone_from(size);
        }
    }
    standing(State::Creating, reason::CREATING, message)
}

fn adopted(
    status: &mut CloudMachineStatus,
    machine: &CloudMachine,
    (found, at): (&Machine, Option<&Place>),
    now: DateTime<Utc>,
) -> Hold {
    let there = |provider: &str, region: &str, size: Option<String>| Operation {
        size,
        image: found.image.clone(),
        attempt: status.attempt.max(1),
        ..Operation::new(String::new(), "create", (provider, region), now)
    };
    let open = status.operation.clone().filter(|operation| operation.verb == "create");
    let operation = match (at, open, &status.active) {
        (Some(at), ..) => Some(there(&at.provider, &at.region, at.size.clone())),
        (None, Some(open), _) => Some(open),
        // Found while the one in use was being deleted: it is at the same place.
        (None, None, Some(active)) => Some(Operation {
            image: Some(active.image.clone()),
            price_per_hour: active.price_per_hour.clone(),
            currency: active.currency.clone(),
            ..there(&active.provider, &active.region, Some(active.size.clone()))
        }),
        (None, None, None) => None,
    };
    let message = adoption(found);
    if let Some(operation) = operation {
        status.attempt = status.attempt.max(operation.attempt);
        // What it carries of the spec's tags it need not be given again; of an import only what it has.
        let has = |tag: &&String| at.is_none() || found.marks.contains(tag);
        let tags = machine.spec.tags.iter().filter(has).cloned().collect();
        let deletes_another = status.operation.as_ref().is_some_and(|open| open.verb == "delete");
        if status.active.is_some() && !deletes_another {
            replace(status, &operation, found, tags, now);
            if machine.metadata.deletion_timestamp.is_none() {
                return super::decide::beside(status, &format!("going back: {message}"));
            }
            return standing(State::Deleting, reason::DELETING, message);
        }
        take(status, &operation, found, now);
        if let Some(active) = &mut status.active {
            active.tags = tags;
        }
    }
    standing(State::Creating, reason::CREATING, message)
}

fn changed(
    status: &mut CloudMachineStatus,
    machine: &CloudMachine,
    change: &Change,
    observed: &Observed,
    now: DateTime<Utc>,
) -> Hold {
    status.operation = None;
    if let Some(active) = &mut status.active {
        active.changed_at = Some(now);
        drift::told(active, machine, &change.verb);
    }
    if change.corrects {
        status.corrections.retain(|at| observed.now - *at < drift::WINDOW);
        status.corrections.push(now);
    }
    power::switching(change.verb.as_str(), status)
        .unwrap_or_else(|| super::decide::unsettled(status, ready_message(status)))
}

fn ready_message(status: &CloudMachineStatus) -> String {
    let ready = condition::find(&status.conditions, READY);
    ready.map(|ready| ready.message.clone()).unwrap_or_default()
}

/// What was taken. A machine that nobody saw stands for what was made for it.
fn adoption(found: &Machine) -> String {
    if found.is_unseen() {
        return format!("found no machine {}; what may have been made for it is removed", found.id);
    }
    format!("found machine {} by its marks and adopted it", found.id)
}

fn take(
    status: &mut CloudMachineStatus,
    operation: &Operation,
    machine: &Machine,
    now: DateTime<Utc>,
) {
    status.active = Some(thing(operation, machine, now));
    status.operation = None;
    status.forgotten = None;
    addresses(status, machine);
}

/// Takes what is to take the place of the machine in use.
fn replace(
    status: &mut CloudMachineStatus,
    operation: &Operation,
    machine: &Machine,
    tags: Vec<String>,
    now: DateTime<Utc>,
) {
    status.replacement = Some(Active { tags, ..thing(operation, machine, now) });
    status.operation = None;
    status.forgotten = None;
}

fn thing(operation: &Operation, machine: &Machine, now: DateTime<Utc>) -> Active {
    let asked = |value: &Option<String>| value.clone().unwrap_or_default();
    Active {
        provider: operation.provider.clone(),
        region: operation.region.clone(),
        size: size(operation, machine),
        image: asked(&operation.image),
        external_id: machine.id.clone(),
        since: now,
        first_since: None,
        changed_at: None,
        tags: Vec::new(),
        power_state: None,
        price_per_hour: operation.price_per_hour.clone(),
        currency: operation.currency.clone(),
    }
}

/// The size that was asked for, unless the machine has another one.
fn size(operation: &Operation, machine: &Machine) -> String {
    let asked = operation.size.as_ref();
    let is_asked = |told: &&String| {
        [&operation.size, &operation.size_id].iter().any(|size| same(size.as_deref(), told))
    };
    let told = machine.size.as_ref().filter(|told| asked.is_none() || !is_asked(told));
    told.or(asked).cloned().unwrap_or_default()
}

fn forgotten(status: &mut CloudMachineStatus, operation: &Operation, now: DateTime<Utc>) -> Hold {
    let failure = lost();
    status.attempts = failover::remember(
        &status.attempts,
        &asked(operation),
        &failure,
        (now, 0),
        operation.witness_index,
    );
    // The attempt's number stays, and with it the token: where a provider honours it, a machine
    // that appears after all is the next attempt's.
    status.operation = None;
    status.forgotten = Some(Forgotten {
        token: operation.token.clone(),
        request_digest: operation.request_digest.clone(),
    });
    standing(
        State::Pending,
        reason::NO_CANDIDATE,
        format!("{}: {}", operation.provider, failure.message),
    )
}

/// The failure of a creation whose answer was lost and that made nothing.
fn lost() -> Failure {
    Failure {
        class: Class::Unavailable,
        scope: Scope::Account,
        code: None,
        message: "the answer to create was lost and the provider's list shows no machine"
            .to_owned(),
        retry_after: None,
    }
}

fn addresses(status: &mut CloudMachineStatus, machine: &Machine) {
    status.addresses = machine
        .addresses
        .iter()
        .map(|address| MachineAddress { ip: address.ip.clone(), public: address.public })
        .collect();
    status.addresses.sort_by_key(|address| !address.public);
    status.addresses.truncate(16);
    status.address = status.addresses.iter().find(|a| a.public).map(|a| a.ip.clone());
}

fn witnessed(
    status: &mut CloudMachineStatus,
    witness: &WitnessRef,
    generation: Option<i64>,
    now: DateTime<Utc>,
) {
    status.witness = Some(witness.clone());
    let message = format!("entry {} with leaf hash {}", witness.index, witness.leaf_hash);
    let why = ("Logged", message.as_str());
    condition::set(&mut status.conditions, WITNESSED, true, why, generation, now);
}

fn conditions(
    status: &mut CloudMachineStatus,
    hold: &Hold,
    generation: Option<i64>,
    now: DateTime<Utc>,
) {
    status.state = Some(hold.state);
    let why = (hold.reason, hold.message.as_str());
    let all = &mut status.conditions;
    condition::set(all, READY, hold.phase == Phase::Ready, why, generation, now);
    for (type_, phase) in [(RECONCILING, Phase::Reconciling), (STALLED, Phase::Stalled)] {
        if hold.phase == phase {
            condition::set(all, type_, true, why, generation, now);
        } else {
            condition::clear(all, type_);
        }
    }
    match hold.drift.as_deref() {
        Some([]) => condition::clear(all, DRIFTED),
        Some(drift) => {
            let message = drift.join("; ");
            condition::set(all, DRIFTED, true, (reason::DIFFERS, &message), generation, now);
        }
        None => {}
    }
}

/// Writes the status if its meaning changed.
pub async fn report(
    machine: &CloudMachine,
    observed: &Observed,
    acted: &Acted,
    context: &Context,
) -> Result<(), kube::Error> {
    if matches!(acted.what, What::Superseded | What::Released) {
        return Ok(());
    }
    let now = context.now();
    let next = status(machine, observed, acted, now);
    if let Some(operation) = machine.status.as_ref().and_then(|status| status.operation.as_ref())
        && next.operation.as_ref().is_none_or(|open| !is_open(open, operation))
    {
        context.open.closed(operation);
    }
    events(machine, acted, context).await;
    share(machine, observed, acted, context);
    expiry::announce(machine, &next, context).await;
    interest(machine, &next, context);
    // Before an effect, the intent was written on this version: the outcome goes on top of it.
    if acted.intent.is_none() && machine.status.as_ref() == Some(&next) {
        return Ok(());
    }
    fault_point("report.status.before");
    let written = if let Some(intent) = &acted.intent {
        apply_onto(machine, (intent, &acted.version), &next, context).await
    } else {
        let version = machine.resource_version();
        status::apply(machine, &next, version, context).await.map(|_| ())
    };
    match written {
        Ok(()) => {
            fault_point("report.status.after");
            count(machine, observed, acted, &next, context);
            Ok(())
        }
        // Somebody changed the object: its event comes.
        Err(kube::Error::Api(status))
            if acted.intent.is_none() && (status.code == 409 || status.code == 404) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Tells all objects that use a Provider where it served and where it did not.
fn share(machine: &CloudMachine, observed: &Observed, acted: &Acted, context: &Context) {
    let namespace = machine.namespace().unwrap_or_default();
    let provider = |place: &Place| ObjectRef::new(&place.provider).within(&namespace);
    let failed = |place: &Place, failure: &Failure| {
        if context.blocks.of(&namespace, &place.provider).failed(place, failure, context.now()) {
            // The controller is gone only when the process ends.
            let _ = context.wake_providers.unbounded_send(provider(place));
        }
    };
    let served = |place: &Place| {
        if context.blocks.of(&namespace, &place.provider).served(place) {
            let _ = context.wake_providers.unbounded_send(provider(place));
            // Who waited for the one that tried.
            context.wake_machines_of(&provider(place));
        }
    };
    for candidate in &observed.candidates {
        if let Some(Err(Refusal::Failed(failure))) = &candidate.offering {
            failed(&candidate.place(), failure);
        }
    }
    let open = machine.status.as_ref().and_then(|status| status.operation.as_ref());
    match &acted.what {
        What::Created { operation, .. } => served(&asked(operation)),
        What::Adopted { at: None, .. } => {
            if let Some(open) = open.filter(|open| open.verb == "create") {
                served(&asked(open));
            }
        }
        What::Failed { place, failure, attempt: Some(_), .. } => failed(place, failure),
        What::Forgotten { operation } => failed(&asked(operation), &lost()),
        What::GivenUp { why } => {
            let status = machine.status.as_ref();
            if let Some(thing) = status.and_then(|status| status.replacement.as_ref()) {
                failed(&place_of(thing), &not_going_back(why));
            }
        }
        _ => {}
    }
}

/// Whether the operation in a stored status is still the one whose intent was written. One that was
/// resolved meanwhile, by another operator while this one stood still, is not written over.
pub fn is_open(stored: &Operation, intent: &Operation) -> bool {
    stored.token == intent.token && stored.started_at == intent.started_at
}

fn interest(machine: &CloudMachine, next: &CloudMachineStatus, context: &Context) {
    let Some(active) = &next.active else { return };
    // Not what was looked at: that may be another one's account, which knows nothing of this one's region.
    let Some(account) = open_account(machine, &active.provider, context) else { return };
    let deleting = machine.metadata.deletion_timestamp.is_some();
    let in_transition = deleting || power::is_moving(next);
    let object = ObjectRef::from_obj(machine);
    let owner = owner(machine, context);
    let id = Some(active.external_id.as_str());
    account.observer.interest(&active.region, &owner, object, (id, in_transition));
}

async fn events(machine: &CloudMachine, acted: &Acted, context: &Context) {
    match &acted.what {
        What::Created { operation, machine: made } => {
            let price = match (&operation.price_per_hour, &operation.currency) {
                (Some(price), Some(currency)) => format!("{price} {currency}/h"),
                _ => "price unknown".to_owned(),
            };
            let note = format!(
                "created machine {} at {}: {} in {}, {price}",
                made.id,
                operation.provider,
                operation.size.as_deref().unwrap_or_default(),
                operation.region
            );
            context.event(machine, false, "Created", note).await;
        }
        What::Adopted { machine: found, .. } => {
            let reason = if found.is_unseen() { "NothingFound" } else { "Adopted" };
            context.event(machine, false, reason, adoption(found)).await;
        }
        What::Failed { place, failure, .. } => {
            let deleting = machine.metadata.deletion_timestamp.is_some();
            let (reason, failed) = if deleting {
                ("DeleteFailed", "did not delete")
            } else {
                ("CandidateFailed", "did not serve")
            };
            let note =
                format!("{} {failed}: {} ({})", place.provider, failure.message, failure.class);
            context.event(machine, true, reason, note).await;
        }
        What::Unknown { message } => {
            context.event(machine, true, "OutcomeUnknown", message.clone()).await;
        }
        What::DeleteAccepted => {
            let id = machine.status.as_ref().and_then(|status| status.active.as_ref());
            let id = id.map(|active| active.external_id.as_str()).unwrap_or_default();
            context
                .event(
                    machine,
                    false,
                    "Deleting",
                    format!("asked the provider to delete machine {id}"),
                )
                .await;
        }
        What::Changed { change } => {
            let reason = if change.corrects { "DriftCorrected" } else { "Changed" };
            context.event(machine, false, reason, change.verb.done()).await;
        }
        What::Held(Hold { drift: Some(drift), .. }) if !drift.is_empty() => {
            let status = machine.status.as_ref();
            let known = status.and_then(|status| condition::find(&status.conditions, DRIFTED));
            let note = drift.join("; ");
            if known.is_none_or(|known| known.message != note) {
                context.event(machine, true, "Drifted", note).await;
            }
        }
        What::Moved { machine: seen } => {
            let status = machine.status.as_ref();
            let to = status.and_then(|status| status.replacement.as_ref());
            let to = to.map(|thing| thing.provider.as_str()).unwrap_or_default();
            let note = format!("machine {} at {to} is the one in use now", seen.id);
            context.event(machine, false, "FailedBack", note).await;
        }
        What::GivenUp { why } => {
            context.event(machine, true, "FailbackGivenUp", why.clone()).await;
        }
        What::Retired { thing } => {
            let note = format!("machine {} at {} is gone", thing.external_id, thing.provider);
            context.event(machine, false, "Retired", note).await;
        }
        What::Held(_)
        | What::RetireAccepted
        | What::Next
        | What::Forgotten { .. }
        | What::Outdated { .. }
        | What::Withdrawn { .. }
        | What::Settled
        | What::Superseded
        | What::Released => {}
    }
}

/// Applies the whole status on top of our own intent, whatever else of the object changed since.
async fn apply_onto(
    machine: &CloudMachine,
    (intent, version): (&Operation, &Option<String>),
    next: &CloudMachineStatus,
    context: &Context,
) -> Result<(), kube::Error> {
    let api: Api<CloudMachine> =
        Api::namespaced(context.client.clone(), &machine.namespace().unwrap_or_default());
    // Mostly nobody wrote in between.
    let mut version = version.clone();
    let mut conflicts = 0;
    loop {
        if version.is_none() {
            let stored = api.get_opt(&machine.name_any()).await?;
            let stored = stored.filter(|stored| stored.uid() == machine.uid());
            let Some(stored) = stored else { return Ok(()) };
            let open = stored.status.as_ref().and_then(|status| status.operation.as_ref());
            if !open.is_some_and(|open| is_open(open, intent)) {
                return Ok(());
            }
            version = stored.resource_version();
        }
        match status::apply(machine, next, version.take(), context).await {
            Err(kube::Error::Api(status)) if status.code == 409 && conflicts < CONFLICTS => {
                conflicts += 1;
            }
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            result => return result.map(|_| ()),
        }
    }
}
