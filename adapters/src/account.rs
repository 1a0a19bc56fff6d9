//! One account at one provider: everything a caller may ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use infrafabric_definition::{Class, Scope};
use secrecy::SecretString;

use crate::compile::Compiled;
use crate::contract::cloud::{Image, Machine, MachineWant, Region, Size};
use crate::error::AdapterError;
use crate::journal::Journal;

/// What an account is opened with.
pub struct AccountOptions {
    /// Replaces the host part of every endpoint of the definition (a proxy, a private API, a
    /// simulator): requests go to this base URL.
    pub endpoint: Option<String>,
    /// The account's default region.
    pub region: Option<String>,
    /// What the definition's `parameters` ask for.
    pub parameters: BTreeMap<String, String>,
    /// Secret values by key.
    pub secrets: BTreeMap<String, SecretString>,
}

/// An account: a definition, its credentials, and what was learnt about its limits and clock.
/// Cheap to clone; clones share the limits.
#[derive(Clone)]
pub struct Account {
    definition: Arc<Compiled>,
}

impl Account {
    /// Opens an account. No request is made.
    pub fn open(definition: Arc<Compiled>, options: AccountOptions) -> Result<Self, AdapterError> {
        let _ = options;
        Ok(Self { definition })
    }

    /// The definition in use.
    pub fn definition(&self) -> &Arc<Compiled> {
        &self.definition
    }

    /// Proves the credentials by the definition's authenticated read.
    pub async fn verify(&self) -> Result<(), AdapterError> {
        Err(self.stub())
    }

    /// The sizes on offer in a region.
    pub async fn sizes(&self, region: &str) -> Result<Vec<Size>, AdapterError> {
        let _ = region;
        Err(self.stub())
    }

    /// The images on offer in a region.
    pub async fn images(&self, region: &str) -> Result<Vec<Image>, AdapterError> {
        let _ = region;
        Err(self.stub())
    }

    /// The regions.
    pub async fn regions(&self) -> Result<Vec<Region>, AdapterError> {
        Err(self.stub())
    }

    /// Every machine that carries the mark (in the region, for providers whose lists are regional).
    pub async fn list_machines(
        &self,
        mark: &str,
        region: &str,
    ) -> Result<Vec<Machine>, AdapterError> {
        let _ = (mark, region);
        Err(self.stub())
    }

    /// One machine; `None` when it is gone.
    pub async fn read_machine(
        &self,
        id: &str,
        region: &str,
    ) -> Result<Option<Machine>, AdapterError> {
        let _ = (id, region);
        Err(self.stub())
    }

    /// Makes a machine. A lost answer is class `Unknown` and is never repeated here unless the
    /// provider honours the token.
    pub async fn create_machine(
        &self,
        want: &MachineWant,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<Machine, AdapterError> {
        let _ = (want, token, journal);
        Err(self.stub())
    }

    /// Deletes a machine; one that is gone already is a success.
    pub async fn delete_machine(
        &self,
        id: &str,
        region: &str,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        let _ = (id, region, token, journal);
        Err(self.stub())
    }

    fn stub(&self) -> AdapterError {
        AdapterError {
            class: Class::Unsupported,
            scope: Scope::Object,
            provider: self.definition.name().to_owned(),
            operation: String::new(),
            status: None,
            code: None,
            request_id: None,
            message: String::new(),
            retry_after: None,
            sent: false,
            source: None,
        }
    }
}
