//! One way to write a status, and to write an intent into it, for every kind.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use infrafabric_adapters::journal::JournalError;
use infrafabric_crds::engine::Operation;
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::journal::IntentWriter;
use crate::context::Context;

/// A namespaced kind whose status we write.
pub trait Ours:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
{
}

impl<K> Ours for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
{
}

/// Applies the whole status under the kind's field manager, on that version if there is one; gives the
/// version that the object has then.
pub async fn apply<K: Ours>(
    object: &K,
    status: &(impl Serialize + Sync),
    version: Option<String>,
    context: &Context,
) -> Result<Option<String>, kube::Error> {
    let api: Api<K> =
        Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let mut metadata = json!({"name": object.name_any(), "uid": object.uid()});
    if let Some(version) = version {
        metadata["resourceVersion"] = json!(version);
    }
    let kind = K::kind(&());
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": kind,
        "metadata": metadata,
        "status": status,
    });
    let manager = format!("infrafabric/{}", kind.to_ascii_lowercase());
    let params = PatchParams::apply(&manager).force();
    let written = api.patch_status(&object.name_any(), &params, &Patch::Apply(body)).await?;
    context.own_writes.wrote(&written);
    Ok(written.resource_version())
}

/// Writes one intent into an object's status, on the version that was decided on.
pub struct Intention<'a, K, S> {
    object: &'a K,
    context: &'a Context,
    with: Box<dyn Fn(&Operation) -> S + Send + Sync + 'a>,
    written: Mutex<Written>,
}

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// The intent.
    pub operation: Option<Operation>,
    /// The version that the object has with it.
    pub version: Option<String>,
}

impl<'a, K, S> Intention<'a, K, S> {
    /// `with` gives the whole status with an intent in it.
    pub fn new(
        object: &'a K,
        context: &'a Context,
        with: impl Fn(&Operation) -> S + Send + Sync + 'a,
    ) -> Self {
        Self { object, context, with: Box::new(with), written: Mutex::default() }
    }

    /// For an effect whose intent stands in the status already.
    #[must_use]
    pub fn beneath(self, operation: Option<Operation>) -> Self {
        Self { written: Mutex::new(Written { operation, version: None }), ..self }
    }

    /// What was written.
    pub fn into_written(self) -> Written {
        self.written.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<K: Ours, S: Serialize + Send + Sync> IntentWriter for Intention<'_, K, S> {
    async fn write(&self, operation: &Operation) -> Result<(), JournalError> {
        // What is made of several things has one intent here, and an entry in the log for each.
        if self.written().operation.is_some() {
            return Ok(());
        }
        let status = (self.with)(operation);
        let version = self.object.resource_version();
        match apply(self.object, &status, version, self.context).await {
            Ok(version) => {
                *self.written() = Written { operation: Some(operation.clone()), version };
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                Err(JournalError::Changed)
            }
            Err(error) => Err(JournalError::Write(Box::new(error))),
        }
    }
}
