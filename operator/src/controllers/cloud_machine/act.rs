//! Performs one decision. Only this module makes an [`Acted`], so that status cannot claim what did
//! not happen.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use infrafabric_adapters::contract::cloud::{Machine, MachineVerb};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::journal::JournalError;
use infrafabric_crds::engine::{Active, DeletionPolicy, Operation, WitnessRef};
use infrafabric_crds::{CloudMachine, DETACH_ANNOTATION, FINALIZER, RESOLVE_ANNOTATION};
use infrafabric_definition::Class;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use serde_json::json;
use thiserror::Error;

use super::decide::{Decision, Hold};
use super::drift::{Change, ChangeVerb};
use super::effect::Effect;
use super::expiry;
use super::observe::Observed;
use super::want::{user_data, want};
use crate::context::Context;
use crate::engine::accounts::OpenAccount;
use crate::engine::failover::{Failure, Place};
use crate::engine::naming::{self, Owner};
use crate::engine::orphans::OrphansError;
use crate::engine::placement::Offering;
use crate::fault_point::fault_point;
use crate::finalizer;

/// What was done.
#[derive(Debug)]
pub struct Acted {
    pub(super) what: What,
    pub(super) witness: Option<WitnessRef>,
    /// The intent that was written before the deed.
    pub(super) intent: Option<Operation>,
    /// The version that the object had with that intent in it.
    pub(super) version: Option<String>,
}

/// The kinds of deed.
#[doc(hidden)]
#[derive(Debug)]
pub enum What {
    /// Nothing; the object stands like this.
    Held(Hold),
    /// The object changed meanwhile, or was changed by the deed itself: its event comes.
    Superseded,
    /// A machine was made.
    Created { operation: Box<Operation>, machine: Box<Machine> },
    /// The answer to an effect was lost, or the deed could not be recorded.
    Unknown { message: String },
    /// A candidate did not serve.
    Failed { place: Place, failure: Failure, duration_ms: u64, attempt: Option<u32> },
    /// A machine of ours was found and taken; where, unless an operation says so.
    Adopted { machine: Box<Machine>, at: Option<Place> },
    /// The token stands for another request: the next attempt has another one.
    Outdated { attempt: u32 },
    /// Nothing was sent, and nothing will be: the right to act was gone.
    Withdrawn { why: String },
    /// A change of the machine was accepted.
    Changed { change: Change },
    /// A change has happened whose end nobody wrote down.
    Settled,
    /// An open operation made nothing.
    Forgotten { operation: Box<Operation> },
    /// The machine's deletion was accepted.
    DeleteAccepted,
    /// What took the place of the machine in use is the one in use.
    Moved { machine: Box<Machine> },
    /// What was made to take the place of the machine in use is not going to.
    GivenUp { why: String },
    /// The deletion of a machine that is not in use any more was accepted.
    RetireAccepted,
    /// A machine that is not in use any more is gone.
    Retired { thing: Box<Active> },
    /// The next of the object's machines is the one that is deleted.
    Next,
    /// The object was let go.
    Released,
}

/// Why a decision could not be performed; the object is looked at again.
#[derive(Debug, Error)]
pub enum ActError {
    /// The finalizer could not be written.
    #[error("write the finalizer of CloudMachine {name}")]
    Finalizer {
        /// The object.
        name: String,
        /// What the API said.
        #[source]
        source: kube::Error,
    },
    /// The annotation could not be taken off.
    #[error("take the annotation {RESOLVE_ANNOTATION} off CloudMachine {name}")]
    Annotation {
        /// The object.
        name: String,
        /// What the API said.
        #[source]
        source: kube::Error,
    },
    /// The object could not be deleted.
    #[error("delete CloudMachine {name}, whose time has passed")]
    Expire {
        /// The object.
        name: String,
        /// What the API said.
        #[source]
        source: kube::Error,
    },
    /// It could not be written down that its machine stays.
    #[error("write down that the machine of CloudMachine {name} stays")]
    Orphan {
        /// The object.
        name: String,
        /// What went wrong.
        #[source]
        source: OrphansError,
    },
    /// The journal could not be kept, so nothing was sent.
    #[error("keep the journal; nothing was sent")]
    Journal {
        /// What went wrong.
        #[source]
        source: Box<AdapterError>,
    },
}

impl Acted {
    /// For the model check, which acts on a model of the world.
    #[doc(hidden)]
    pub fn modelled(what: What, intent: Option<Operation>) -> Self {
        Self { what, witness: None, intent, version: None }
    }

    /// Whether nothing was done, for something else happened meanwhile.
    pub(super) fn is_superseded(&self) -> bool {
        matches!(self.what, What::Superseded)
    }

    fn plain(what: What) -> Self {
        Self { what, witness: None, intent: None, version: None }
    }
}

/// Performs the decision.
pub async fn act(
    machine: &CloudMachine,
    observed: &Observed,
    decision: Decision,
    context: &Context,
) -> Result<Acted, ActError> {
    let plain = Acted::plain;
    Ok(match decision {
        Decision::Hold(hold) => plain(What::Held(hold)),
        Decision::AddFinalizer => {
            let added = finalizer::add(&api(machine, context), machine).await;
            written(machine, added, context)?
        }
        Decision::Create { candidate, offering, attempt } => {
            create(machine, observed, candidate, offering, attempt, context).await?
        }
        Decision::Remember { provider, region, failure } => {
            let place = Place::new(&provider, &region);
            plain(What::Failed { place, failure, duration_ms: 0, attempt: None })
        }
        Decision::Adopt(found) => plain(What::Adopted { machine: found, at: None }),
        Decision::Take { candidate, machine: found } => {
            let uid = machine.uid().unwrap_or_default();
            let kind = observed.accounts[candidate].as_ref();
            let kind = kind.map(|open| open.account.definition().name()).unwrap_or_default();
            if !context.claims.claim(kind, &found.id, &uid) {
                // Another object takes it at this moment; the next look sees whose it is.
                return Ok(Acted::plain(What::Superseded));
            }
            let seen = &observed.candidates[candidate];
            let region = found.region.clone().or(seen.region.clone().ok()).unwrap_or_default();
            let place = Place { size: found.size.clone(), ..Place::new(&seen.name, &region) };
            plain(What::Adopted { machine: found, at: Some(place) })
        }
        Decision::Repeat(operation) => repeat(machine, observed, operation, context).await?,
        Decision::Change { change, external_id } => {
            self::change(machine, observed, change, &external_id, context).await?
        }
        Decision::Changed => plain(What::Settled),
        Decision::DropAnswer => {
            drop_answer(machine, context).await?;
            plain(What::Superseded)
        }
        Decision::Forget(operation) => forget(machine, observed, operation, context).await?,
        Decision::Delete { external_id } => {
            delete(machine, observed, &external_id, context).await?
        }
        Decision::Move(seen) => plain(What::Moved { machine: seen }),
        Decision::GiveUp { why } => plain(What::GivenUp { why }),
        Decision::Retire { thing } => retire(machine, &thing, context).await?,
        Decision::Retired { thing } => {
            if let Some(account) = open_account(machine, &thing.provider, context) {
                let active = machine.status.as_ref().and_then(|status| status.active.as_ref());
                if active.is_none_or(|active| active.provider != thing.provider) {
                    account.observer.forget(&owner(machine, context));
                }
            }
            plain(What::Retired { thing })
        }
        Decision::Next => plain(What::Next),
        Decision::Expire => {
            let expired = expiry::expire(machine, context).await;
            expired.map_err(|source| ActError::Expire { name: machine.name_any(), source })?;
            plain(What::Superseded)
        }
        Decision::Release(why) => release(machine, observed, why, context).await?,
    })
}

fn api(machine: &CloudMachine, context: &Context) -> Api<CloudMachine> {
    Api::namespaced(context.client.clone(), &machine.namespace().unwrap_or_default())
}

fn written(
    machine: &CloudMachine,
    result: Result<Option<CloudMachine>, kube::Error>,
    context: &Context,
) -> Result<Acted, ActError> {
    let done = result.map_err(|source| ActError::Finalizer { name: machine.name_any(), source })?;
    if let Some(done) = done {
        context.own_writes.wrote(&done);
    }
    Ok(Acted::plain(What::Superseded))
}

async fn release(
    machine: &CloudMachine,
    observed: &Observed,
    why: &str,
    context: &Context,
) -> Result<Acted, ActError> {
    if let Some(account) = &observed.account {
        account.observer.forget(&owner(machine, context));
    }
    // It may have looked elsewhere before.
    for candidate in &machine.spec.providers {
        if let Some(account) = open_account(machine, &candidate.name, context) {
            account.observer.forget(&owner(machine, context));
        }
    }
    if let Some(open) = machine.status.as_ref().and_then(|status| status.operation.as_ref()) {
        context.open.closed(open);
    }
    context.claims.release(&machine.uid().unwrap_or_default());
    fault_point("release.before");
    let held = machine.finalizers().iter().any(|name| name == FINALIZER);
    if held {
        if stays(machine) {
            // What stays at the provider is nobody's leftover.
            let object =
                format!("{}/{}", machine.namespace().unwrap_or_default(), machine.name_any());
            let uid = machine.uid().unwrap_or_default();
            fault_point("orphan.add.before");
            let active = machine.status.as_ref().and_then(|status| status.active.as_ref());
            let id = active.map(|active| active.external_id.as_str()).unwrap_or_default();
            match context.orphans.add(&uid, &object, id).await {
                Ok(()) => {}
                // While it is full nothing is told and nothing removed.
                Err(error @ OrphansError::Full) => tracing::warn!(%error, object, "let go"),
                Err(source) => return Err(ActError::Orphan { name: machine.name_any(), source }),
            }
            fault_point("orphan.add.after");
        }
        tracing::info!(k8s.name = machine.name_any(), why, "released");
        let removed = finalizer::remove(&api(machine, context), machine).await;
        removed.map_err(|source| ActError::Finalizer { name: machine.name_any(), source })?;
        context.own_writes.forget(machine);
    }
    // Who waits for the last user of a Provider looks again.
    for candidate in &machine.spec.providers {
        let provider =
            ObjectRef::new(&candidate.name).within(&machine.namespace().unwrap_or_default());
        let _ = context.wake_providers.unbounded_send(provider);
    }
    fault_point("release.after");
    Ok(Acted::plain(What::Released))
}

/// Whether the object goes and what it made stays.
fn stays(machine: &CloudMachine) -> bool {
    let status = machine.status.as_ref();
    let made = status.is_some_and(|status| status.active.is_some() || status.operation.is_some());
    let detached = machine.annotations().get(DETACH_ANNOTATION).is_some_and(|v| v == "true");
    made && (detached || machine.spec.deletion_policy == DeletionPolicy::Orphan)
}

/// Takes off what a person said about an operation that is not open any more.
async fn drop_answer(machine: &CloudMachine, context: &Context) -> Result<(), ActError> {
    let patch = json!({"metadata": {
        "resourceVersion": machine.resource_version(),
        "annotations": {RESOLVE_ANNOTATION: null},
    }});
    let name = machine.name_any();
    fault_point("answer.drop.before");
    let patched =
        api(machine, context).patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
    fault_point("answer.drop.after");
    match patched {
        Ok(written) => context.own_writes.wrote(&written),
        // Somebody changed the object: its event comes.
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {}
        Err(source) => return Err(ActError::Annotation { name, source }),
    }
    Ok(())
}

/// Who the machine belongs to, as marks and log entries name it.
pub(super) fn owner(machine: &CloudMachine, context: &Context) -> Owner {
    Owner {
        installation: context.installation.clone(),
        kind: "cloudmachine".to_owned(),
        namespace: machine.namespace().unwrap_or_default(),
        name: machine.name_any(),
        uid: machine.uid().unwrap_or_default(),
    }
}

async fn create(
    machine: &CloudMachine,
    observed: &Observed,
    index: usize,
    offering: Offering,
    attempt: u32,
    context: &Context,
) -> Result<Acted, ActError> {
    let owner = owner(machine, context);
    let provider = &observed.candidates[index].name;
    let place = Place {
        size: Some(offering.size.clone()),
        price: offering.price(),
        ..Place::new(provider, &offering.region)
    };
    let Some(account) = &observed.accounts[index] else {
        return Ok(Acted::plain(What::Superseded));
    };
    let user_data = match user_data(machine, context).await {
        Ok(user_data) => user_data,
        Err(failure) => {
            let what = What::Failed { place, failure, duration_ms: 0, attempt: None };
            return Ok(Acted::plain(what));
        }
    };
    let blocks = context.blocks.of(&owner.namespace, provider);
    if !blocks.probe(&owner.uid, &place, context.now()) {
        // Another object tries there at this moment, or has just failed.
        return Ok(Acted::plain(What::Superseded));
    }
    let token = naming::token(&owner, provider, "create", attempt);
    let operation = Operation {
        size: Some(offering.size.clone()),
        size_id: offering.size_id.clone(),
        image: Some(offering.image.clone()),
        attempt,
        price_per_hour: offering.price_per_hour.map(|price| price.normalize().to_string()),
        currency: offering.currency.clone(),
        ..Operation::new(token, "create", (provider, &offering.region), context.now())
    };
    let want = want(machine, &owner, offering, user_data);
    let effect = Effect::new(machine, account, operation, context);
    let token = effect.operation.token.clone();
    let made = account.account.create_machine(&want, &token, &effect.journal()).await;
    let duration_ms = effect.elapsed_ms();
    let what = match made {
        Ok(made) => {
            What::Created { operation: Box::new(effect.operation.clone()), machine: Box::new(made) }
        }
        Err(error) => {
            account.refusal.note(error.class);
            match failed(error, place, duration_ms, Some(attempt))? {
                // Something of it was made before: it is found, or removed.
                What::Withdrawn { why } if effect.has_outcome() => What::Unknown { message: why },
                failed @ What::Failed { .. } => {
                    // Nothing of the object's is here.
                    account.observer.forget(&self::owner(machine, context));
                    failed
                }
                other => other,
            }
        }
    };
    Ok(effect.acted(what))
}

/// An open operation that is asked for again: what leaves now may be under way as long as the first one
/// was.
#[doc(hidden)]
pub fn again(open: Operation, now: DateTime<Utc>) -> Operation {
    Operation { started_at: now, witness_index: None, ..open }
}

/// Asks again for what an open operation asked for, with the same token: where nothing else tells what
/// became of it, the provider answers with what it made the first time.
async fn repeat(
    machine: &CloudMachine,
    observed: &Observed,
    first: Operation,
    context: &Context,
) -> Result<Acted, ActError> {
    let open = again(first.clone(), context.now());
    let Some(account) = &observed.account else { return Ok(Acted::plain(What::Superseded)) };
    let unknown = |why: String| {
        let message = format!("the answer of {} to create was lost; {why}", open.provider);
        Acted::plain(What::Unknown { message })
    };
    let user_data = match user_data(machine, context).await {
        Ok(user_data) => user_data,
        Err(failure) => return Ok(unknown(failure.message)),
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let offering = Offering {
        region: open.region.clone(),
        size: text(&open.size),
        size_id: open.size_id.clone(),
        image: text(&open.image),
        price_per_hour: None,
        currency: None,
    };
    let want = want(machine, &owner(machine, context), offering, user_data);
    let effect = Effect::again(machine, account, open.clone(), context);
    let made = account.account.create_machine(&want, &open.token, &effect.journal()).await;
    let duration_ms = effect.elapsed_ms();
    let error = match made {
        Ok(made) => {
            let what = What::Created { operation: Box::new(open), machine: Box::new(made) };
            return Ok(effect.acted(what));
        }
        Err(error) => error,
    };
    account.refusal.note(error.class);
    let journal = error.source.as_ref().and_then(|source| source.downcast_ref::<JournalError>());
    if let Some(JournalError::Changed) = journal {
        return Ok(Acted::plain(What::Superseded));
    }
    if let Some(JournalError::Differs) = journal {
        let hold = super::decide::asks_for_another(&first, RESOLVE_ANNOTATION);
        return Ok(Acted::plain(What::Held(hold)));
    }
    let what = match error.class {
        // The key's own answer: nothing was made.
        Class::Capacity | Class::Quota | Class::OutOfCredit | Class::Invalid | Class::Policy
            if error.sent =>
        {
            let place = asked(&open);
            let failure = Failure::from(&error);
            What::Failed { place, failure, duration_ms, attempt: Some(open.attempt) }
        }
        _ => What::Unknown {
            message: format!(
                "the answer of {} to create was lost; asked again: {error}",
                open.provider
            ),
        },
    };
    Ok(effect.acted(what))
}

/// Changes the machine in use.
async fn change(
    machine: &CloudMachine,
    observed: &Observed,
    change: Change,
    external_id: &str,
    context: &Context,
) -> Result<Acted, ActError> {
    let status = machine.status.clone().unwrap_or_default();
    let (Some(account), Some(active)) = (&observed.account, &status.active) else {
        return Ok(Acted::plain(What::Superseded));
    };
    let owner = owner(machine, context);
    let verb = change.verb.as_str();
    // Two changes are two effects, and one that is asked again after a crash is the same one.
    let sized = match &change.verb {
        ChangeVerb::Resize(offered) => Some(offered.clone()),
        _ => None,
    };
    let size = sized.as_ref().map(|offered| offered.size.clone());
    let open = status.operation.as_ref();
    let open = open.filter(|operation| operation.verb == verb && operation.size == size);
    let started_at = open.map_or_else(|| context.now(), |operation| operation.started_at);
    let moment = started_at.timestamp_millis().to_string();
    let token = naming::token_at(&owner, &active.provider, verb, &moment);
    let operation = Operation {
        size: size.clone(),
        size_id: sized.as_ref().and_then(|offered| offered.size_id.clone()),
        price_per_hour: sized.as_ref().and_then(|offered| offered.price_per_hour.clone()),
        currency: sized.and_then(|offered| offered.currency),
        attempt: status.attempt.max(1),
        ..Operation::new(token, verb, (&active.provider, &active.region), started_at)
    };
    let place = Place { size, verb: Some(verb), ..Place::new(&active.provider, &active.region) };
    let told = match &change.verb {
        ChangeVerb::Start => MachineVerb::Start,
        ChangeVerb::Stop => MachineVerb::Stop,
        ChangeVerb::Resize(offered) => {
            MachineVerb::Resize { size: offered.size.clone(), size_id: offered.size_id.clone() }
        }
        ChangeVerb::Update(tags) => {
            MachineVerb::Update { marks: owner.marks(), tags: tags.clone() }
        }
    };
    let effect = Effect::new(machine, account, operation, context);
    let token = effect.operation.token.clone();
    fault_point("change.before");
    let changed = account
        .account
        .change_machine(&told, external_id, &active.region, &token, &effect.journal())
        .await;
    fault_point("change.after");
    let duration_ms = effect.elapsed_ms();
    let what = match changed {
        Ok(()) => What::Changed { change },
        Err(error) => {
            account.refusal.note(error.class);
            match failed(error, place, duration_ms, None)? {
                // It is told again: the same change twice is one change.
                What::Unknown { message } => What::Held(super::decide::unsettled(&status, message)),
                other => other,
            }
        }
    };
    Ok(effect.acted(what))
}

/// What an open creation asked for, and where.
pub(super) fn asked(open: &Operation) -> Place {
    Place {
        size: open.size.clone(),
        price: open.price_per_hour.clone().zip(open.currency.clone()),
        ..Place::new(&open.provider, &open.region)
    }
}

/// What became of an effect that gave no result.
#[doc(hidden)]
pub fn failed(
    error: AdapterError,
    place: Place,
    duration_ms: u64,
    attempt: Option<u32>,
) -> Result<What, ActError> {
    let journal = error.source.as_ref().and_then(|source| source.downcast_ref::<JournalError>());
    match journal {
        Some(JournalError::Changed) => return Ok(What::Superseded),
        Some(JournalError::Differs) => {
            return Ok(What::Outdated { attempt: attempt.unwrap_or_default() });
        }
        Some(JournalError::Forbidden(why)) if !error.sent => {
            return Ok(What::Withdrawn { why: why.clone() });
        }
        Some(_) if !error.sent => return Err(ActError::Journal { source: Box::new(error) }),
        _ => {}
    }
    if error.class == Class::Unknown {
        return Ok(What::Unknown { message: error.to_string() });
    }
    Ok(What::Failed { place, failure: Failure::from(&error), duration_ms, attempt })
}

/// Goes on without an open operation, once what it made for the machine is gone.
async fn forget(
    machine: &CloudMachine,
    observed: &Observed,
    open: Operation,
    context: &Context,
) -> Result<Acted, ActError> {
    let forgotten = |open| What::Forgotten { operation: Box::new(open) };
    let (Some(name), Some(account)) = (&observed.parts, &observed.account) else {
        return Ok(Acted::plain(forgotten(open)));
    };
    let owner = owner(machine, context);
    let token = naming::token(&owner, &open.provider, "clear", open.attempt);
    let clearing = Operation { token: token.clone(), ..open.clone() };
    // The open operation stays in the status until all of it is gone.
    let effect = Effect::beneath(machine, account, clearing, context);
    let cleared =
        account.account.delete_machine(name, &open.region, &token, &effect.journal()).await;
    let what = match cleared {
        Ok(()) => forgotten(open),
        Err(error) => {
            account.refusal.note(error.class);
            let message = format!("what the lost create left is not removed yet: {error}");
            What::Unknown { message }
        }
    };
    Ok(effect.acted(what))
}

/// The account of a Provider, as it was last found.
pub(super) fn open_account(
    machine: &CloudMachine,
    provider: &str,
    context: &Context,
) -> Option<Arc<OpenAccount>> {
    let known = context.accounts.get(&machine.namespace().unwrap_or_default(), provider);
    known.and_then(|known| known.account)
}

/// Deletes a machine that is not in use any more.
async fn retire(
    machine: &CloudMachine,
    thing: &Active,
    context: &Context,
) -> Result<Acted, ActError> {
    let Some(account) = open_account(machine, &thing.provider, context) else {
        return Ok(Acted::plain(What::Superseded));
    };
    let token =
        naming::token_at(&owner(machine, context), &thing.provider, "retire", &thing.external_id);
    let attempt = machine.status.as_ref().map_or(1, |status| status.attempt.max(1));
    let operation = Operation {
        attempt,
        ..Operation::new(token, "retire", (&thing.provider, &thing.region), context.now())
    };
    let effect = Effect::new(machine, &account, operation, context);
    let (id, region) = (&thing.external_id, &thing.region);
    let token = effect.operation.token.clone();
    fault_point("retire.before");
    let deleted = account.account.delete_machine(id, region, &token, &effect.journal()).await;
    fault_point("retire.after");
    let what = ended(deleted, &effect, &account, ("retire", What::RetireAccepted))?;
    Ok(effect.acted(what))
}

/// What became of a deletion.
fn ended(
    deleted: Result<(), AdapterError>,
    effect: &Effect<'_>,
    account: &OpenAccount,
    (verb, accepted): (&'static str, What),
) -> Result<What, ActError> {
    let Operation { provider, region, .. } = &effect.operation;
    let place = Place { verb: Some(verb), ..Place::new(provider, region) };
    let duration_ms = effect.elapsed_ms();
    match deleted {
        Ok(()) => Ok(accepted),
        // Whether the provider heard it does not matter: it is asked again until it is gone.
        Err(error) if error.class == Class::Unknown => {
            let failure = Failure::from(&error);
            Ok(What::Failed { place, failure, duration_ms, attempt: None })
        }
        Err(error) => {
            account.refusal.note(error.class);
            failed(error, place, duration_ms, None)
        }
    }
}

async fn delete(
    machine: &CloudMachine,
    observed: &Observed,
    external_id: &str,
    context: &Context,
) -> Result<Acted, ActError> {
    let owner = owner(machine, context);
    let status = machine.status.clone().unwrap_or_default();
    let (Some(account), Some(active)) = (&observed.account, &status.active) else {
        return Ok(Acted::plain(What::Superseded));
    };
    let token = naming::token(&owner, &active.provider, "delete", status.attempt);
    let operation = Operation {
        attempt: status.attempt.max(1),
        ..Operation::new(token, "delete", (&active.provider, &active.region), context.now())
    };
    let effect = Effect::new(machine, account, operation, context);
    let token = effect.operation.token.clone();
    let deleted = account
        .account
        .delete_machine(external_id, &active.region, &token, &effect.journal())
        .await;
    let what = ended(deleted, &effect, account, ("delete", What::DeleteAccepted))?;
    Ok(effect.acted(what))
}
