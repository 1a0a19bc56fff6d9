//! Trunks, and who may use them.

use infrafabric_definition::Domain;
use serde::{Deserialize, Serialize};

use crate::contract::Kept;

/// What a trunk is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrunkWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// The IPv4 addresses that may use it.
    #[serde(default)]
    pub access: Vec<String>,
    /// Lists of addresses that may use it, by their identity, where they are things of their own.
    #[serde(default)]
    pub access_lists: Vec<String>,
    /// Where its calls go.
    #[serde(default)]
    pub origination: Vec<Origination>,
    /// Lists of user names with passwords that may use it, by their identity.
    #[serde(default)]
    pub credential_lists: Vec<String>,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
}

/// Where calls to a trunk go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origination {
    /// `sip:pbx.example.com:5060`.
    pub uri: String,
    /// The lowest is tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
}

/// A trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The host that it takes calls at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// What a list of addresses is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessListWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// The IPv4 addresses.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
}

/// A list of addresses from which calls are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessList {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a list of user names with passwords is made from. The passwords stand in the account's Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialListWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// The user name; its password is the Secret's `sipPassword`.
    pub username: String,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
}

/// A list of user names with passwords from which calls are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialList {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Kept for CredentialList {
    const DOMAIN: Domain = Domain::Sip;
    type Want = CredentialListWant;
    const KIND: &'static str = "credentialList";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for AccessList {
    const DOMAIN: Domain = Domain::Sip;
    type Want = AccessListWant;
    const KIND: &'static str = "accessList";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for Trunk {
    const DOMAIN: Domain = Domain::Sip;
    type Want = TrunkWant;
    const KIND: &'static str = "trunk";
    fn id(&self) -> &str {
        &self.id
    }
}
