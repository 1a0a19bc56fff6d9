//! The accounts that may be called, as the Provider controller last found them. Other controllers
//! read it in process; nobody else writes a Provider.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::mpsc::UnboundedSender;

use infrafabric_adapters::account::Account;
use infrafabric_crds::Provider;
use infrafabric_definition::Class;
use kube::runtime::reflector::ObjectRef;

use super::catalogs::Catalogs;
use super::failover::Standing;
use super::observation::Observer;

/// Namespace and name of a Provider.
pub type Key = (String, String);

/// A Provider as other controllers see it.
#[derive(Clone)]
pub struct Known {
    /// Whether it may be called.
    pub standing: Standing,
    /// The account; kept after a failure, so that deletions can go on with what was verified once.
    pub account: Option<Arc<OpenAccount>>,
    /// Whether the Provider is being deleted: nothing new is made with it.
    pub closing: bool,
}

/// An account with what is shared by all its objects.
pub struct OpenAccount {
    /// The account itself.
    pub account: Account,
    /// The region for objects that name none.
    pub region: Option<String>,
    /// Its catalogs.
    pub catalogs: Catalogs,
    /// Its lists.
    pub observer: Observer,
    /// Whether its credentials were refused meanwhile.
    pub refusal: Arc<Refusal>,
}

/// Remembers that credentials were refused after they had been verified, and asks the Provider
/// controller to look at once.
#[derive(Debug)]
pub struct Refusal {
    refused: AtomicBool,
    provider: ObjectRef<Provider>,
    wake: UnboundedSender<ObjectRef<Provider>>,
}

impl Refusal {
    /// For an account whose credentials are about to be verified.
    pub fn new(provider: ObjectRef<Provider>, wake: UnboundedSender<ObjectRef<Provider>>) -> Self {
        Self { refused: AtomicBool::new(false), provider, wake }
    }

    /// Takes note if the failure says that the credentials were refused.
    pub fn note(&self, class: Class) {
        if class == Class::Auth && !self.refused.swap(true, Ordering::AcqRel) {
            // The controller is gone only when the process ends.
            let _ = self.wake.unbounded_send(self.provider.clone());
        }
    }

    /// Whether they were refused since they were verified.
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// They are verified again.
    pub fn clear(&self) {
        self.refused.store(false, Ordering::Release);
    }
}

/// All Providers by namespace and name.
#[derive(Clone, Default)]
pub struct Accounts {
    known: Arc<Mutex<HashMap<Key, Known>>>,
}

impl Accounts {
    /// What is known of a Provider; `None` before its first look, and when it does not exist.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Known> {
        let key = (namespace.to_owned(), name.to_owned());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Sets what is known; says whether the standing or the account changed.
    pub fn set(&self, provider: &ObjectRef<Provider>, known: &Known) -> bool {
        let key = key(provider);
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.insert(key, known.clone());
        before.is_none_or(|before| {
            let same = match (&before.account, &known.account) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (None, None) => true,
                _ => false,
            };
            !same || before.standing != known.standing || before.closing != known.closing
        })
    }

    /// Forgets a Provider.
    pub fn remove(&self, provider: &ObjectRef<Provider>) {
        let removed =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(provider));
        drop(removed);
    }
}

fn key(provider: &ObjectRef<Provider>) -> Key {
    (provider.namespace.clone().unwrap_or_default(), provider.name.clone())
}
