//! Reads everything that a decision needs, once.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::registry::Source;
use infrafabric_crds::{CloudMachine, Provider};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use secrecy::SecretString;

use crate::context::Context;

/// What was seen, and when.
pub struct Observed {
    /// When.
    pub now: DateTime<Utc>,
    /// The definition of the Provider's type.
    pub definition: Option<(Arc<Compiled>, Source)>,
    /// The names there are, for a type that is not among them.
    pub known_types: Vec<String>,
    /// The credentials.
    pub secret: SecretSeen,
    /// Where calls go, or why they may not.
    pub endpoint: Result<Option<String>, String>,
    /// Whether its credentials were refused since they were verified.
    pub refused: bool,
    /// Objects that still need the Provider, when it is being deleted.
    pub users: Vec<String>,
}

/// The Secret as far as it matters.
pub enum SecretSeen {
    /// It does not exist.
    Missing,
    /// The API did not answer; why.
    Unreadable(String),
    /// It is there.
    Here {
        /// Its values by key, as text. Values that are no text are left out.
        values: BTreeMap<String, SecretString>,
        /// The object, to take hold of it.
        object: Box<Secret>,
    },
}

/// Reads the definition, the Secret, and who needs the Provider.
pub async fn observe(provider: &Provider, context: &Context) -> Observed {
    let namespace = provider.namespace().unwrap_or_default();
    let definition = context.registry.get(&provider.spec.type_);
    let endpoint = match &definition {
        Some((compiled, source)) => context.trust.endpoint(
            compiled,
            *source == Source::Given,
            provider.spec.endpoint.as_deref(),
        ),
        None => Ok(None),
    };
    let deleting = provider.metadata.deletion_timestamp.is_some();
    let users = if deleting { users(provider, &namespace, context).await } else { Vec::new() };
    let known = context.accounts.get(&namespace, &provider.name_any());
    let refused = known.and_then(|known| known.account).is_some_and(|a| a.refusal.is_refused());
    let names = context.registry.names().into_iter().map(|(name, _)| name);
    Observed {
        now: context.now(),
        known_types: if definition.is_none() { names.collect() } else { Vec::new() },
        definition,
        refused,
        secret: secret(provider, &namespace, context).await,
        endpoint,
        users,
    }
}

async fn secret(provider: &Provider, namespace: &str, context: &Context) -> SecretSeen {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    match api.get_opt(&provider.spec.credentials.secret_ref.name).await {
        Ok(Some(secret)) => {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            let values = secret.data.iter().flatten();
            let values = values
                .filter_map(|(key, bytes)| Some((key.clone(), SecretString::from(text(&bytes.0)?))))
                .collect();
            SecretSeen::Here { values, object: Box::new(secret) }
        }
        Ok(None) => SecretSeen::Missing,
        Err(error) => SecretSeen::Unreadable(error.to_string()),
    }
}

/// Asks the API, not the cache: what was made a moment ago counts.
async fn users(provider: &Provider, namespace: &str, context: &Context) -> Vec<String> {
    let api: Api<CloudMachine> = Api::namespaced(context.client.clone(), namespace);
    let machines = match api.list(&ListParams::default()).await {
        Ok(machines) => machines,
        Err(error) => return vec![format!("unknown: list CloudMachines: {error}")],
    };
    let name = provider.name_any();
    let uses = |machine: &CloudMachine| {
        let status = machine.status.as_ref();
        let active = status.and_then(|status| status.active.as_ref());
        let operation = status.and_then(|status| status.operation.as_ref());
        active.is_some_and(|active| active.provider == name)
            || operation.is_some_and(|operation| operation.provider == name)
    };
    machines
        .items
        .iter()
        .filter(|machine| uses(machine))
        .map(|machine| format!("CloudMachine {}", machine.name_any()))
        .collect()
}
