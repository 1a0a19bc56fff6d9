//! Conditions as kstatus and Flux read them: `Ready`; `Reconciling` and `Stalled` only while true.

use chrono::{DateTime, SubsecRound as _, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The object is what its spec asks for. False says in `reason` and `message` what is missing and
/// what to do next; it never means that somebody must act (that is [`STALLED`]).
pub const READY: &str = "Ready";
/// The controller is working towards the spec. Present only while true.
pub const RECONCILING: &str = "Reconciling";
/// Nothing goes on until a person changes something. Present only while true.
pub const STALLED: &str = "Stalled";
/// The newest provider operation of this object is in the witness log; the message carries its
/// index and leaf hash.
pub const WITNESSED: &str = "Witnessed";
/// The thing is no longer as it was made. Present only while true.
pub const DRIFTED: &str = "Drifted";
/// The object will soon be deleted, because its spec says when it expires. Present only while true.
pub const EXPIRING: &str = "Expiring";
/// At the provider are things with our marks that belong to no object. Present only while true.
pub const LEFTOVERS: &str = "Leftovers";

/// One aspect of an object's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect.
    #[serde(rename = "type")]
    #[schemars(length(max = 63))]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,
    /// The generation it was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    pub last_transition_time: DateTime<Utc>,
    /// One of the kind's documented reasons.
    #[schemars(length(min = 1, max = 63))]
    pub reason: String,
    /// What happened and what to do next.
    #[schemars(length(max = 2048))]
    pub message: String,
}

impl Condition {
    /// Whether the condition is true.
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Sets a condition; the transition time moves only when the status does.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: bool,
    (reason, message): (&str, &str),
    generation: Option<i64>,
    now: DateTime<Utc>,
) {
    let status = if status { "True" } else { "False" };
    let before = find(conditions, type_).filter(|condition| condition.status == status);
    let condition = Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        observed_generation: generation,
        last_transition_time: before
            .map_or_else(|| now.trunc_subsecs(0), |condition| condition.last_transition_time),
        reason: reason.to_owned(),
        message: bounded(message),
    };
    clear(conditions, type_);
    conditions.push(condition);
    conditions.sort_by_key(|condition| order(&condition.type_));
}

/// Removes a condition.
pub fn clear(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}

/// `Ready` first, as people read.
fn order(type_: &str) -> usize {
    [READY, RECONCILING, STALLED, DRIFTED, EXPIRING, LEFTOVERS, WITNESSED]
        .iter()
        .position(|t| *t == type_)
        .unwrap_or(usize::MAX)
}

fn bounded(message: &str) -> String {
    const MAX: usize = 2048;
    message.chars().take(MAX).collect()
}
