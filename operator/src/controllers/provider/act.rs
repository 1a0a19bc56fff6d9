//! Performs one decision. Only this module makes an [`Acted`].

use std::sync::Arc;

use chrono::TimeDelta;
use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::pipeline::Quality;
use infrafabric_crds::engine::Block;
use infrafabric_crds::{FINALIZER, Provider};
use infrafabric_definition::Class;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::reflector::ObjectRef;
use thiserror::Error;

use super::decide::{self, Decision, Stand, Verification};
use super::observe::{Observed, SecretSeen};
use super::sweep::{Swept, sweep};
use crate::context::Context;
use crate::engine::accounts::{Known, OpenAccount, Refusal};
use crate::engine::catalogs::Catalogs;
use crate::engine::failover::Standing;
use crate::engine::naming;
use crate::engine::observation::Observer;
use crate::finalizer;

/// What was done.
pub struct Acted {
    pub(super) what: What,
    /// What was found that belongs to no object.
    pub(super) swept: Option<Swept>,
    /// Where it does not serve at the moment.
    pub(super) blocks: Vec<Block>,
    /// How its calls of late ended.
    pub(super) quality: Option<Quality>,
}

pub(super) enum What {
    /// Nothing was called; the Provider stands like this.
    Stood(Stand),
    /// The credentials are proven, now or earlier.
    Verified(Option<String>),
    /// They could not be proven; the class and why.
    Failed(Class, String),
    /// The object was let go.
    Released,
}

/// Why a decision could not be performed.
#[derive(Debug, Error)]
pub enum ActError {
    /// A finalizer could not be written.
    #[error("write the finalizer of {what}")]
    Finalizer {
        /// Which object.
        what: String,
        /// What the API said.
        #[source]
        source: kube::Error,
    },
    /// Who else needs the Secret could not be read.
    #[error("list the Providers of the namespace")]
    ListProviders(#[source] kube::Error),
}

/// Performs the decision and keeps the account that others use.
pub async fn act(
    provider: &Provider,
    observed: &Observed,
    decision: Decision,
    context: &Context,
) -> Result<Acted, ActError> {
    let what = match decision {
        Decision::Release => {
            release(provider, observed, context).await?;
            What::Released
        }
        Decision::Stand(stand) => {
            keep(provider, observed, &stand, context);
            What::Stood(stand)
        }
        Decision::Keep => match context.verified(provider).and_then(|last| last.failed) {
            Some((class, message)) => What::Failed(class, message),
            None => What::Verified(unproven(observed)),
        },
        Decision::Verify => verify(provider, observed, context).await?,
    };
    let open = account(provider, context);
    let swept = match (&what, &open) {
        (What::Verified(_), Some(open)) => sweep(provider, open, context).await,
        _ => None,
    };
    let (namespace, name) = (provider.namespace().unwrap_or_default(), provider.name_any());
    let blocks = context.blocks.of(&namespace, &name).current(context.now()).unwrap_or_default();
    let quality = open.map(|open| open.account.quality());
    Ok(Acted { what, swept, blocks, quality })
}

/// Why nothing proves the credentials, where nothing does.
fn unproven(observed: &Observed) -> Option<String> {
    let (definition, _) = observed.definition.as_ref()?;
    definition.spec().unproven.as_ref().map(|why| why.0.clone())
}

async fn verify(
    provider: &Provider,
    observed: &Observed,
    context: &Context,
) -> Result<What, ActError> {
    let last = context.verified(provider);
    let inputs = decide::inputs(provider, observed);
    let before = account(provider, context).filter(|_| {
        // The same inputs keep what was learnt: limits, clock, catalogs, lists.
        last.as_ref().is_some_and(|last| last.inputs == inputs)
    });
    let opened = if let Some(account) = before {
        Ok(account)
    } else {
        if last.is_some() {
            let namespace = provider.namespace().unwrap_or_default();
            context.blocks.of(&namespace, &provider.name_any()).renewed();
        }
        open(provider, observed, context).map(Arc::new)
    };
    // Where nothing proves them, a refusal of what they were used for stands until they change.
    let refused = observed.refused
        && unproven(observed).is_some()
        && last.as_ref().is_some_and(|last| last.inputs == inputs);
    let result = match opened {
        Ok(_) if refused => {
            Err(not_asked(provider, Class::Auth, "the provider refused them when they were used"))
        }
        Ok(open) => open.account.verify().await.map(|()| open),
        Err(error) => Err(error),
    };
    let failures = match &result {
        Ok(_) => 0,
        Err(_) => last.as_ref().map_or(0, |last| last.failures).saturating_add(1),
    };
    let said = result.as_ref().err().and_then(|error| error.retry_after);
    let said = said.and_then(|after| TimeDelta::from_std(after).ok());
    let failed = result.as_ref().err().map(|error| (error.class, error.to_string()));
    let verification = Verification {
        inputs,
        at: observed.now,
        failed: failed.clone(),
        retry_at: observed.now + decide::retry_after(failures, said),
        failures,
    };
    context.set_verified(provider, Some(verification));
    match result {
        Ok(open) => {
            hold(provider, observed, context).await?;
            open.refusal.clear();
            know(provider, Standing::Ready, Some(open), false, context);
            Ok(What::Verified(unproven(observed)))
        }
        Err(error) => {
            let standing = not_ready(error.class, error.to_string(), provider, observed, context);
            know(provider, standing, account(provider, context), false, context);
            Ok(What::Failed(error.class, error.to_string()))
        }
    }
}

/// A verification that failed without a request.
fn not_asked(provider: &Provider, class: Class, message: &str) -> AdapterError {
    AdapterError::new(class, &provider.spec.type_, "verify", message)
}

fn open(
    provider: &Provider,
    observed: &Observed,
    context: &Context,
) -> Result<OpenAccount, AdapterError> {
    let (Some((definition, _)), SecretSeen::Here { values, .. }) =
        (&observed.definition, &observed.secret)
    else {
        let message = "the definition or the Secret vanished";
        return Err(not_asked(provider, Class::Unavailable, message));
    };
    let account = Account::open(
        Arc::clone(definition),
        AccountOptions {
            endpoint: observed.endpoint.clone().ok().flatten(),
            region: provider.spec.region.clone(),
            parameters: provider.spec.parameters.clone(),
            secrets: values.clone(),
            timeout: context.call_deadline,
            clock: Arc::clone(&context.clock),
            metrics: Arc::clone(&context.metrics.pipeline),
            ..AccountOptions::default()
        },
    )?;
    let refusal =
        Arc::new(Refusal::new(ObjectRef::from_obj(provider), context.wake_providers.clone()));
    let lists = Observer::new(
        account.clone(),
        naming::installation_mark(&context.installation),
        Arc::clone(&context.clock),
        context.wake_machines.clone(),
        Arc::clone(&refusal),
    );
    let region = provider.spec.region.clone();
    Ok(OpenAccount { account, region, catalogs: Catalogs::default(), observer: lists, refusal })
}

fn account(provider: &Provider, context: &Context) -> Option<Arc<OpenAccount>> {
    let namespace = provider.namespace().unwrap_or_default();
    context.accounts.get(&namespace, &provider.name_any())?.account
}

/// What others see while the Provider may not be called.
fn keep(provider: &Provider, observed: &Observed, stand: &Stand, context: &Context) {
    let account = account(provider, context);
    let closing = provider.metadata.deletion_timestamp.is_some();
    let standing = match stand.class {
        Some(Class::Disabled) => Standing::Suspended,
        Some(class) => not_ready(class, stand.message.clone(), provider, observed, context),
        // It is being deleted: what exists may still be read and deleted.
        None if account.is_some() => Standing::Ready,
        None => return,
    };
    know(provider, standing, account, closing, context);
}

/// Not ready since the first failure of this kind.
fn not_ready(
    class: Class,
    message: String,
    provider: &Provider,
    observed: &Observed,
    context: &Context,
) -> Standing {
    let namespace = provider.namespace().unwrap_or_default();
    let before = context.accounts.get(&namespace, &provider.name_any());
    let since = match before.map(|known| known.standing) {
        Some(Standing::NotReady { since, .. }) => since,
        _ => observed.now,
    };
    Standing::NotReady { class, message, since }
}

fn know(
    provider: &Provider,
    standing: Standing,
    account: Option<Arc<OpenAccount>>,
    closing: bool,
    context: &Context,
) {
    let reference = ObjectRef::from_obj(provider);
    if context.accounts.set(&reference, &Known { standing, account, closing }) {
        context.wake_machines_of(&reference);
    }
}

/// Holds the Provider and its Secret while something may need them.
async fn hold(provider: &Provider, observed: &Observed, context: &Context) -> Result<(), ActError> {
    let namespace = provider.namespace().unwrap_or_default();
    let name = provider.name_any();
    let api: Api<Provider> = Api::namespaced(context.client.clone(), &namespace);
    let wrote = finalizer::add(&api, provider)
        .await
        .map_err(|source| ActError::Finalizer { what: format!("Provider {name}"), source })?;
    if let Some(wrote) = wrote {
        context.own_writes.wrote(&wrote);
    }
    if let SecretSeen::Here { object, .. } = &observed.secret
        && object.metadata.deletion_timestamp.is_none()
    {
        let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
        finalizer::add(&api, object).await.map_err(|source| ActError::Finalizer {
            what: format!("Secret {}", object.name_any()),
            source,
        })?;
    }
    Ok(())
}

/// Lets go of the Secret, if no other Provider needs it, and of the Provider.
async fn release(
    provider: &Provider,
    observed: &Observed,
    context: &Context,
) -> Result<(), ActError> {
    let namespace = provider.namespace().unwrap_or_default();
    let api: Api<Provider> = Api::namespaced(context.client.clone(), &namespace);
    if provider.finalizers().iter().any(|name| name == FINALIZER) {
        let all = api.list(&ListParams::default()).await.map_err(ActError::ListProviders)?;
        let secret = &provider.spec.credentials.secret_ref.name;
        let shared = all.items.iter().any(|other| {
            other.uid() != provider.uid() && other.spec.credentials.secret_ref.name == *secret
        });
        if let (SecretSeen::Here { object, .. }, false) = (&observed.secret, shared) {
            let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
            finalizer::remove(&api, object).await.map_err(|source| ActError::Finalizer {
                what: format!("Secret {secret}"),
                source,
            })?;
        }
        finalizer::remove(&api, provider).await.map_err(|source| ActError::Finalizer {
            what: format!("Provider {}", provider.name_any()),
            source,
        })?;
    }
    context.accounts.remove(&ObjectRef::from_obj(provider));
    context.blocks.forget(&namespace, &provider.name_any());
    context.own_writes.forget(provider);
    context.set_verified(provider, None);
    context.wake_definition(&provider.spec.type_);
    Ok(())
}
