//! The state that all requests share.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::controllers::Work;
use crate::crd::Definitions;
use crate::faults::{FaultError, FaultSpec, Faults};
use crate::kinds::{self, Builtin};
use crate::registry::Registry;
use crate::resource::Resource;
use crate::store::{Store, Stored};

/// The table of definitions.
pub(crate) const DEFINITIONS: &str = "apiextensions.k8s.io/customresourcedefinitions";
/// The table of namespaces.
pub(crate) const NAMESPACES: &str = "/namespaces";

/// One server's state.
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) ca_pem: String,
    pub(crate) token: String,
    registry: RwLock<Arc<Registry>>,
    builtins: Vec<Arc<Resource>>,
    /// Parsed definitions; locked while the registry is rebuilt.
    pub(crate) definitions: Mutex<Definitions>,
    /// What the controllers still have to do.
    pub(crate) work: Mutex<Work>,
    pub(crate) wake: Notify,
    pub(crate) faults: Faults,
    /// Cancelled when the server stops: ends watches and controllers.
    pub(crate) closing: CancellationToken,
}

impl Api {
    pub(crate) fn new(ca_pem: String, token: String, store: Store) -> Self {
        let builtins = kinds::resources();
        Self {
            store,
            ca_pem,
            token,
            registry: RwLock::new(Arc::new(Registry::new(builtins.iter().cloned()))),
            builtins,
            definitions: Mutex::new(Definitions::default()),
            work: Mutex::new(Work::default()),
            wake: Notify::new(),
            faults: Faults::default(),
            closing: CancellationToken::new(),
        }
    }

    /// The resources served now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The resource of a built-in kind.
    pub(crate) fn builtin(&self, builtin: Builtin) -> Arc<Resource> {
        let found = self.builtins.iter().find(|resource| resource.is(builtin));
        Arc::clone(found.expect("every built-in is registered at construction"))
    }

    /// Rebuilds the registry from the stored definitions.
    pub(crate) fn refresh(&self) {
        let mut definitions = self.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        let page = self.store.snapshot(DEFINITIONS, "", None);
        let customs = definitions.resources(&page.items);
        let registry = Registry::new(self.builtins.iter().cloned().chain(customs));
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(registry);
    }

    /// The namespace object, if there is one.
    pub(crate) fn namespace(&self, name: &str) -> Option<Value> {
        self.store.get(NAMESPACES, name).map(|stored| stored.value())
    }

    /// Leaves work for the controllers.
    pub(crate) fn enqueue(&self, note: impl FnOnce(&mut Work)) {
        note(&mut self.work.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    /// Sets a fault; its number, unless it was over as soon as it happened.
    pub(crate) fn disturb(&self, spec: FaultSpec) -> Result<Option<u64>, FaultError> {
        let once = spec == FaultSpec::new(&spec.fault);
        match spec.fault.as_str() {
            "drop-watches" if once => self.store.close_all(),
            "expire" if once => self.store.forget(),
            "drop-watches" | "expire" => {
                let wanted = "absent: this happens once, to all";
                return Err(FaultError::Wrong { param: "every other parameter", wanted });
            }
            _ => return self.faults.set(spec).map(Some),
        }
        Ok(None)
    }

    /// The stored object of a resource.
    pub(crate) fn stored(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Stored>> {
        self.store.get(&resource.table, &resource.key(namespace, name))
    }
}
