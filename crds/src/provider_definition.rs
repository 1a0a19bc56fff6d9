//! `ProviderDefinition`: how to talk to a provider, given at run time.

use infrafabric_definition::Given;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// Why a ProviderDefinition is or is not Ready.
pub mod reason {
    /// It is checked, compiled and in use.
    pub const IN_USE: &str = "InUse";
    /// It is wrong; the message names each path. The one before it, if any, still serves.
    pub const INVALID: &str = "InvalidDefinition";
    /// A built-in has this name, and the operator does not allow overriding.
    pub const NAME_TAKEN: &str = "NameTaken";
    /// It is being deleted and waits for the Providers that use it.
    pub const HELD: &str = "HeldByProviders";
}

/// How to talk to a provider. The built-in ones need no object; a user's own is applied like any
/// manifest and is taken into use without a restart.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "infrafabric.io",
    version = "v1alpha1",
    kind = "ProviderDefinition",
    status = "ProviderDefinitionStatus",
    derive = "PartialEq",
    shortname = "pdef",
    category = "infrafabric",
    doc = "How to talk to a provider.",
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    )
)]
#[serde(transparent)]
pub struct ProviderDefinitionSpec {
    /// The definition itself, or what it changes of another one.
    pub definition: Given,
}

/// What became of a definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderDefinitionStatus {
    /// The generation that `conditions` speak of; -1 before the first look.
    #[serde(default = "never")]
    pub observed_generation: i64,
    /// `Ready`; `Stalled` while true.
    #[serde(default)]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// SHA-256 of the definition in use under this name, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
}

fn never() -> i64 {
    -1
}

impl Default for ProviderDefinitionStatus {
    fn default() -> Self {
        Self { observed_generation: never(), conditions: Vec::new(), digest: None }
    }
}
