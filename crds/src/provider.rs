//! `Provider`: an account at a provider.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::engine::{Block, Operation, WitnessRef};

/// Why a Provider is or is not Ready.
pub mod reason {
    /// An authenticated read succeeded with the credentials in use.
    pub const VERIFIED: &str = "CredentialsVerified";
    /// The provider offers nothing that proves credentials without an effect: they are taken as they are.
    pub const UNPROVEN: &str = "CredentialsUnproven";
    /// No definition of that name is built in or applied; the message lists near names.
    pub const UNKNOWN_TYPE: &str = "UnknownType";
    /// The Secret does not exist.
    pub const SECRET_MISSING: &str = "SecretMissing";
    /// The Secret lacks a key that the definition asks for, or its value cannot be used.
    pub const SECRET_INVALID: &str = "SecretInvalid";
    /// The provider refused the credentials; nothing is called until the Secret changes.
    pub const UNAUTHORIZED: &str = "Unauthorized";
    /// The provider cannot be reached, or answers errors, at the moment.
    pub const UNAVAILABLE: &str = "Unavailable";
    /// `endpoint` or `parameters` do not fit the definition or the operator's allowed endpoints.
    pub const INVALID: &str = "InvalidSpec";
    /// `spec.suspend` is set.
    pub const SUSPENDED: &str = "Suspended";
    /// Of `Leftovers`: there are some.
    pub const FOUND: &str = "Found";
    /// The Provider is being deleted and waits for the objects that use it.
    pub const IN_USE: &str = "InUse";
}

/// An account at a provider: which definition, which credentials, which limits.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "infrafabric.io",
    version = "v1alpha1",
    kind = "Provider",
    namespaced,
    status = "ProviderStatus",
    derive = "PartialEq",
    shortname = "prov",
    category = "infrafabric",
    doc = "An account at a provider.",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderSpec {
    /// The definition: a built-in one or a ProviderDefinition's name.
    #[serde(rename = "type")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
        extend("x-kubernetes-validations" = [{
            "rule": "self == oldSelf",
            "message": "type is immutable: objects made at one provider cannot move with it; make another Provider"
        }])
    )]
    pub type_: String,
    /// Where the credentials are.
    pub credentials: Credentials,
    /// Replaces the host of the definition's endpoints; the operator's `--allowed-endpoints` must
    /// name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^https?://[^/@?#\s]+(/[^@?#\s]*)?$"))]
    pub endpoint: Option<String>,
    /// The region for objects that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,
    /// What the definition's `parameters` ask for (a project, a subscription). Never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters_schema")]
    pub parameters: BTreeMap<String, String>,
    /// Nothing is called while true; objects wait.
    #[serde(default)]
    pub suspend: bool,
    /// What happens to things with this installation's marks that belong to no object.
    #[serde(default)]
    pub leftovers: Leftovers,
}

/// What happens to what is left over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Leftovers {
    /// Whether they are only told of.
    #[serde(default)]
    pub policy: LeftoverPolicy,
    /// How long after it was seen first one is deleted (`90s`, `15m`, `24h`).
    #[serde(default = "a_day")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"), length(max = 6))]
    pub after: String,
}

impl Default for Leftovers {
    fn default() -> Self {
        Self { policy: LeftoverPolicy::default(), after: a_day() }
    }
}

fn a_day() -> String {
    "24h".to_owned()
}

/// Whether leftovers are only told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LeftoverPolicy {
    /// The condition `Leftovers`, an event and a metric tell of them.
    #[default]
    Report,
    /// They are deleted too, but for those of objects that were let go on purpose.
    Delete,
}

/// A thing with this installation's marks that belongs to no object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// The provider's identity of it.
    #[schemars(length(max = 253))]
    pub external_id: String,
    /// Where it is.
    #[schemars(length(max = 63))]
    pub region: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// When it was seen first.
    pub since: DateTime<Utc>,
}

fn parameters_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 253}
    })
}

/// Where credentials are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// A Secret in the Provider's namespace, with the keys that the definition names.
    pub secret_ref: SecretRef,
}

/// A Secret by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What the controller knows of the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// The generation that `conditions` speak of; -1 before the first look.
    #[serde(default = "never")]
    pub observed_generation: i64,
    /// `Ready`; `Reconciling`, `Stalled` and `Leftovers` while true.
    #[serde(default)]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// The definition in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionInUse>,
    /// The operations that the definition declares, `machine.create` and so on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 64)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub capabilities: Vec<String>,
    /// How it served of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Where it does not serve at the moment, for all objects that would use it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub blocks: Vec<Block>,
    /// Things with this installation's marks that belong to no object, the oldest first; at most 64 are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub leftovers: Vec<Leftover>,
    /// The removal of a leftover that was about to happen when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The newest entry about the Provider in the witness log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<WitnessRef>,
    /// The newest value of the annotation `infrafabric.io/reconcile-requested-at` acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub last_handled_reconcile_at: Option<String>,
}

fn never() -> i64 {
    -1
}

impl Default for ProviderStatus {
    fn default() -> Self {
        Self {
            observed_generation: never(),
            conditions: Vec::new(),
            definition: None,
            capabilities: Vec::new(),
            health: None,
            blocks: Vec::new(),
            leftovers: Vec::new(),
            operation: None,
            witness: None,
            last_handled_reconcile_at: None,
        }
    }
}

/// How an account served over the last quarter of an hour. Written again only when it is plainly another: five
/// points of success, or a latency half as long again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The share of calls that the provider answered, in per cent.
    #[schemars(range(min = 0, max = 100))]
    pub success_percent: u8,
    /// How long an answered call took, on the average, in milliseconds.
    pub latency_ms: u32,
}

/// Which definition is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionInUse {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// `BuiltIn`, or `ProviderDefinition` when it was applied.
    #[schemars(length(max = 32))]
    pub source: String,
    /// SHA-256 of its canonical form, hex.
    #[schemars(length(max = 64))]
    pub digest: String,
}
