//! Says in status what was done and how the object stands; writes only when that changed.

use chrono::{DateTime, Utc};
use infrafabric_adapters::contract::cloud::Machine;
use infrafabric_crds::cloud_machine::{MachineAddress, State, reason};
use infrafabric_crds::condition::{self, DRIFTED, READY, RECONCILING, STALLED, WITNESSED};
use infrafabric_crds::engine::{Active, Forgotten, Operation, WitnessRef};
use infrafabric_crds::{CloudMachine, CloudMachineStatus, RECONCILE_ANNOTATION};
use infrafabric_definition::{Class, Scope};
use kube::ResourceExt;
use kube::api::Api;

use super::act::{Acted, Place, What, owner};
use super::decide::{Hold, Phase};
use super::drift::{self, Change};
use super::observe::{Observed, Seen, same};
use super::{expiry, power};
use crate::context::Context;
use crate::engine::failover::{self, Asked, Failure};
use crate::engine::status;
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
        What::Unknown { message } => {
            standing(State::Creating, reason::OUTCOME_UNKNOWN, message.clone())
        }
        What::Failed { place, failure, duration_ms, attempt } => {
            status.attempts = failover::remember(
                &status.attempts,
                &place.asked(),
                failure,
                (now, *duration_ms),
                acted.witness.as_ref().map(|witness| witness.index),
            );
            let deleting = machine.metadata.deletion_timestamp.is_some();
            let message = format!("{}: {}", place.provider, failure.message);
            // A deletion stays open until its end; a create that was refused made nothing.
            if !deleting || attempt.is_some() {
                status.operation = None;
                if let Some(attempt) = attempt {
                    status.attempt = *attempt;
                    status.forgotten = None;
                }
            }
            if deleting {
                standing(State::Deleting, reason::DELETING, message)
            } else {
                match &status.active {
                    // A change that was refused: the machine is as it was.
                    Some(_) => super::decide::unsettled(&status, ready_message(&status)),
                    None => standing(State::Pending, reason::NO_CANDIDATE, message),
                }
            }
        }
        What::Adopted { machine: found, at } => {
            adopted(&mut status, machine, (found, at.as_ref()), now)
        }
        What::Outdated { attempt } => {
            status.attempt = *attempt;
            status.forgotten = None;
            let message = "what is asked for changed: the next attempt is another one".to_owned();
            standing(State::Pending, reason::NO_CANDIDATE, message)
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
        What::Forgotten { operation } => forgotten(&mut status, operation, now),
        What::DeleteAccepted => standing(
            State::Deleting,
            reason::DELETING,
            "the provider accepted the deletion".to_owned(),
        ),
    };
    if let Some(witness) = &acted.witness {
        witnessed(&mut status, witness, generation, now);
    }
    conditions(&mut status, &hold, generation, now);
    expiry::tell(&mut status, machine, now);
    status
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
    } else if let Some(hold) = power::switching(&operation.verb, &status) {
        hold
    } else if operation.verb != "create" {
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
    take(status, operation, made, now);
    if let Some(active) = &mut status.active {
        active.tags.clone_from(&machine.spec.tags);
        if let Some(size) = &operation.size {
            // It was made as it was asked for, whatever the provider calls that.
            active.size.clone_from(size);
        }
    }
    let message = format!("machine {} is {}", made.id, made.vendor_state);
    standing(State::Creating, reason::CREATING, message)
}

fn adopted(
    status: &mut CloudMachineStatus,
    machine: &CloudMachine,
    (found, at): (&Machine, Option<&Place>),
    now: DateTime<Utc>,
) -> Hold {
    let there = |provider: &str, region: &str, size: Option<String>| Operation {
        token: String::new(),
        verb: "create".to_owned(),
        provider: provider.to_owned(),
        region: region.to_owned(),
        size,
        size_id: None,
        image: found.image.clone(),
        request_digest: String::new(),
        started_at: now,
        attempt: status.attempt.max(1),
        witness_index: None,
        price_per_hour: None,
        currency: None,
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
    if let Some(operation) = operation {
        status.attempt = status.attempt.max(operation.attempt);
        take(status, &operation, found, now);
        // What it carries of the spec's tags it need not be given again; of an import only what it has.
        let has = |tag: &&String| at.is_none() || found.marks.contains(tag);
        if let Some(active) = &mut status.active {
            active.tags = machine.spec.tags.iter().filter(has).cloned().collect();
        }
    }
    let message = adoption(found);
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
    let asked = |value: &Option<String>| value.clone().unwrap_or_default();
    status.active = Some(Active {
        provider: operation.provider.clone(),
        region: operation.region.clone(),
        size: size(operation, machine),
        image: asked(&operation.image),
        external_id: machine.id.clone(),
        since: now,
        changed_at: None,
        tags: Vec::new(),
        power_state: None,
        price_per_hour: operation.price_per_hour.clone(),
        currency: operation.currency.clone(),
    });
    status.operation = None;
    status.forgotten = None;
    addresses(status, machine);
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
    let failure = Failure {
        class: Class::Unavailable,
        scope: Scope::Account,
        code: None,
        message: "the answer to create was lost and the provider's list shows no machine"
            .to_owned(),
        retry_after: None,
    };
    status.attempts = failover::remember(
        &status.attempts,
        &Asked {
            provider: &operation.provider,
            region: &operation.region,
            size: operation.size.as_deref(),
            verb: None,
        },
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
    expiry::announce(machine, &next, context).await;
    interest(machine, observed, &next, context);
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

/// Whether the operation in a stored status is still the one whose intent was written. One that was
/// resolved meanwhile, by another operator while this one stood still, is not written over.
pub fn is_open(stored: &Operation, intent: &Operation) -> bool {
    stored.token == intent.token && stored.started_at == intent.started_at
}

fn interest(
    machine: &CloudMachine,
    observed: &Observed,
    next: &CloudMachineStatus,
    context: &Context,
) {
    let (Some(account), Some(active)) = (&observed.account, &next.active) else {
        return;
    };
    let deleting = machine.metadata.deletion_timestamp.is_some();
    let in_transition = deleting || power::is_moving(next);
    let object = kube::runtime::reflector::ObjectRef::from_obj(machine);
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
        What::Held(_)
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
