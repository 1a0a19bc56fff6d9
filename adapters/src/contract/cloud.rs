//! Contract `cloud`: machines, and the sizes, images and regions to choose from.

mod table;

use std::collections::BTreeMap;

use infrafabric_definition::Domain;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Kept;
use super::boot::boot_data;

pub use table::CONTRACT;

/// What a machine is created from: the definition sees it as `want`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// The provider's size.
    pub size: String,
    /// The size's identity, where requests take that and not the name; expressions see the name
    /// when it is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_id: Option<String>,
    /// The provider's image.
    pub image: String,
    /// Keys that the provider knows: ids, fingerprints, names, or public keys where it takes them.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
    /// cloud-init user data, plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// What a thing of ours is recognised by: text of at most 50 characters from `[a-z0-9:_-]`.
    /// The first one marks the installation and is what lists ask for (`scope.mark`).
    pub marks: Vec<String>,
    /// The user's own tags, in the same alphabet.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Installation, kind, namespace, name and UID for providers with keys and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl MachineWant {
    /// `want` as expressions see it: the wish, `sizeId` in any case, and `bootData` for providers that take no public
    /// key in the request.
    pub(crate) fn expressible(&self) -> Json {
        let mut want = serde_json::to_value(self).unwrap_or_default();
        if self.size_id.is_none() {
            want["sizeId"] = Json::from(self.size.as_str());
        }
        if let Some(text) = boot_data(self.user_data.as_deref(), &self.ssh_keys) {
            want["bootData"] = Json::from(text);
        }
        want
    }
}

impl Kept for SshKey {
    const DOMAIN: Domain = Domain::Cloud;
    type Want = SshKeyWant;
    const KIND: &'static str = "sshKey";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for Network {
    const DOMAIN: Domain = Domain::Cloud;
    type Want = NetworkWant;
    const KIND: &'static str = "network";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for Firewall {
    const DOMAIN: Domain = Domain::Cloud;
    type Want = FirewallWant;
    const KIND: &'static str = "firewall";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for FixedAddress {
    const DOMAIN: Domain = Domain::Cloud;
    type Want = FixedAddressWant;
    const KIND: &'static str = "address";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for LoadBalancer {
    const DOMAIN: Domain = Domain::Cloud;
    type Want = LoadBalancerWant;
    const KIND: &'static str = "loadBalancer";
    fn id(&self) -> &str {
        &self.id
    }
}

/// What a firewall is made from: what is not allowed in is kept out, what goes out is free.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirewallWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// What may come in.
    pub rules: Vec<Rule>,
    /// The machines that it stands before, by their identity at the provider.
    #[serde(default)]
    pub machines: Vec<String>,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
    /// Installation, kind, namespace, name and UID for providers with keys and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Over what.
    pub protocol: Protocol,
    /// A port or a range such as `8000-9000`; empty for ICMP.
    #[serde(default)]
    pub ports: String,
    /// From where, as IPv4 ranges; `0.0.0.0/0` is everywhere.
    pub sources: Vec<String>,
}

/// A protocol of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
}

/// A firewall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a fixed public address is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FixedAddressWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
    /// Installation, kind, namespace, name and UID for providers with keys and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A public IPv4 address that stays when a machine goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedAddress {
    /// The provider's identity for it.
    pub id: String,
    /// The address, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a load balancer is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// What it takes and where that goes.
    pub forwards: Vec<Forward>,
    /// The machines behind it, by their identity at the provider.
    #[serde(default)]
    pub machines: Vec<String>,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
    /// Installation, kind, namespace, name and UID for providers with keys and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What a load balancer takes and where that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// `tcp` or `http`.
    pub protocol: ForwardProtocol,
    /// Its own port.
    pub port: u16,
    /// The machines' port.
    pub target_port: u16,
}

/// What a load balancer understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardProtocol {
    /// Connections.
    Tcp,
    /// Requests.
    Http,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// The provider's identity for it.
    pub id: String,
    /// Its public address, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an SSH key is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SshKeyWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region, where keys are regional.
    pub region: String,
    /// A public key as OpenSSH writes it: `ssh-ed25519 AAAA… comment`.
    pub public_key: String,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
    /// Installation, kind, namespace, name and UID for providers with keys and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// An SSH key that a provider keeps for machines to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKey {
    /// What machines name it by ([`MachineWant::ssh_keys`]).
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a private network is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkWant {
    /// RFC 1123 label of at most 63 characters without double hyphens, unique in the account.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// A private IPv4 range such as `10.20.0.0/16`.
    pub cidr: String,
    /// What a thing of ours is recognised by.
    #[serde(default)]
    pub marks: Vec<String>,
    /// Installation, kind, namespace, name and UID for providers with keys and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A private network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The provider's identity for it.
    pub id: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
}

/// What can be done with a machine that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineVerb {
    /// Switch it on.
    Start,
    /// Switch it off, so that it costs as little as the provider allows.
    Stop,
    /// Begin anew.
    Reboot,
    /// Make it another size; many providers want it switched off first.
    Resize {
        /// The provider's size.
        size: String,
        /// The size's identity, where requests take that and not the name.
        size_id: Option<String>,
    },
    /// Give it other tags: what is not among them goes.
    Update {
        /// What it is recognised by; all of them.
        marks: Vec<String>,
        /// The user's own.
        tags: Vec<String>,
    },
}

impl MachineVerb {
    /// The contract's name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Resize { .. } => "resize",
            Self::Update { .. } => "update",
        }
    }

    /// `want` as expressions see it.
    pub(crate) fn expressible(&self) -> Json {
        match self {
            Self::Resize { size, size_id } => {
                json!({"size": size, "sizeId": size_id.as_ref().unwrap_or(size)})
            }
            Self::Update { marks, tags } => json!({"marks": marks, "tags": tags}),
            _ => Json::Null,
        }
    }
}

/// A machine as a provider shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The provider's identity for it.
    pub id: String,
    /// What it does now.
    pub state: MachineState,
    /// The vendor's own word for the state.
    #[serde(default)]
    pub vendor_state: String,
    /// Its name at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its addresses, public ones first.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// The provider's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// The provider's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The provider's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Its tags, our marks among them.
    #[serde(default)]
    pub marks: Vec<String>,
}

impl Machine {
    /// A machine of which nothing is known but its identity.
    pub fn unseen(id: String) -> Self {
        Self {
            id,
            state: MachineState::Unknown,
            vendor_state: String::new(),
            name: None,
            addresses: Vec::new(),
            size: None,
            region: None,
            image: None,
            marks: Vec::new(),
        }
    }

    /// Whether it exists and nobody deletes it.
    pub fn is_living(&self) -> bool {
        !matches!(self.state, MachineState::Gone | MachineState::Deleting)
    }

    /// Whether nobody saw it ([`Machine::unseen`]).
    pub fn is_unseen(&self) -> bool {
        self.state == MachineState::Unknown && self.vendor_state.is_empty() && self.name.is_none()
    }
}

/// What a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MachineState {
    /// It is being made or starts.
    Creating,
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It exists and does not run.
    Stopped,
    /// It is being deleted.
    Deleting,
    /// It no longer exists.
    Gone,
    /// The provider says that it is broken.
    Failed,
    /// The provider uses a word that the definition does not know.
    Unknown,
}

/// An address of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// IPv4 or IPv6.
    pub ip: String,
    /// Whether it is reachable from everywhere.
    #[serde(default)]
    pub public: bool,
}

/// A size that a provider offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// The provider's name for it.
    pub name: String,
    /// Its identity, where requests take that and not the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
    /// Local disk in GiB; 0 when the size has none of its own.
    #[serde(rename = "diskGiB", default)]
    pub disk_gib: u64,
    /// GPUs.
    #[serde(default)]
    pub gpus: u32,
    /// Price per hour while it runs; `None` is unknown and sorts last.
    #[serde(default)]
    pub price_per_hour: Option<Decimal>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Where it can be had; `None` when the provider does not say.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
    /// Whether new ones may be ordered.
    #[serde(default = "yes")]
    pub available: bool,
}

/// An image that a provider offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The provider's name for it.
    pub name: String,
    /// The distribution in lower case, `ubuntu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Its version, `24.04`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was made, if several have one family and version (the newest is taken).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Where it can be used; `None` when the provider does not say.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
}

/// A region of a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Region {
    /// The provider's name for it.
    pub name: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether new things may be made there.
    #[serde(default = "yes")]
    pub available: bool,
}

fn yes() -> bool {
    true
}
