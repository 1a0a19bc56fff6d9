//! How requests are authenticated; the schemes themselves live once, in the pipeline.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Operation, Span, Text};

/// The authentication scheme and the Secret keys it takes. Only the templates beneath `auth` see
/// secrets, as `secret.<key>`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// Which scheme.
    pub scheme: Scheme,
    /// Keys that the Secret must hold, in the order the scheme takes them (`bearer`, `header`,
    /// `query`, `path`: token; `basic`: user, password, or the user alone; `aws-sigv4`: access key id,
    /// secret access key; `ovh`: application key, application secret, consumer key; `oauth2`: client
    /// id, client secret; `oauth2-refresh`: refresh token, client id, and the client secret if there
    /// is one; `oci`: tenancy, user, fingerprint of the key, private key in PEM; `jwt-bearer`: the JSON
    /// key file of a service account; `obs`: password; `headers`, `hmac`, `exchange`: any; `none`: none).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub secret: Vec<Name>,
    /// Keys that the Secret may hold (`aws-sigv4`: session token).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub optional_secret: Vec<Name>,
    /// Service name for signatures that include one (`aws-sigv4`: `ec2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// Name of the header or query parameter that carries the token (`header`, `query`; schemes with
    /// an access token: `carrier`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// What stands before the token: in the header, its space included (`Token `); in the path,
    /// between the base URL and the token (`/bot`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Text>,
    /// What the access token is asked for (`jwt-bearer`): the claim `scope` of the signed request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Text>,
    /// The call that gives an access token (`oauth2`, `oauth2-refresh`, `jwt-bearer`: a POST whose form
    /// the pipeline completes with grant and credentials; `exchange`: any request, over `secret`). Its
    /// `item` is the token; `access_token` when absent. `expires_in` of the answer says how long it
    /// lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Box<Operation>>,
    /// How long an access token lives whose answer does not say; `5m` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives: Option<Span>,
    /// Where an access token stands in requests; bearer when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Carrier>,
    /// The headers that carry the credentials (`headers`), over `secret`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub headers: BTreeMap<Name, Text>,
    /// The query parameters that carry the credentials (`headers`), over `secret`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub query: BTreeMap<Name, Text>,
    /// What is signed and where the signature stands (`hmac`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Box<Sign>>,
}

/// Where an access token stands in requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Carrier {
    /// `Authorization: Bearer <token>`.
    #[default]
    Bearer,
    /// The header `name`, after `prefix`.
    Header,
    /// The query parameter `name`.
    Query,
    /// The path, after `prefix`.
    Path,
}

/// A signature over the request with a shared secret (HMAC). The text sees `method`, `path`, `query`,
/// `host`, `body`, `contentType`, `timestamp` (seconds since 1970), `millis`, `date` (as HTTP writes
/// it), `nonce` (a new UUID for every request) and `secret`; headers and query see `signature` too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sign {
    /// The text that is signed.
    pub text: Text,
    /// The Secret's key that signs.
    pub key: Name,
    /// The hash.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub headers: BTreeMap<Name, Text>,
    /// Query parameters of the request; they are no part of what is signed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub query: BTreeMap<Name, Text>,
}

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    /// Hexadecimal, in lower case.
    #[default]
    Hex,
    /// Base 64 with padding.
    Base64,
}

/// The schemes the pipeline knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `Authorization: Bearer <token>`.
    #[default]
    Bearer,
    /// `Authorization: Basic <user:password>`.
    Basic,
    /// A header of the provider's own.
    Header,
    /// Several headers, each written from the Secret.
    Headers,
    /// A query parameter.
    Query,
    /// A segment of the path.
    Path,
    /// A signature with a shared secret.
    Hmac,
    /// AWS Signature Version 4, in headers.
    AwsSigv4,
    /// OAuth 2.0 client credentials: an access token by a call of its own, then bearer.
    Oauth2,
    /// OAuth 2.0 with a refresh token that a person's consent gave.
    Oauth2Refresh,
    /// An access token by a call of the provider's own (a login).
    Exchange,
    /// OAuth 2.0 with a signed request (RFC 7523): an access token for a service account, then bearer.
    JwtBearer,
    /// Oracle's HTTP signature with an RSA key.
    Oci,
    /// OVHcloud's `$1$` signature with the server's time.
    Ovh,
    /// The challenge of obs-websocket 5, on a socket.
    Obs,
    /// No credentials (devices and services on a private network).
    None,
}

impl Scheme {
    /// The name as definitions write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Header => "header",
            Self::Headers => "headers",
            Self::Query => "query",
            Self::Path => "path",
            Self::Hmac => "hmac",
            Self::AwsSigv4 => "aws-sigv4",
            Self::Oauth2 => "oauth2",
            Self::Oauth2Refresh => "oauth2-refresh",
            Self::Exchange => "exchange",
            Self::JwtBearer => "jwt-bearer",
            Self::Oci => "oci",
            Self::Ovh => "ovh",
            Self::Obs => "obs",
            Self::None => "none",
        }
    }

    /// Whether requests carry an access token that a call of its own gives.
    pub fn fetches_token(self) -> bool {
        matches!(self, Self::Oauth2 | Self::Oauth2Refresh | Self::Exchange | Self::JwtBearer)
    }
}
