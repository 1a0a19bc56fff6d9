//! The types of a provider definition: one readable file that says how to talk to a provider.
//!
//! *Invariant*: data only. This crate sends nothing, evaluates nothing and knows no Kubernetes, so
//! that both the API types and the adapters can share it.
//!
//! Strings may hold expressions in `${}` (see [`Text`]); they are opaque here, and compiled and
//! checked by the adapters.

mod action;
mod auth;
mod class;
mod deliveries;
mod events;
mod extend;
mod object;
mod operation;
mod sandbox;
mod text;
mod webhook;

pub use action::{ActionRule, ActionSpec};
pub use auth::{Algorithm, Auth, Carrier, Encoding, Scheme, Sign};
pub use class::{Class, ErrorRule, Scope};
pub use deliveries::{SandboxDelivery, SandboxWebhook};
pub use events::Events;
pub use extend::{Given, extended};
pub use object::{Catalog, Child, Find, Identity, ListScope, ObjectSpec, Part, Rest};
pub use operation::{AnswerFormat, FormStyle, Method, Operation, OperationError, Step, Wait};
pub use sandbox::{
    Sandbox, SandboxAction, SandboxAnswer, SandboxChild, SandboxFailure, SandboxList,
    SandboxObject, SandboxPart, SandboxRead, SandboxRule, SandboxThing,
};
pub use text::{Date, Document, Free, Name, Span, Text};
pub use webhook::{Handshake, KeyForm, Proof, PublicKeys, Webhook};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How to talk to one provider: who, where, auth, limits, errors, verify, objects, actions,
/// catalogs, sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// The definition that this one changes: maps are merged key by key, anything else is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<Name>,
    /// What it does not take over, as dotted paths: `objects.machine.verbs.resize`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub without: Vec<Text>,
    /// The provider's name as its own people write it.
    pub title: Text,
    /// The domain whose contracts the objects follow.
    pub domain: Domain,
    /// Whether the provider offers an API at all.
    #[serde(default)]
    pub api: ApiKind,
    /// The vendor's API reference.
    pub docs: Text,
    /// When the facts in this file were last compared with their source (a day, `YYYY-MM-DD`).
    pub checked: Date,
    /// Base URL of the API; a template over `region` and `parameters`.
    pub endpoint: Text,
    /// Further base URLs that operations may name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub endpoints: BTreeMap<Name, Endpoint>,
    /// What a Provider must or may give besides credentials.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub parameters: BTreeMap<Name, Parameter>,
    /// How requests are authenticated.
    pub auth: Auth,
    /// What the provider allows per account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The format of answers, where an operation does not say otherwise.
    #[serde(default)]
    pub answer: AnswerFormat,
    /// How forms write lists and maps.
    #[serde(default)]
    pub form_style: FormStyle,
    /// Exceptions to the shared status table; the first rule that matches wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub errors: Vec<ErrorRule>,
    /// An authenticated read that proves the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Operation>,
    /// Why there is no such read, where there is none: people are told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Text>,
    /// The kinds of thing the provider can keep for us, by contract name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub objects: BTreeMap<Name, ObjectSpec>,
    /// What the provider does for us in one exchange, by contract name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub actions: BTreeMap<Name, ActionSpec>,
    /// What the provider offers, by contract name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub catalogs: BTreeMap<Name, Catalog>,
    /// Where a device pushes what happens, when that is not where it takes requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Events>,
    /// How its deliveries are told from forgeries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// How the simulated provider answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
}

impl Definition {
    /// SHA-256 of its canonical JSON, hex.
    pub fn digest(&self) -> String {
        use std::fmt::Write as _;
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&canonical).iter().fold(String::new(), |mut hex, byte| {
            // Writing into a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// The six fields of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Domain {
    /// Models, embeddings, vector collections.
    Ai,
    /// Messages to people and rooms.
    Chat,
    /// Machines, networks, load balancers.
    Cloud,
    /// Charges, refunds, customers.
    Payments,
    /// Mixers, recorders, lights.
    Production,
    /// Trunks, numbers, calls.
    Sip,
}

impl Domain {
    /// The name as definitions and folders write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Chat => "chat",
            Self::Cloud => "cloud",
            Self::Payments => "payments",
            Self::Production => "production",
            Self::Sip => "sip",
        }
    }
}

/// Whether there is an API to talk to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ApiKind {
    /// Open to every customer.
    #[default]
    Public,
    /// Open to contracted partners.
    Partner,
}

/// A further base URL, with what its requests need beyond the first one's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Base URL; a template over `region` and `parameters`.
    pub url: Text,
    /// Service name for signatures that include one (AWS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// Region for signatures, where all regions are served in one (AWS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
}

/// A value that a Provider gives besides credentials (a project, a subscription).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// What it is and where a person finds it.
    pub description: Text,
    /// Used when the Provider says nothing; without a default the parameter is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Text>,
}

/// Request limits of one account, as published and as answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Published rate: `<count>/s`, `/m` or `/h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Rate>,
    /// Answer header with the number of requests left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_header: Option<Text>,
    /// Answer header that says when the count starts anew (epoch seconds, or seconds from now).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_header: Option<Text>,
    /// Seconds to wait after a refusal, as an expression over `body`, `headers` and `status`, where
    /// that is no `Retry-After` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Text>,
}

/// A published request rate such as `250/m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Rate(
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,6}/[smh]$"), length(max = 10))] pub String,
);

impl Rate {
    /// The count and the seconds it is allowed in, or `None` when it is not of the form `250/m`.
    pub fn parts(&self) -> Option<(u32, u32)> {
        let (count, unit) = self.0.split_once('/')?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        Some((count.parse().ok().filter(|count| *count > 0)?, seconds))
    }
}
