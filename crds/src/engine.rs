//! What every kind that acts has in common: candidates, failover, the journal and the witness.

use chrono::{DateTime, Utc};
use infrafabric_definition::{Class, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Provider that may serve the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Candidate {
    /// The Provider, in the object's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The region at this provider; the object's `region`, else the Provider's, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,
    /// Its share of the objects where `placement` is `Weighted`; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<u32>,
}

/// Which of the candidates that can serve is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Placement {
    /// The first one in the spec's order.
    #[default]
    Ordered,
    /// The one with the lowest score: its price, raised by how it failed and how slowly it answered of late.
    Cheapest,
    /// The one with the fewest objects of this kind that are spread over the same Providers in this namespace.
    Spread,
    /// Each gets its `weight`'s share of the objects; which one an object gets is a matter of its UID.
    Weighted,
}

/// How the candidates were compared last, so that a person can redo the sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// When this became so.
    pub at: DateTime<Utc>,
    /// By what they were compared.
    pub policy: Placement,
    /// The currency that prices are compared in.
    #[schemars(length(max = 3))]
    pub currency: String,
    /// The candidates, the best first.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub candidates: Vec<Ranked>,
}

/// One candidate as it was compared with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    /// The Provider's name.
    #[schemars(length(max = 253))]
    pub provider: String,
    /// The provider's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// The size that it would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub size: Option<String>,
    /// Price per hour in the provider's own currency, as a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub price_per_hour: Option<String>,
    /// ISO 4217 of that price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub currency: Option<String>,
    /// What it was compared by; absent where its place is another's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// Whether it is the one that is taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
    /// Why it is not taken, where it is not for its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
}

/// The terms of a score, per hour in the currency of the comparison, as decimals: their sum is compared, the lowest
/// wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// The price.
    #[schemars(length(max = 40))]
    pub price: String,
    /// The price times the share of calls that failed of late.
    #[schemars(length(max = 40))]
    pub failures: String,
    /// A hundredth of the price for each second that a call took of late, a tenth at most.
    #[schemars(length(max = 40))]
    pub latency: String,
    /// A thousandth of the price for each candidate that the spec names before.
    #[schemars(length(max = 40))]
    pub preference: String,
    /// The sum.
    #[schemars(length(max = 40))]
    pub sum: String,
}

/// Where an account does not serve at the moment, for all objects that would use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// How far it reaches.
    pub scope: Scope,
    /// The provider's region, unless the whole account is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// The size, where it alone is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub size: Option<String>,
    /// The class of the failure.
    pub class: Class,
    /// The vendor's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub code: Option<String>,
    /// What the provider said, for a person.
    #[schemars(length(max = 512))]
    pub message: String,
    /// When it failed first in this row of failures.
    pub since: DateTime<Utc>,
    /// When it last failed.
    pub at: DateTime<Utc>,
    /// Until then nothing is asked for; afterwards one object tries, and the others wait for what becomes of it.
    pub until: DateTime<Utc>,
    /// How often in a row.
    pub count: u32,
}

/// When the next candidate is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failover {
    /// How long a candidate may be unavailable before the next one is tried (`90s`, `2m`, `1h`).
    /// Delays only class Unavailable; the other classes go on at once.
    #[serde(default = "two_minutes")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"), length(max = 6))]
    pub after: String,
    /// The classes of failure that try the next candidate.
    #[serde(default = "all_classes")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "set"))]
    pub on_classes: Vec<FailoverClass>,
    /// Whether and when it goes back to a candidate that comes before the one in use.
    #[serde(default)]
    pub failback: Failback,
}

impl Default for Failover {
    fn default() -> Self {
        Self { after: two_minutes(), on_classes: all_classes(), failback: Failback::default() }
    }
}

/// Whether and when an object goes back to a candidate that comes before the one in use: the new thing is made
/// first, then it is the one in use, then the old one is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(self.policy == 'InWindow') == has(self.window)",
    "message": "window says when InWindow goes back, and goes with no other policy"
}]))]
pub struct Failback {
    /// Whether it goes back.
    #[serde(default)]
    pub policy: FailbackPolicy,
    /// How long the candidate must have been able to serve without a failure (`90s`, `10m`, `1h`).
    #[serde(default = "ten_minutes")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"), length(max = 6))]
    pub after: String,
    /// When `InWindow` goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl Default for Failback {
    fn default() -> Self {
        Self { policy: FailbackPolicy::default(), after: ten_minutes(), window: None }
    }
}

fn ten_minutes() -> String {
    "10m".to_owned()
}

/// Whether an object goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailbackPolicy {
    /// It stays where it is.
    #[default]
    Never,
    /// As soon as the candidate has been able to serve for `after`.
    WhenHealthy,
    /// Then, and within `window`.
    InWindow,
}

/// A window in time that opens again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// When it opens, as a cron pattern of five fields in UTC (`0 3 * * MON-FRI`).
    #[schemars(length(min = 9, max = 100))]
    pub cron: String,
    /// How long it stays open (`30m`, `2h`).
    #[serde(default = "an_hour")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"), length(max = 6))]
    pub lasts: String,
}

fn an_hour() -> String {
    "1h".to_owned()
}

fn two_minutes() -> String {
    "2m".to_owned()
}

fn all_classes() -> Vec<FailoverClass> {
    use FailoverClass::{Auth, Capacity, OutOfCredit, Quota, Unavailable};
    vec![Capacity, Quota, Unavailable, Auth, OutOfCredit]
}

/// A class of failure that another provider may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailoverClass {
    /// The provider has none left of what was asked.
    Capacity,
    /// A limit of the account is reached.
    Quota,
    /// The provider cannot be reached or says that it cannot serve.
    Unavailable,
    /// The credentials were refused.
    Auth,
    /// The account has no money left.
    OutOfCredit,
}

impl FailoverClass {
    /// The class of the taxonomy.
    pub fn class(self) -> Class {
        match self {
            Self::Capacity => Class::Capacity,
            Self::Quota => Class::Quota,
            Self::Unavailable => Class::Unavailable,
            Self::Auth => Class::Auth,
            Self::OutOfCredit => Class::OutOfCredit,
        }
    }
}

/// What happens at the provider when the object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The thing is deleted, and the object goes when it is gone.
    #[default]
    Delete,
    /// The thing stays.
    Orphan,
}

/// What the operator may do with the thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Management {
    /// It makes it, keeps it and removes it.
    #[default]
    Full,
    /// It looks at one that exists and never touches it.
    ObserveOnly,
    /// It takes one that exists, marks it as its own where the provider can, and from then on does with it
    /// as with one that it made.
    Adopt,
}

/// Which existing thing is looked at or taken over. What it says must be true of exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.externalId) != has(self.tag) && (!has(self.name) || has(self.tag))",
    "message": "give externalId, or tag and perhaps name"
}]))]
pub struct Existing {
    /// The provider's identity of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub external_id: Option<String>,
    /// A tag that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 50), regex(pattern = r"^[a-z0-9][a-z0-9:_-]*$"))]
    pub tag: Option<String>,
    /// The name that it has besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
}

/// Whether a thing is switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PowerState {
    /// It is.
    #[default]
    Running,
    /// It is not, and stays at the provider.
    Stopped,
}

/// What is done when the thing is no longer as it was made or told: its tags, or whether it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDrift {
    /// The condition `Drifted` says what differs.
    #[default]
    Report,
    /// It is changed back, as often an hour as `maxCorrectionsPerHour` allows.
    Correct,
}

/// An operation that nothing came of, as far as anybody knows: asked again as it was, it has its token again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forgotten {
    /// Its idempotency token.
    #[schemars(length(max = 64))]
    pub token: String,
    /// Keyed digest of its request.
    #[schemars(length(max = 64))]
    pub request_digest: String,
}

/// The thing in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    /// The Provider's name.
    #[schemars(length(max = 253))]
    pub provider: String,
    /// The provider's region.
    #[schemars(length(max = 63))]
    pub region: String,
    /// The provider's size.
    #[schemars(length(max = 253))]
    pub size: String,
    /// The provider's image.
    #[schemars(length(max = 253))]
    pub image: String,
    /// The provider's identity of the thing.
    #[schemars(length(max = 253))]
    pub external_id: String,
    /// When it was made or adopted.
    pub since: DateTime<Utc>,
    /// When the object's first one was made or adopted, where that was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_since: Option<DateTime<Utc>>,
    /// When it was last told to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<DateTime<Utc>>,
    /// The tags of the spec that it was given last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(max = 50)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub tags: Vec<String>,
    /// How it was switched last; `Running`, as it was made, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_state: Option<PowerState>,
    /// Price per hour while it runs, as a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub price_per_hour: Option<String>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub currency: Option<String>,
}

/// An effect that was about to happen when this was written: the write-ahead intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The idempotency token of this attempt.
    #[schemars(length(max = 64))]
    pub token: String,
    /// `create`, `update`, `start`, `stop`, `resize`, `delete`, or `retire`: the deletion of what is not in use any more.
    #[schemars(length(max = 16))]
    pub verb: String,
    /// The Provider's name.
    #[schemars(length(max = 253))]
    pub provider: String,
    /// The provider's region.
    #[schemars(length(max = 63))]
    pub region: String,
    /// The size asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub size: Option<String>,
    /// The size's identity, where requests take that and not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub size_id: Option<String>,
    /// The image asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub image: Option<String>,
    /// Keyed digest of the request.
    #[schemars(length(max = 64))]
    pub request_digest: String,
    /// When the attempt began.
    pub started_at: DateTime<Utc>,
    /// Which attempt it is, from 1.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// The witness entry of the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness_index: Option<u64>,
    /// Price per hour of the offering, as a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub price_per_hour: Option<String>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub currency: Option<String>,
}

impl Operation {
    /// What is done where, and nothing else yet.
    pub fn new(
        token: String,
        verb: &str,
        (provider, region): (&str, &str),
        started_at: DateTime<Utc>,
    ) -> Self {
        Self {
            token,
            verb: verb.to_owned(),
            provider: provider.to_owned(),
            region: region.to_owned(),
            size: None,
            size_id: None,
            image: None,
            request_digest: String::new(),
            started_at,
            attempt: 1,
            witness_index: None,
            price_per_hour: None,
            currency: None,
        }
    }
}

/// One try at one candidate that did not serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// What was asked of the thing that is there, `stop` for one; a creation has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub verb: Option<String>,
    /// The Provider's name.
    #[schemars(length(max = 253))]
    pub provider: String,
    /// The provider's region.
    #[schemars(length(max = 63))]
    pub region: String,
    /// The size asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub size: Option<String>,
    /// The class of the failure.
    pub class: Class,
    /// How far it reaches.
    pub scope: Scope,
    /// The vendor's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub code: Option<String>,
    /// What the provider said, for a person.
    #[schemars(length(max = 512))]
    pub message: String,
    /// When it last failed.
    pub at: DateTime<Utc>,
    /// When it failed first in this row of failures.
    pub first_at: DateTime<Utc>,
    /// Not tried again before.
    pub until: DateTime<Utc>,
    /// How often in a row.
    pub count: u32,
    /// How long the last try took.
    pub duration_ms: u64,
    /// Price per hour of what was asked for, as a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub price_per_hour: Option<String>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub currency: Option<String>,
    /// The witness entry of the outcome, when there was an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness_index: Option<u64>,
}

/// The newest entry of the object in the witness log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WitnessRef {
    /// Its index.
    pub index: u64,
    /// Its leaf hash, base64.
    #[schemars(length(max = 64))]
    pub leaf_hash: String,
    /// The log's size and root when it was written.
    #[schemars(length(max = 128))]
    pub checkpoint: String,
}
