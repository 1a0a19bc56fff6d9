//! What all controllers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, SubsecRound as _, Utc};
use futures::channel::mpsc::UnboundedSender;
use infrafabric_adapters::clock::Clock;
use infrafabric_adapters::registry::{Registry, Source};
use infrafabric_crds::{CloudMachine, Provider, ProviderDefinition};
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::controllers::provider::decide::Verification;
use crate::engine::accounts::Accounts;
use crate::engine::blocks::AllBlocks;
use crate::engine::currency::Rates;
use crate::engine::halt::Halt;
use crate::engine::orphans::Orphans;
use crate::engine::recovery::Open;
use crate::metrics::Metrics;
use crate::trust::Trust;
use crate::witness::Witness;

/// What all controllers share. Behind one `Arc`.
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// The definitions in use.
    pub registry: Arc<Registry>,
    /// The Providers as last found.
    pub accounts: Accounts,
    /// Where they do not serve at the moment.
    pub blocks: AllBlocks,
    /// What currencies are worth.
    pub rates: Arc<ArcSwap<Rates>>,
    /// The log.
    pub witness: Witness,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// This installation's id.
    pub installation: String,
    /// The operator's identity in log and events.
    pub actor: String,
    /// Where requests may go.
    pub trust: Trust,
    /// Events.
    pub recorder: Recorder,
    /// Metrics.
    pub metrics: Metrics,
    /// Objects that went while what they made stayed.
    pub orphans: Orphans,
    /// What exists and is being taken over.
    pub claims: Claims,
    /// Since when operations are known to be open.
    pub open: Open,
    /// Whether effects are stopped for all.
    pub halt: Halt,
    /// Cancelled when no further effect may start.
    pub stop: CancellationToken,
    /// Whether a ProviderDefinition may take a built-in's name.
    pub allow_definition_override: bool,
    /// The longest that one provider call may take, and so the longest that a request may still be
    /// under way after the process that sent it died.
    pub call_deadline: Duration,
    /// What the last verification of each Provider gave.
    pub verifications: Mutex<HashMap<String, Verification>>,
    /// Definitions to look at again.
    pub wake_definitions: UnboundedSender<ObjectRef<ProviderDefinition>>,
    /// Machines to look at again.
    pub wake_machines: UnboundedSender<ObjectRef<CloudMachine>>,
    /// Providers to look at again.
    pub wake_providers: UnboundedSender<ObjectRef<Provider>>,
    /// Machines as watched.
    pub machines: Store<CloudMachine>,
    /// Providers as watched.
    pub providers: Store<Provider>,
    /// What this process wrote last, so that no decision is made on an older copy.
    pub own_writes: OwnWrites,
}

impl Context {
    /// Publishes an event; a failure is logged and changes nothing.
    pub async fn event<K>(&self, object: &K, warning: bool, reason: &str, note: String)
    where
        K: Resource<DynamicType = ()>,
    {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(note.chars().take(1000).collect()),
            action: reason.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(%error, reason, "event not published");
        }
    }

    /// The time now, to the millisecond: what is written into status.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(3)
    }

    /// What the last verification of a Provider gave, in this process.
    pub fn verified(&self, provider: &Provider) -> Option<Verification> {
        let uid = provider.uid()?;
        self.verifications.lock().unwrap_or_else(PoisonError::into_inner).get(&uid).cloned()
    }

    /// Remembers, or forgets, what a verification gave.
    pub fn set_verified(&self, provider: &Provider, verification: Option<Verification>) {
        let Some(uid) = provider.uid() else { return };
        let mut all = self.verifications.lock().unwrap_or_else(PoisonError::into_inner);
        match verification {
            Some(verification) => all.insert(uid, verification),
            None => all.remove(&uid),
        };
    }

    /// Asks for a look at a definition that was given: one of its users is gone.
    pub fn wake_definition(&self, name: &str) {
        if !matches!(self.registry.get(name), Some((_, Source::Given))) {
            return;
        }
        // The controller is gone only when the process ends.
        let _ = self.wake_definitions.unbounded_send(ObjectRef::new(name));
    }

    /// Asks for a look at every machine each time that effects are stopped or go on.
    pub async fn wake_on_halt(&self) {
        let mut halt = self.halt.clone();
        while halt.changed().await {
            for machine in self.machines.state() {
                // The controller is gone only when the process ends.
                let _ = self.wake_machines.unbounded_send(ObjectRef::from_obj(&*machine));
            }
        }
    }

    /// Asks for a look at every machine that may use the Provider.
    pub fn wake_machines_of(&self, provider: &ObjectRef<Provider>) {
        for machine in self.machines.state() {
            let same_namespace = machine.namespace() == provider.namespace;
            if same_namespace && machine.spec.providers.iter().any(|c| c.name == provider.name) {
                // The controller is gone only when the process ends.
                let _ = self.wake_machines.unbounded_send(ObjectRef::from_obj(&*machine));
            }
        }
    }
}

/// What exists at providers and was taken over in this process, so that two objects that look at the same
/// moment do not both take it.
#[derive(Default)]
pub struct Claims {
    by_thing: Mutex<HashMap<(String, String), String>>,
}

impl Claims {
    /// Takes a thing of a provider for an object; false when another one has it.
    pub fn claim(&self, provider: &str, id: &str, uid: &str) -> bool {
        let mut all = self.by_thing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.to_owned(), id.to_owned());
        all.entry(key).or_insert_with(|| uid.to_owned()) == uid
    }

    /// The object is gone.
    pub fn release(&self, uid: &str) {
        let mut all = self.by_thing.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, owner| owner != uid);
    }
}

/// How many objects' newest writes are remembered at once: so many can be under way, and a few more.
const REMEMBERED: usize = 65_536;

/// The newest resourceVersion that this process wrote of each object whose watch has not shown it yet.
#[derive(Default)]
pub struct OwnWrites {
    newest: Mutex<HashMap<String, u64>>,
}

impl OwnWrites {
    /// Remembers a write.
    pub fn wrote(&self, object: &impl ResourceExt) {
        let (Some(uid), Some(version)) = (object.uid(), version(object)) else { return };
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() >= REMEMBERED
            && let Some(oldest) = newest.iter().min_by_key(|(_, version)| **version)
        {
            // Its object is gone, or its event has come long ago.
            let oldest = oldest.0.clone();
            newest.remove(&oldest);
        }
        newest.insert(uid, version);
    }

    /// Forgets an object that is gone: no event of it comes any more.
    pub fn forget(&self, object: &impl ResourceExt) {
        if let Some(uid) = object.uid() {
            self.newest.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        }
    }

    /// Whether a copy is older than our newest write; forgets the write once the copy caught up.
    pub fn is_stale(&self, object: &impl ResourceExt) -> bool {
        let (Some(uid), Some(version)) = (object.uid(), version(object)) else { return false };
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match newest.get(&uid) {
            Some(wrote) if version < *wrote => true,
            Some(_) => {
                newest.remove(&uid);
                false
            }
            None => false,
        }
    }
}

/// resourceVersions of one resource are comparable as integers since Kubernetes 1.35.
fn version(object: &impl ResourceExt) -> Option<u64> {
    object.resource_version()?.parse().ok()
}
