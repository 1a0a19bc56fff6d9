//! Reads everything that a decision needs, once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::registry::Source;
use infrafabric_crds::engine::Attempt;
use infrafabric_crds::{CloudMachine, CloudMachineStatus, Provider};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use secrecy::SecretString;

use crate::context::Context;

/// How long the first list of machines is waited for.
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// How soon it is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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
    restore(provider, &namespace, context).await;
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

/// Reads where the account did not serve before the process started, once; objects that use it wait for that.
async fn restore(provider: &Provider, namespace: &str, context: &Context) {
    let blocks = context.blocks.of(namespace, &provider.name_any());
    if blocks.current(context.now()).is_some() {
        return;
    }
    // Without them what the status says is all that is known. Of several that wait for the list only the last one is
    // woken, so nobody waits: it is looked again and again.
    let began = tokio::time::Instant::now();
    while context.machines.wait_until_ready().now_or_never().is_none()
        && began.elapsed() < LISTED_WITHIN
    {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let name = provider.name_any();
    let machines = context.machines.state();
    let tried = machines.iter().filter(|machine| machine.namespace().as_deref() == Some(namespace));
    let tried = tried.filter_map(|machine| machine.status.as_ref());
    // What failed later is no reason not to make another one.
    let tried = tried.filter(|status| status.active.is_none());
    let attempts = tried.flat_map(|status| &status.attempts);
    let attempts: Vec<Attempt> =
        attempts.filter(|attempt| attempt.provider == name).cloned().collect();
    let written = provider.status.as_ref().map(|status| status.blocks.as_slice());
    blocks.restore(written.unwrap_or_default(), &attempts, context.now());
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
        let mut things = status.into_iter().flat_map(CloudMachineStatus::things);
        let operation = status.and_then(|status| status.operation.as_ref());
        things.any(|thing| thing.provider == name)
            || operation.is_some_and(|operation| operation.provider == name)
    };
    machines
        .items
        .iter()
        .filter(|machine| uses(machine))
        .map(|machine| format!("CloudMachine {}", machine.name_any()))
        .collect()
}
