//! The ProviderDefinition controller: checks definitions and takes them into use without a restart.

use std::sync::Arc;
use std::time::Duration;

use infrafabric_adapters::compile::{Compiled, Problem};
use infrafabric_crds::condition::{self, READY, STALLED};
use infrafabric_crds::provider_definition::{ProviderDefinitionStatus, reason};
use infrafabric_crds::{Provider, ProviderDefinition};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use serde_json::json;
use thiserror::Error;
use tracing::instrument;

use crate::context::Context;
use crate::finalizer;

/// Why a reconcile failed; it is tried again with a growing delay.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// Who uses the definition could not be read.
    #[error("list the Providers")]
    ListProviders(#[source] kube::Error),
    /// What extends the definition could not be read.
    #[error("list the ProviderDefinitions")]
    ListDefinitions(#[source] kube::Error),
    /// The finalizer could not be written.
    #[error("write the finalizer")]
    Finalizer(#[source] kube::Error),
    /// The status could not be written.
    #[error("write the status")]
    Report(#[source] kube::Error),
}

/// How a definition stands.
struct Standing {
    ready: bool,
    reason: &'static str,
    message: String,
    digest: Option<String>,
}

/// Looks at a definition once.
#[instrument(
    name = "reconcile",
    skip_all,
    fields(k8s.kind = "ProviderDefinition", k8s.name = object.name_any())
)]
pub async fn reconcile(
    object: Arc<ProviderDefinition>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    if context.own_writes.is_stale(&*object) {
        return Ok(Action::requeue(Duration::from_millis(500)));
    }
    let name = object.name_any();
    let standing = if object.metadata.deletion_timestamp.is_some() {
        let users = users(&name, &context).await?;
        if users.is_empty() {
            release(&object, &context).await?;
            return Ok(Action::await_change());
        }
        let message = format!("still used by {}; delete them first", users.join(", "));
        let digest =
            context.registry.get(&name).map(|(definition, _)| definition.digest().to_owned());
        Standing { ready: false, reason: reason::HELD, message, digest }
    } else {
        take(&object, &context).await?
    };
    report(&object, &standing, &context).await?;
    Ok(Action::await_change())
}

/// Checks the definition and takes it into use.
async fn take(object: &ProviderDefinition, context: &Context) -> Result<Standing, ReconcileError> {
    let name = object.name_any();
    let before = context.registry.get(&name).map(|(definition, _)| definition.digest().to_owned());
    match put(object, context) {
        Ok(definition) => {
            let api: Api<ProviderDefinition> = Api::all(context.client.clone());
            let wrote = finalizer::add(&api, object).await.map_err(ReconcileError::Finalizer)?;
            if let Some(wrote) = wrote {
                context.own_writes.wrote(&wrote);
            }
            if before.as_deref() != Some(definition.digest()) {
                wake_providers_of(&name, context);
                wake_extensions_of(&name, context).await?;
            }
            let message = "checked, compiled and in use".to_owned();
            let digest = Some(definition.digest().to_owned());
            Ok(Standing { ready: true, reason: reason::IN_USE, message, digest })
        }
        Err(problems) => {
            let taken = problems.iter().any(|problem| problem.path == "metadata.name");
            let reason = if taken { reason::NAME_TAKEN } else { reason::INVALID };
            Ok(Standing { ready: false, reason, message: list(&problems), digest: before })
        }
    }
}

/// Checks the definition, its hosts included, and takes it into use.
pub fn put(object: &ProviderDefinition, context: &Context) -> Result<Arc<Compiled>, Vec<Problem>> {
    let name = object.name_any();
    let spec = context.registry.resolve(&name, &object.spec.definition)?;
    let checked = Compiled::new(&name, spec.clone())?;
    context
        .trust
        .check_given(&checked)
        .map_err(|reason| vec![Problem { path: "spec.endpoint".to_owned(), reason }])?;
    context.registry.put(&name, spec, context.allow_definition_override)
}

fn list(problems: &[Problem]) -> String {
    let shown: Vec<String> = problems.iter().take(8).map(ToString::to_string).collect();
    let more = problems.len().saturating_sub(shown.len());
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    shown.join("; ") + &more
}

fn wake_providers_of(name: &str, context: &Context) {
    for provider in context.providers.state() {
        if provider.spec.type_ == name {
            // The controller is gone only when the process ends.
            let _ = context.wake_providers.unbounded_send(ObjectRef::from_obj(&*provider));
        }
    }
}

/// What extends a definition is made whole anew when that changes.
async fn wake_extensions_of(name: &str, context: &Context) -> Result<(), ReconcileError> {
    for object in extensions(name, context).await? {
        // The controller is gone only when the process ends.
        let _ = context.wake_definitions.unbounded_send(ObjectRef::from_obj(&object));
    }
    Ok(())
}

async fn extensions(
    name: &str,
    context: &Context,
) -> Result<Vec<ProviderDefinition>, ReconcileError> {
    let api: Api<ProviderDefinition> = Api::all(context.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(ReconcileError::ListDefinitions)?;
    let extends = |object: &ProviderDefinition| {
        let going = object.metadata.deletion_timestamp.is_some();
        object.spec.definition.extends() == Some(name) && !going
    };
    Ok(all.items.into_iter().filter(extends).collect())
}

/// Asks the API, not the cache: a Provider applied a moment ago counts.
async fn users(name: &str, context: &Context) -> Result<Vec<String>, ReconcileError> {
    let api: Api<Provider> = Api::all(context.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(ReconcileError::ListProviders)?;
    let using = all.items.iter().filter(|provider| provider.spec.type_ == name).map(|provider| {
        format!("{}/{}", provider.namespace().unwrap_or_default(), provider.name_any())
    });
    let mut users: Vec<String> = using.take(5).collect();
    let extensions = extensions(name, context).await?;
    users.extend(
        extensions.iter().take(5).map(|object| format!("ProviderDefinition {}", object.name_any())),
    );
    Ok(users)
}

async fn release(object: &ProviderDefinition, context: &Context) -> Result<(), ReconcileError> {
    context.registry.remove(&object.name_any());
    let api: Api<ProviderDefinition> = Api::all(context.client.clone());
    finalizer::remove(&api, object).await.map_err(ReconcileError::Finalizer)?;
    // Now that it is gone, what it extended may go too.
    if let Some(base) = object.spec.definition.extends() {
        context.wake_definition(base);
    }
    Ok(())
}

async fn report(
    object: &ProviderDefinition,
    standing: &Standing,
    context: &Context,
) -> Result<(), ReconcileError> {
    let now = context.now();
    let generation = object.metadata.generation;
    let mut next: ProviderDefinitionStatus = object.status.clone().unwrap_or_default();
    next.observed_generation = generation.unwrap_or_default();
    next.digest.clone_from(&standing.digest);
    let why = (standing.reason, standing.message.as_str());
    condition::set(&mut next.conditions, READY, standing.ready, why, generation, now);
    if standing.ready {
        condition::clear(&mut next.conditions, STALLED);
    } else {
        condition::set(&mut next.conditions, STALLED, true, why, generation, now);
    }
    if object.status.as_ref() == Some(&next) {
        return Ok(());
    }
    context.event(object, !standing.ready, standing.reason, standing.message.clone()).await;
    let api: Api<ProviderDefinition> = Api::all(context.client.clone());
    let body = json!({
        "apiVersion": "infrafabric.io/v1alpha1",
        "kind": "ProviderDefinition",
        "metadata": {"name": object.name_any(), "uid": object.uid()},
        "status": next,
    });
    let params = PatchParams::apply("infrafabric/providerdefinition").force();
    match api.patch_status(&object.name_any(), &params, &Patch::Apply(body)).await {
        Ok(written) => {
            context.own_writes.wrote(&written);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(ReconcileError::Report(error)),
    }
}
