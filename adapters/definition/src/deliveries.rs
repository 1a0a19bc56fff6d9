//! How the simulated provider calls who listens.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, Free, Name, SandboxAnswer, Text};

/// What the simulated provider delivers, signed by what it accepts. Templates may use `timestamp` (seconds
/// since 1970), `millis` and `created` (RFC 3339); headers `signature` too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxWebhook {
    /// The address that it calls, as somebody told it.
    pub url: Text,
    /// Headers of every delivery.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<Name, Text>,
    /// What signs where that is another key than verifies: for `ed25519` the private key's 32 bytes in
    /// hexadecimal, for `jwt` a private key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Document>,
    /// The answer to who asks for the public keys of `jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<SandboxAnswer>,
    /// What is delivered.
    #[schemars(length(min = 1, max = 16))]
    pub deliveries: Vec<SandboxDelivery>,
}

/// One delivery: a POST of `json` or `form`, or a GET that has neither.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxDelivery {
    /// Headers of this one besides.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub headers: BTreeMap<Name, Text>,
    /// What stands behind the address, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Free>,
    /// A JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Free>,
    /// A form body, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Free>,
    /// What the contract makes of it: for each event, some of its outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub gives: Vec<Free>,
    /// What it wants to hear, where it is a handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Text>,
}
