//! Performs one decision. Only this module makes an [`Acted`], so that status cannot claim what did
//! not happen.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use infrafabric_adapters::contract::cloud::{Machine, MachineWant};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::journal::JournalError;
use infrafabric_crds::cloud_machine::UserData;
use infrafabric_crds::engine::{Operation, WitnessRef};
use infrafabric_crds::{CloudMachine, FINALIZER};
use infrafabric_definition::Class;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use thiserror::Error;

use super::decide::{Decision, Hold};
use super::observe::Observed;
use super::report;
use crate::context::Context;
use crate::engine::accounts::OpenAccount;
use crate::engine::failover::Failure;
use crate::engine::journal::{IntentWriter, ObjectJournal, Receipts};
use crate::engine::naming::{self, Owner};
use crate::engine::placement::Offering;
use crate::finalizer;
use crate::witness::ObjectId;

/// What was done.
#[derive(Debug)]
pub struct Acted {
    pub(super) what: What,
    pub(super) witness: Option<WitnessRef>,
    /// The intent that was written before the deed.
    pub(super) intent: Option<Operation>,
}

/// The kinds of deed.
#[derive(Debug)]
pub(super) enum What {
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
    /// A machine of ours was found and taken.
    Adopted { machine: Box<Machine> },
    /// An open operation made nothing.
    Forgotten { operation: Box<Operation> },
    /// The machine's deletion was accepted.
    DeleteAccepted,
    /// The object was let go.
    Released,
}

/// Where something was tried.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub provider: String,
    pub region: String,
    pub size: Option<String>,
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
    /// The journal could not be kept, so nothing was sent.
    #[error("keep the journal; nothing was sent")]
    Journal {
        /// What went wrong.
        #[source]
        source: Box<AdapterError>,
    },
}

impl Acted {
    fn plain(what: What) -> Self {
        Self { what, witness: None, intent: None }
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
            let place = Place { provider, region, size: None };
            plain(What::Failed { place, failure, duration_ms: 0, attempt: None })
        }
        Decision::Adopt(found) => plain(What::Adopted { machine: found }),
        Decision::Forget(operation) => plain(What::Forgotten { operation: Box::new(operation) }),
        Decision::Delete { external_id } => {
            delete(machine, observed, &external_id, context).await?
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
    if let (Some(account), Some(uid)) = (&observed.account, machine.uid()) {
        account.observer.forget(&uid);
    }
    let held = machine.finalizers().iter().any(|name| name == FINALIZER);
    if held {
        tracing::info!(k8s.name = machine.name_any(), why, "released");
        let removed = finalizer::remove(&api(machine, context), machine).await;
        written(machine, removed, context)?;
    }
    // Who waits for the last user of a Provider looks again.
    for candidate in &machine.spec.providers {
        let provider =
            ObjectRef::new(&candidate.name).within(&machine.namespace().unwrap_or_default());
        let _ = context.wake_providers.unbounded_send(provider);
    }
    Ok(Acted::plain(What::Released))
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
        provider: provider.clone(),
        region: offering.region.clone(),
        size: Some(offering.size.clone()),
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
    let operation = Operation {
        token: naming::token(&owner, provider, "create", attempt),
        verb: "create".to_owned(),
        provider: provider.clone(),
        region: offering.region.clone(),
        size: Some(offering.size.clone()),
        image: Some(offering.image.clone()),
        request_digest: String::new(),
        started_at: context.now(),
        attempt,
        witness_index: None,
        price_per_hour: offering.price_per_hour.map(|price| price.normalize().to_string()),
        currency: offering.currency.clone(),
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
            failed(error, place, duration_ms, Some(attempt))?
        }
    };
    Ok(effect.acted(what))
}

/// What became of an effect that gave no result.
fn failed(
    error: AdapterError,
    place: Place,
    duration_ms: u64,
    attempt: Option<u32>,
) -> Result<What, ActError> {
    let journal = error.source.as_ref().and_then(|source| source.downcast_ref::<JournalError>());
    match journal {
        Some(JournalError::Changed) => return Ok(What::Superseded),
        Some(_) if !error.sent => return Err(ActError::Journal { source: Box::new(error) }),
        _ => {}
    }
    if error.class == Class::Unknown {
        return Ok(What::Unknown { message: error.to_string() });
    }
    Ok(What::Failed { place, failure: Failure::from(&error), duration_ms, attempt })
}

fn want(
    machine: &CloudMachine,
    owner: &Owner,
    offering: Offering,
    user_data: Option<String>,
) -> MachineWant {
    MachineWant {
        name: owner.thing_name(),
        region: offering.region,
        size: offering.size,
        image: offering.image,
        ssh_keys: machine.spec.ssh_keys.clone(),
        user_data,
        marks: owner.marks(),
        tags: machine.spec.tags.clone(),
        labels: owner.labels(),
    }
}

/// The user data from where the spec says; what is missing is a reason to wait, not to go on.
async fn user_data(machine: &CloudMachine, context: &Context) -> Result<Option<String>, Failure> {
    let Some(source) = &machine.spec.user_data else { return Ok(None) };
    let namespace = machine.namespace().unwrap_or_default();
    // Looked for again after half a minute: it may be on its way.
    let missing = |what: String| Failure {
        class: Class::NotFound,
        scope: infrafabric_definition::Scope::Object,
        code: None,
        message: format!("userData: {what}"),
        retry_after: None,
    };
    match source {
        UserData { inline: Some(text), .. } => Ok(Some(text.clone())),
        UserData { secret_ref: Some(key), .. } => {
            let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
            let secret = api.get_opt(&key.name).await.map_err(|e| missing(e.to_string()))?;
            let bytes = secret.and_then(|secret| secret.data?.remove(&key.key));
            let bytes = bytes
                .ok_or_else(|| missing(format!("Secret {} has no key {}", key.name, key.key)))?;
            String::from_utf8(bytes.0).map(Some).map_err(|_| {
                missing(format!("Secret {} key {} is not UTF-8 text", key.name, key.key))
            })
        }
        UserData { config_map_ref: Some(key), .. } => {
            let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
            let map = api.get_opt(&key.name).await.map_err(|e| missing(e.to_string()))?;
            let text = map.and_then(|map| map.data?.remove(&key.key));
            text.map(Some)
                .ok_or_else(|| missing(format!("ConfigMap {} has no key {}", key.name, key.key)))
        }
        UserData { .. } => Ok(None),
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
    let operation = Operation {
        token: naming::token(&owner, &active.provider, "delete", status.attempt),
        verb: "delete".to_owned(),
        provider: active.provider.clone(),
        region: active.region.clone(),
        size: None,
        image: None,
        request_digest: String::new(),
        started_at: context.now(),
        attempt: status.attempt.max(1),
        witness_index: None,
        price_per_hour: None,
        currency: None,
    };
    let place =
        Place { provider: active.provider.clone(), region: active.region.clone(), size: None };
    let effect = Effect::new(machine, account, operation, context);
    let token = effect.operation.token.clone();
    let deleted = account
        .account
        .delete_machine(external_id, &active.region, &token, &effect.journal())
        .await;
    let duration_ms = effect.elapsed_ms();
    let what = match deleted {
        Ok(()) => What::DeleteAccepted,
        // Whether the provider heard it does not matter: it is asked again until it is gone.
        Err(error) if error.class == Class::Unknown => {
            What::Failed { place, failure: Failure::from(&error), duration_ms, attempt: None }
        }
        Err(error) => {
            account.refusal.note(error.class);
            failed(error, place, duration_ms, None)?
        }
    };
    Ok(effect.acted(what))
}

/// One effect under way on a machine.
struct Effect<'a> {
    operation: Operation,
    receipts: Arc<Mutex<Receipts>>,
    writer: StatusWriter<'a>,
    context: &'a Context,
    object: ObjectId,
}

impl<'a> Effect<'a> {
    fn new(
        machine: &'a CloudMachine,
        account: &'a OpenAccount,
        operation: Operation,
        context: &'a Context,
    ) -> Self {
        let uid = machine.uid().unwrap_or_default();
        account.observer.interest(&operation.region, &uid, ObjectRef::from_obj(machine), true);
        let object = ObjectId {
            kind: CloudMachine::kind(&()).into_owned(),
            namespace: machine.namespace().unwrap_or_default(),
            name: machine.name_any(),
            uid,
        };
        let writer = StatusWriter { machine, context, written: Mutex::default() };
        Self { operation, receipts: Arc::default(), writer, context, object }
    }

    fn journal(&self) -> ObjectJournal<'_> {
        ObjectJournal {
            object: self.object.clone(),
            provider: self.operation.provider.clone(),
            operation: self.operation.clone(),
            writer: &self.writer,
            witness: &self.context.witness,
            clock: &*self.context.clock,
            stop: self.context.stop.clone(),
            actor: self.context.actor.clone(),
            receipts: Arc::clone(&self.receipts),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        let elapsed = self.context.now() - self.operation.started_at;
        elapsed.num_milliseconds().try_into().unwrap_or_default()
    }

    fn acted(self, what: What) -> Acted {
        let receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        let witness = receipts.newest();
        let mut intent = self.writer.written.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(operation) = &mut intent {
            operation.witness_index = receipts.intent.as_ref().map(|receipt| receipt.index);
        }
        Acted { what, witness, intent }
    }
}

/// Writes the intent into the machine's status, on the version that was decided on.
struct StatusWriter<'a> {
    machine: &'a CloudMachine,
    context: &'a Context,
    written: Mutex<Option<Operation>>,
}

#[async_trait]
impl IntentWriter for StatusWriter<'_> {
    async fn write(&self, operation: &Operation) -> Result<(), JournalError> {
        let now: DateTime<Utc> = self.context.now();
        let status = report::with_intent(self.machine, operation, now);
        let result = report::apply(self.machine, &status, self.context).await;
        match result {
            Ok(()) => {
                let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                *written = Some(operation.clone());
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                Err(JournalError::Changed)
            }
            Err(error) => Err(JournalError::Write(Box::new(error))),
        }
    }
}

/// A server-side apply by this controller.
pub(super) fn apply_params() -> PatchParams {
    PatchParams::apply("infrafabric/cloudmachine").force()
}

/// The patch of a whole status.
pub(super) fn apply_patch(body: serde_json::Value) -> Patch<serde_json::Value> {
    Patch::Apply(body)
}
