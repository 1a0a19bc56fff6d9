//! What may be asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{End, Target};
use crate::status::Failure;

/// A fault and what it may be given.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct FaultName {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Its own parameters, besides those that all have.
    pub params: &'static [&'static str],
}

const fn named(
    name: &'static str,
    about: &'static str,
    params: &'static [&'static str],
) -> FaultName {
    FaultName { name, about, params }
}

/// All faults. The first five concern single requests, by `verb`, `resource`, `namespace`, `name`, as often as
/// `count` and as long as `for` say; `drop-watches` and `expire` happen once, at once.
pub const FAULTS: &[FaultName] = &[
    named("conflict", "409: the object has been modified", &["when"]),
    named("too-many", "429 with Retry-After", &["when", "retryAfter"]),
    named("error", "an answer of that code", &["when", "code"]),
    named("reset", "the connection breaks without an answer", &["when"]),
    named("slow", "the request waits before anything happens", &["by"]),
    named("late-events", "watchers hear of changes that much later: stale caches", &["by"]),
    named("drop-watches", "ends all open watches", &[]),
    named("expire", "forgets old versions: 410 for watches and lists from before", &[]),
];

/// One fault to set. Which parameters a fault takes stands in [`FAULTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct FaultSpec {
    /// The fault's name.
    pub fault: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; `read` is
    /// the first three of them, `write` the others; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// `<plural>`, `<plural>.<group>`, either with `/<subresource>`; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Objects of this namespace only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Objects of this name only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many requests it strikes; until it is cleared when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How long it lasts, such as `30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#for: Option<String>,
    /// `before` the effect (the default), or `after` it: the answer is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How much later, such as `500ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The answer's code; 500 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Seconds of `Retry-After`; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// Why a fault cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// No such fault.
    #[error("there is no fault `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A parameter that this fault does not take.
    #[error("`{fault}` takes no `{param}`")]
    Superfluous {
        /// The fault.
        fault: String,
        /// The parameter.
        param: &'static str,
    },
    /// A parameter that is missing or has a wrong value.
    #[error("`{param}` must be {wanted}")]
    Wrong {
        /// The parameter.
        param: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
}

const VERBS: [&str; 10] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "read",
    "write",
];

/// An answer that a fault gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Conflict,
    TooMany(u32),
    Error(u16),
    Reset,
}

impl Ending {
    pub(super) fn end(self, target: &Target<'_>) -> End {
        let named =
            crate::status::Named { group: target.group, what: target.plural, name: target.name };
        End::Refusal(match self {
            Self::Conflict => Failure::modified(named),
            Self::TooMany(seconds) => Failure::too_many_requests(seconds),
            Self::Error(code) => Failure::by_code(code),
            Self::Reset => return End::Reset,
        })
    }
}

/// A fault that lasts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Before(Ending),
    After(Ending),
    Slow(Duration),
    LateEvents(Duration),
}

impl Kind {
    pub(super) fn of(spec: &FaultSpec) -> Result<Self, FaultError> {
        let known = FAULTS.iter().find(|known| known.name == spec.fault);
        let known = known.ok_or_else(|| FaultError::Unknown {
            name: spec.fault.clone(),
            known: FAULTS.iter().map(|fault| fault.name).collect::<Vec<_>>().join(", "),
        })?;
        for (param, given) in [
            ("when", spec.when.is_some()),
            ("by", spec.by.is_some()),
            ("code", spec.code.is_some()),
            ("retryAfter", spec.retry_after.is_some()),
        ] {
            if given && !known.params.contains(&param) {
                return Err(FaultError::Superfluous { fault: spec.fault.clone(), param });
            }
        }
        if spec.verb.as_deref().is_some_and(|verb| !VERBS.contains(&verb)) {
            let wanted = "get, list, watch, create, update, patch, delete, deletecollection, \
                          read or write";
            return Err(FaultError::Wrong { param: "verb", wanted });
        }
        let ending = match spec.fault.as_str() {
            "conflict" => Ending::Conflict,
            "too-many" => Ending::TooMany(spec.retry_after.unwrap_or(1)),
            "reset" => Ending::Reset,
            "slow" => return Ok(Self::Slow(spec.late()?)),
            "late-events" => return Ok(Self::LateEvents(spec.late()?)),
            _ => match spec.code.unwrap_or(500) {
                code @ 400..=599 => Ending::Error(code),
                _ => return Err(FaultError::Wrong { param: "code", wanted: "400 to 599" }),
            },
        };
        match spec.when.as_deref() {
            None | Some("before") => Ok(Self::Before(ending)),
            Some("after") => Ok(Self::After(ending)),
            Some(_) => Err(FaultError::Wrong { param: "when", wanted: "`before` or `after`" }),
        }
    }
}

impl FaultSpec {
    /// A fault of that name, for all requests.
    pub fn new(fault: &str) -> Self {
        Self { fault: fault.to_owned(), ..Self::default() }
    }

    fn late(&self) -> Result<Duration, FaultError> {
        let wanted = "a span such as 500ms, 2s or 1m";
        self.by.as_deref().and_then(span).ok_or(FaultError::Wrong { param: "by", wanted })
    }

    pub(super) fn lasts(&self) -> Result<Option<Duration>, FaultError> {
        let wanted = "a span such as 500ms, 2s or 1m";
        let parse = |text: &str| span(text).ok_or(FaultError::Wrong { param: "for", wanted });
        self.r#for.as_deref().map(parse).transpose()
    }

    pub(super) fn concerns(&self, target: &Target<'_>) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        is(&self.namespace, target.namespace)
            && is(&self.name, target.name)
            && self.verb.as_deref().is_none_or(|verb| covers(verb, target.verb))
            && self.resource.as_deref().is_none_or(|resource| names(resource, target))
    }
}

fn covers(wanted: &str, verb: &str) -> bool {
    let reads = matches!(verb, "get" | "list" | "watch");
    match wanted {
        "read" => reads,
        "write" => !reads,
        other => other == verb,
    }
}

fn names(wanted: &str, target: &Target<'_>) -> bool {
    let (resource, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
    let (plural, group) = match resource.split_once('.') {
        Some((plural, group)) => (plural, Some(group)),
        None => (resource, None),
    };
    plural == target.plural
        && group.is_none_or(|group| group == target.group)
        && subresource == target.subresource
}

/// `500ms`, `2s`, `1m`.
fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}
