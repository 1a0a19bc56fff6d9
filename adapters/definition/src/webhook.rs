//! How deliveries of the provider are told from forgeries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Encoding, Name, Span, Text};

/// What signs a delivery and where the signature stands. Expressions see `headers` (by lower-case
/// name), `body` (as it came), `url` (as the provider called it), `query`, `form` and `event` (the body
/// as JSON or form).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// Keys that the Secret may hold, any of which verifies: a secret is changed by holding both for
    /// a while.
    #[schemars(length(min = 1, max = 4))]
    pub secret: Vec<Name>,
    /// What signs.
    #[serde(default)]
    pub algorithm: Proof,
    /// How signatures are written.
    #[serde(default)]
    pub encoding: Encoding,
    /// How the Secret writes the key, where it is no text; what stands before it is cut off
    /// (`whsec_`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyForm>,
    /// The text that is signed; the body when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// The signature, or a list of which one must be right.
    pub signature: Text,
    /// When it was signed: seconds or milliseconds since 1970, or RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Text>,
    /// How old a delivery may be, or how far ahead its clock; `5m` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Span>,
    /// What the event is known by when it is delivered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Text>,
    /// The vendor's name for what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
}

/// What proves a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// HMAC with SHA-1.
    Sha1,
    /// HMAC with SHA-256.
    #[default]
    Sha256,
    /// HMAC with SHA-512.
    Sha512,
    /// An Ed25519 signature; the Secret holds the public key.
    Ed25519,
    /// The secret itself, sent along: `signature` is where it stands.
    Token,
}

/// How the Secret writes a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyForm {
    /// How the bytes are written.
    pub encoding: Encoding,
    /// What stands before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Text>,
}
