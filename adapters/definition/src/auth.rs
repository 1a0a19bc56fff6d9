//! How requests are authenticated; the schemes themselves live once, in the pipeline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// The authentication scheme and the Secret keys it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// Which scheme.
    pub scheme: Scheme,
    /// Keys that the Secret must hold, in the order the scheme takes them
    /// (`bearer`: token; `aws-sigv4`: access key id, secret access key).
    #[schemars(length(min = 1, max = 8))]
    pub secret: Vec<Name>,
    /// Keys that the Secret may hold (`aws-sigv4`: session token).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub optional_secret: Vec<Name>,
    /// Service name for signatures that include one (`aws-sigv4`: `ec2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
}

/// The schemes the pipeline knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// AWS Signature Version 4, in headers.
    AwsSigv4,
}
