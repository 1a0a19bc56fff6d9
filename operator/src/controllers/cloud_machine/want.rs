//! What a machine is created from.

use infrafabric_adapters::contract::cloud::MachineWant;
use infrafabric_crds::CloudMachine;
use infrafabric_crds::cloud_machine::UserData;
use infrafabric_definition::{Class, Scope};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use kube::api::Api;

use crate::context::Context;
use crate::engine::failover::Failure;
use crate::engine::naming::Owner;
use crate::engine::placement::Offering;

/// What to ask the provider for.
pub(super) fn want(
    machine: &CloudMachine,
    owner: &Owner,
    offering: Offering,
    user_data: Option<String>,
) -> MachineWant {
    MachineWant {
        name: owner.thing_name(),
        region: offering.region,
        size: offering.size,
        size_id: offering.size_id,
        image: offering.image,
        ssh_keys: machine.spec.ssh_keys.clone(),
        user_data,
        marks: owner.marks(),
        tags: machine.spec.tags.clone(),
        labels: owner.labels(),
    }
}

/// The user data from where the spec says; what is missing is a reason to wait, not to go on.
pub(super) async fn user_data(
    machine: &CloudMachine,
    context: &Context,
) -> Result<Option<String>, Failure> {
    let Some(source) = &machine.spec.user_data else { return Ok(None) };
    let namespace = machine.namespace().unwrap_or_default();
    // Looked for again after half a minute: it may be on its way.
    let missing = |what: String| Failure {
        class: Class::NotFound,
        scope: Scope::Object,
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
