//! How requests are authenticated; the schemes themselves live once, in the pipeline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Operation, Text};

/// The authentication scheme and the Secret keys it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// Which scheme.
    pub scheme: Scheme,
    /// Keys that the Secret must hold, in the order the scheme takes them (`bearer`, `header`,
    /// `query`: token; `basic`: user, password, or the user alone; `aws-sigv4`: access key id, secret
    /// access key; `ovh`: application key, application secret, consumer key; `oauth2`: client id,
    /// client secret; `oci`: tenancy, user, fingerprint of the key, private key in PEM; `jwt-bearer`:
    /// the JSON key file of a service account).
    #[schemars(length(min = 1, max = 8))]
    pub secret: Vec<Name>,
    /// Keys that the Secret may hold (`aws-sigv4`: session token).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub optional_secret: Vec<Name>,
    /// Service name for signatures that include one (`aws-sigv4`: `ec2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// Name of the header (`header`) or query parameter (`query`) that carries the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// What stands before the token in the header (`header`), its space included: `Token `.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Text>,
    /// What the access token is asked for (`jwt-bearer`): the claim `scope` of the signed request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Text>,
    /// The call that gives an access token (`oauth2`, `jwt-bearer`): a POST whose form is completed
    /// with `grant_type`, and `client_id` and `client_secret` or a signed `assertion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Box<Operation>>,
}

/// The schemes the pipeline knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// `Authorization: Basic <user:password>`.
    Basic,
    /// A header of the provider's own.
    Header,
    /// A query parameter.
    Query,
    /// AWS Signature Version 4, in headers.
    AwsSigv4,
    /// OAuth 2.0 client credentials: an access token by a call of its own, then bearer.
    Oauth2,
    /// OAuth 2.0 with a signed request (RFC 7523): an access token for a service account, then bearer.
    JwtBearer,
    /// Oracle's HTTP signature with an RSA key.
    Oci,
    /// OVHcloud's `$1$` signature with the server's time.
    Ovh,
}
