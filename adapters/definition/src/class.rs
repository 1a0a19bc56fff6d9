//! The one error taxonomy, and the rules by which a definition adds to the shared status table.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Text};

/// What kind of failure a provider's answer is; the class alone decides what happens next.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Class {
    /// The credentials were refused.
    Auth,
    /// The account or the feature is switched off.
    Disabled,
    /// The account has no money left.
    OutOfCredit,
    /// A limit of the account is reached.
    Quota,
    /// The provider has none left of what was asked.
    Capacity,
    /// Too many requests.
    RateLimited,
    /// The provider cannot be reached or says that it cannot serve.
    Unavailable,
    /// Nobody can say whether the effect happened.
    Unknown,
    /// The request itself is wrong and will stay wrong.
    Invalid,
    /// The provider or its definition does not offer this.
    Unsupported,
    /// A policy, ours or theirs, forbids it.
    Policy,
    /// The thing does not exist.
    NotFound,
    /// The thing is in a state that does not allow it now, or exists already.
    Conflict,
}

impl Class {
    /// The name as definitions, status and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "Auth",
            Self::Disabled => "Disabled",
            Self::OutOfCredit => "OutOfCredit",
            Self::Quota => "Quota",
            Self::Capacity => "Capacity",
            Self::RateLimited => "RateLimited",
            Self::Unavailable => "Unavailable",
            Self::Unknown => "Unknown",
            Self::Invalid => "Invalid",
            Self::Unsupported => "Unsupported",
            Self::Policy => "Policy",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a failure reaches: what else would fail the same way.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// This object only.
    Object,
    /// This size in this region.
    Offering,
    /// Everything in this region.
    Region,
    /// Everything in this account.
    Account,
}

/// One exception to the shared status table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorRule {
    /// Only answers with this HTTP status; without it, every answer, also a 2xx that lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// Only this operation, `machine.create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Text>,
    /// Only if this holds: an expression over `body`, `headers` and `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Text>,
    /// The class the answer then has.
    pub class: Class,
    /// How far it reaches; the class's own scope when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The vendor's code for it, shown in status and given by the simulated provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Name>,
}
