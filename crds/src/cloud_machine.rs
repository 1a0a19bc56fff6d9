//! `CloudMachine`: a machine at one of several cloud providers.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use chrono::{DateTime, Utc};

use crate::engine::{
    Active, Attempt, Candidate, DeletionPolicy, Existing, Failover, Forgotten, Management, OnDrift,
    Operation, Placed, Placement, PowerState, WitnessRef,
};

/// Why a CloudMachine is or is not Ready.
pub mod reason {
    /// The machine runs at the provider in `status.active`.
    pub const RUNNING: &str = "Running";
    /// The create was accepted; the machine is not running yet.
    pub const CREATING: &str = "Creating";
    /// No candidate can serve at the moment; the message says why for each and when the next try is.
    pub const NO_CANDIDATE: &str = "NoCandidate";
    /// A Provider it names does not exist, or is not Ready.
    pub const WAITING: &str = "WaitingForProvider";
    /// The answer to an effect was lost; the provider's list is asked before anything else happens.
    pub const OUTCOME_UNKNOWN: &str = "OutcomeUnknown";
    /// Several things carry this object's marks, or are what `existing` says; a person must say which one.
    pub const AMBIGUOUS: &str = "SeveralFound";
    /// What carries this object's marks is not what was asked for; a person must take or delete it.
    pub const ANOTHER: &str = "AnotherFound";
    /// Nothing at the provider is what `existing` says, or it belongs to another object.
    pub const NOT_EXISTING: &str = "NotExisting";
    /// Effects are stopped by the ConfigMap `infrafabric-stop`; reads go on.
    pub const STOPPED: &str = "EffectsStopped";
    /// No candidate can be used as the spec names it: it has no region, or its type makes no machines.
    pub const INVALID: &str = "InvalidSpec";
    /// No candidate offers what the spec wants; the message says for each what comes nearest.
    pub const NO_OFFERING: &str = "NoOffering";
    /// The machine exists and does not run.
    pub const NOT_RUNNING: &str = "NotRunning";
    /// The machine does not run, and `powerState` wants it so: it is Ready.
    pub const STOPPED_AS_WANTED: &str = "StoppedAsWanted";
    /// The machine is not stopped, and `powerState` wants it so.
    pub const NOT_STOPPED: &str = "NotStopped";
    /// The provider cannot switch the machine as `powerState` wants it; nothing is asked.
    pub const UNSUPPORTED: &str = "Unsupported";
    /// The machine is gone although the object is not; it is not made again by itself.
    pub const LOST: &str = "MachineGone";
    /// The machine is being deleted.
    pub const DELETING: &str = "Deleting";
    /// Of `Drifted`: the machine is no longer as it was made, or not as the spec wants it.
    pub const DIFFERS: &str = "DiffersFromSpec";
    /// Of `Expiring`: `expireAfter` will have passed soon.
    pub const EXPIRES_SOON: &str = "ExpiresSoon";
    /// `spec.suspend` is set.
    pub const SUSPENDED: &str = "Suspended";
}

/// A machine by requirements or by size, at the first candidate that can serve.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "infrafabric.io",
    version = "v1alpha1",
    kind = "CloudMachine",
    namespaced,
    status = "CloudMachineStatus",
    derive = "PartialEq",
    shortname = "cmach",
    category = "infrafabric",
    doc = "A machine at one of several cloud providers.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".status.active.provider"),
    printcolumn(name = "Size", type_ = "string", json_path = ".status.active.size"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "Price/h", type_ = "string", json_path = ".status.active.pricePerHour"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Expires",
        type_ = "string",
        priority = "1",
        json_path = ".status.expiresAt"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = "1",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.management != 'Full' ? !(has(self.size) && has(self.requirements)) : has(self.size) != has(self.requirements)",
        "message": "give either size or requirements, not both and not neither",
        "fieldPath": ".requirements"
    },
    {
        "rule": "self.placement == 'Ordered' || self.failover.failback.policy == 'Never'",
        "message": "failback goes with placement Ordered: no other one says which candidate is the better one",
        "fieldPath": ".failover"
    },
    {
        "rule": "self.management == 'Full' || self.failover.failback.policy == 'Never'",
        "message": "failback goes with management Full: nothing else is made",
        "fieldPath": ".failover"
    },
    {
        "rule": "self.management != 'Full' || has(self.image)",
        "message": "image is required: nothing is made without one",
        "fieldPath": ".image"
    },
    {
        "rule": "(self.management == 'Full') != has(self.existing)",
        "message": "existing says what ObserveOnly looks at and Adopt takes over, and goes with no other management",
        "fieldPath": ".existing"
    },
    {
        "rule": "!has(self.existing) || size(self.providers) == 1",
        "message": "what exists is at one provider: name that one alone",
        "fieldPath": ".providers"
    },
    {
        "rule": "has(self.existing) == has(oldSelf.existing) && (!has(self.existing) || self.existing == oldSelf.existing)",
        "message": "existing is immutable: make another CloudMachine",
        "fieldPath": ".existing"
    },
    {
        "rule": "self.management == oldSelf.management || (oldSelf.management == 'ObserveOnly' && self.management == 'Adopt')",
        "message": "management can only go from ObserveOnly to Adopt",
        "fieldPath": ".management"
    },
    {
        "rule": "self.management != 'ObserveOnly' || !has(self.powerState) || self.powerState == 'Running'",
        "message": "what is only looked at is not switched: powerState Stopped goes with management Full or Adopt",
        "fieldPath": ".powerState"
    },
    {
        "rule": "has(self.requirements) == has(oldSelf.requirements) && (!has(self.requirements) || self.requirements == oldSelf.requirements)",
        "message": "requirements are immutable: they choose a size once; make another CloudMachine",
        "fieldPath": ".requirements"
    },
    {
        "rule": "has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)",
        "message": "region is immutable: a machine does not move; make another CloudMachine",
        "fieldPath": ".region"
    },
    {
        "rule": "has(self.sshKeys) == has(oldSelf.sshKeys) && (!has(self.sshKeys) || self.sshKeys == oldSelf.sshKeys)",
        "message": "sshKeys are immutable: they are installed at the first boot only; make another CloudMachine",
        "fieldPath": ".sshKeys"
    },
    {
        "rule": "has(self.userData) == has(oldSelf.userData) && (!has(self.userData) || self.userData == oldSelf.userData)",
        "message": "userData is immutable: it is read at the first boot only; make another CloudMachine",
        "fieldPath": ".userData"
    }
]))]
pub struct CloudMachineSpec {
    /// Candidates; the order is the preference.
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub providers: Vec<Candidate>,
    /// Which of the candidates that can serve is taken.
    #[serde(default)]
    pub placement: Placement,
    /// The highest price per hour in `currency`, as a decimal: what costs more, or nobody knows how much, is not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,9}(\.[0-9]{1,9})?$"), length(max = 19))]
    pub max_price_per_hour: Option<String>,
    /// The currency (ISO 4217) that prices are compared and limited in.
    #[serde(default = "dollars")]
    #[schemars(regex(pattern = r"^[A-Z]{3}$"), length(max = 3))]
    pub currency: String,
    /// When the next candidate is tried.
    #[serde(default)]
    pub failover: Failover,
    /// What happens to the machine when the object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// What the operator may do with the machine.
    #[serde(default)]
    pub management: Management,
    /// The existing machine that `ObserveOnly` looks at and `Adopt` takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// What is done when the machine is no longer as it was made.
    #[serde(default)]
    pub on_drift: OnDrift,
    /// How often an hour `onDrift: Correct` changes it back.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 60))]
    pub max_corrections_per_hour: u32,
    /// Nothing is done while true; a deletion waits too.
    #[serde(default)]
    pub suspend: bool,
    /// Whether the machine is switched on. One that is made begins by running. What stopping saves
    /// is the provider's to say: many charge the same.
    #[serde(default)]
    pub power_state: PowerState,
    /// How long after its first machine was made the object is deleted (`90m`, `24h`, `7d`), and the
    /// machine with it as `deletionPolicy` says; as long as none was made, how long after the object was.
    /// Not while it is suspended, or effects are stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,4}(s|m|h|d)$"), length(max = 6))]
    pub expire_after: Option<String>,
    /// What the machine must have; the cheapest size that has it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
    /// The provider's own size, for candidates that all know it. A change is made where the provider
    /// can change it; some want the machine stopped for that, some restart it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub size: Option<String>,
    /// The region for candidates that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,
    /// A distribution and version (`ubuntu-24.04`), or the provider's or your own image by its id there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        length(min = 1, max = 253),
        extend("x-kubernetes-validations" = [{
            "rule": "self == oldSelf",
            "message": "image is immutable: a machine is not reinstalled; make another CloudMachine"
        }])
    )]
    pub image: String,
    /// SSH keys: public keys, which every provider installs, or ids, fingerprints or names of keys
    /// that the provider knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 4096)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub ssh_keys: Vec<String>,
    /// cloud-init user data, read at the first boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<UserData>,
    /// Tags at the provider, besides the operator's own marks. A change is made where the provider can
    /// change tags; others are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 3, max = 50), regex(pattern = r"^[a-z0-9][a-z0-9:_-]*$")),
        extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = [
            {
                "rule": "self.all(t, !t.startsWith('if:') && !t.startsWith('if-'))",
                "message": "tags that begin with if: or if- are the operator's own marks"
            }
        ])
    )]
    pub tags: Vec<String>,
}

fn dollars() -> String {
    "USD".to_owned()
}

fn four() -> u32 {
    4
}

/// What a machine must have at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirements {
    /// Virtual CPUs.
    #[schemars(range(min = 1, max = 1024))]
    pub cpus: u32,
    /// Memory with its unit, `4Gi` or `512Mi`.
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,5}(Mi|Gi)$"), length(max = 8))]
    pub memory: String,
    /// Local disk with its unit, `80Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,5}(Mi|Gi)$"), length(max = 8))]
    pub disk: Option<String>,
    /// GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub gpus: Option<u32>,
}

impl Requirements {
    /// Memory in MiB.
    pub fn memory_mib(&self) -> Option<u64> {
        mebibytes(&self.memory)
    }

    /// Disk in GiB, rounded up; 0 when none is asked for.
    pub fn disk_gib(&self) -> Option<u64> {
        self.disk.as_deref().map_or(Some(0), |disk| mebibytes(disk).map(|mib| mib.div_ceil(1024)))
    }
}

/// `4Gi` and `512Mi` in MiB.
fn mebibytes(quantity: &str) -> Option<u64> {
    let (digits, factor) = match quantity.strip_suffix("Gi") {
        Some(digits) => (digits, 1024),
        None => (quantity.strip_suffix("Mi")?, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// cloud-init user data from one of three places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.inline) ? 1 : 0) + (has(self.secretRef) ? 1 : 0) + (has(self.configMapRef) ? 1 : 0) == 1",
    "message": "give exactly one of inline, secretRef, configMapRef"
}]))]
pub struct UserData {
    /// The text itself; nothing secret belongs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub inline: Option<String>,
    /// A key of a Secret in the object's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<KeyRef>,
    /// A key of a ConfigMap in the object's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<KeyRef>,
}

/// A key of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What the controller knows of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudMachineStatus {
    /// The generation that `conditions` speak of; -1 before the first look.
    #[serde(default = "never")]
    pub observed_generation: i64,
    /// `Ready`, `Witnessed`; `Reconciling`, `Stalled`, `Drifted` and `Expiring` while true.
    #[serde(default)]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Where the machine is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The first public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    pub address: Option<String>,
    /// All addresses, public ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub addresses: Vec<MachineAddress>,
    /// The machine in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Active>,
    /// The machine that is being made to take the place of the one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Active>,
    /// Machines that are not in use any more and are not known to be gone yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub retired: Vec<Active>,
    /// An effect that was about to happen when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The last operation that nothing came of, until another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Forgotten>,
    /// When the object is deleted by `spec.expireAfter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When drift was corrected, within the last hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60), extend("x-kubernetes-list-type" = "atomic"))]
    pub corrections: Vec<DateTime<Utc>>,
    /// How the candidates were compared last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placed>,
    /// Candidates that did not serve, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic"))]
    pub attempts: Vec<Attempt>,
    /// How many creates were tried for this object.
    #[serde(default)]
    pub attempt: u32,
    /// The newest entry in the witness log.
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

impl Default for CloudMachineStatus {
    fn default() -> Self {
        Self {
            observed_generation: never(),
            conditions: Vec::new(),
            state: None,
            address: None,
            addresses: Vec::new(),
            active: None,
            replacement: None,
            retired: Vec::new(),
            operation: None,
            forgotten: None,
            expires_at: None,
            corrections: Vec::new(),
            placement: None,
            attempts: Vec::new(),
            attempt: 0,
            witness: None,
            last_handled_reconcile_at: None,
        }
    }
}

impl CloudMachineStatus {
    /// What is there for the object besides the machine in use.
    pub fn others(&self) -> impl Iterator<Item = &Active> {
        self.replacement.iter().chain(&self.retired)
    }

    /// All that is there for the object.
    pub fn things(&self) -> impl Iterator<Item = &Active> {
        self.active.iter().chain(self.others())
    }
}

/// Where a machine is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// Nothing was asked of a provider yet.
    Pending,
    /// A create is on its way, or accepted.
    Creating,
    /// It runs.
    Running,
    /// It exists and does not run.
    Stopped,
    /// The provider says that it is broken.
    Failed,
    /// It is being deleted.
    Deleting,
    /// It is gone although the object is not.
    Gone,
    /// The provider uses a word that the definition does not know.
    Unknown,
}

/// An address of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineAddress {
    /// IPv4 or IPv6.
    #[schemars(length(max = 45))]
    pub ip: String,
    /// Whether it is reachable from everywhere.
    pub public: bool,
}
