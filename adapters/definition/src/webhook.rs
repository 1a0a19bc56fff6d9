//! How deliveries of the provider are told from forgeries.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Encoding, Free, Name, Span, Text};

/// What signs a delivery and where the signature stands. Expressions see `headers` (by lower-case
/// name), `body` (as it came), `url` (as the provider called it), `query`, `form` (a name that is repeated
/// has a list) and `event` (the body as JSON or form).
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
    /// The text that is signed, or a list of which one must be; the body when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// What must hold besides, where the text does not cover all that is believed: an expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must: Option<Text>,
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
    /// The keys that verify a token (`jwt`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PublicKeys>,
    /// Requests by which the provider only wants to see that we are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Handshake>,
    /// What it tells of, where that is more than one thing: an expression that gives a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Text>,
    /// The contract's outputs of an event, as expressions over `item` (`event` itself when there is no
    /// `items`). `kind` and `state` are maps: `of` is the vendor's word, the other keys map its values
    /// to the contract's.
    #[serde(rename = "as", default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub outputs: BTreeMap<Name, Free>,
}

/// A published set of public keys (JWKS), fetched when a token names one that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicKeys {
    /// Path of a GET; its answer has `keys`.
    pub get: Text,
    /// One of the definition's `endpoints`; the main `endpoint` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// The claim `iss` of its tokens. `aud` is the Secret's key.
    pub issuer: Text,
}

/// How a provider makes sure that an address is ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handshake {
    /// Whether a request is one: an expression.
    pub when: Text,
    /// What proves it in place of a signature, and the Secret's key that it must equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Text>,
    /// The Secret's key of `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Name>,
    /// What is answered: text, or a map that is written as JSON.
    pub reply: Free,
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
    /// A signed token (RFC 7519, RS256): `signature` is where it stands, `keys` what verifies it. It
    /// does not cover the body.
    Jwt,
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
