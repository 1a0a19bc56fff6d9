//! Faults that a test or a person sets: what they are called, what they take, which requests they
//! meet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_definition::Span;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

/// A fault's name and the parameters it takes beside the common ones.
#[derive(Clone, Copy, Debug)]
pub struct FaultName {
    /// The name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [&'static str],
    /// What it does, in a line.
    pub about: &'static str,
}

const fn named(
    name: &'static str,
    params: &'static [&'static str],
    about: &'static str,
) -> FaultName {
    FaultName { name, params, about }
}

/// Every fault there is.
pub const FAULTS: [FaultName; 18] = [
    named("outage", &["status"], "nothing happens; the connection closes, or `status` is answered"),
    named("hold", &[], "the effect happens, the answer waits until it is released"),
    named("lost", &[], "the effect happens, the connection closes without an answer"),
    named("slow", &["delay"], "the effect happens, the answer comes `delay` later (5s)"),
    named(
        "drip",
        &["delay"],
        "the effect happens, each byte of the answer comes `delay` later (1s)",
    ),
    named("429", &["retryAfter", "effect"], "too many requests, with Retry-After seconds if given"),
    named("402", &["effect"], "payment required"),
    named("500", &["effect"], "internal error; with `effect: true` after the effect"),
    named("503", &["retryAfter", "effect"], "cannot serve, with Retry-After seconds if given"),
    named("revoked", &[], "the credentials are refused as if they were wrong"),
    named("truncated", &["effect"], "half of the answer's bytes, after the effect"),
    named("garbage", &["effect"], "200 with an HTML page"),
    named("huge", &["effect", "bytes"], "200 with `bytes` of JSON (20 MB), after the effect"),
    named("noid", &["effect"], "200 with an empty JSON object, after the effect"),
    named("redirect", &["effect", "to"], "302 to another host"),
    named("lag", &["by"], "lists do not show things younger than `by` (30s)"),
    named(
        "capacity",
        &["region", "size", "left"],
        "creations are refused once `left` (0) were made",
    ),
    named("quota", &["n"], "creations are refused while `n` things live"),
];

/// Parameters of every fault.
const COMMON: [&str; 6] = ["definition", "operation", "account", "fault", "count", "for"];

/// A fault as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FaultSpec {
    /// The definition; every one when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub definition: String,
    /// Only these operations, with `*` for any text: `machine.create`, `*.list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Only this account, by digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Which fault, a name in [`FAULTS`].
    pub fault: String,
    /// How many requests it meets; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How long it lasts; held answers go out when it ends.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// `outage`: the status to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `429`, `503`: seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Whether the effect happens although the answer is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<bool>,
    /// `slow`: how late the answer is; `drip`: each byte of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// `huge`: how many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// `redirect`: where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `lag`: how late lists are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Span>,
    /// `capacity`: only this region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `capacity`: only this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// `capacity`: how many creations still succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// `quota`: how many things may live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
}

/// Why a fault is refused.
#[derive(Debug, Error)]
pub(crate) enum FaultError {
    #[error("read the fault: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no fault `{given}`; there are: {}", FAULTS.map(|f| f.name).join(", "))]
    Name { given: String },
    #[error("fault `{fault}` takes no `{param}`; it takes: {}", takes(fault))]
    Param { fault: &'static str, param: String },
    #[error("fault `quota` needs `n`")]
    Quota,
    #[error("`{0}` is no span such as 30s")]
    Span(String),
}

fn takes(fault: &str) -> String {
    let own = FAULTS.iter().filter(|known| known.name == fault).flat_map(|known| known.params);
    COMMON.iter().chain(own).copied().collect::<Vec<_>>().join(", ")
}

/// A fault that is set.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) id: u64,
    pub(crate) spec: FaultSpec,
    /// When it ends.
    pub(crate) until: Option<DateTime<Utc>>,
    /// Requests it has met.
    met: AtomicU64,
    /// Creations that `capacity` let through.
    served: AtomicU64,
    /// Answers that wait now.
    pub(crate) held: AtomicU64,
    released: watch::Sender<u64>,
}

/// A fault as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultShown {
    /// Its id.
    pub id: u64,
    /// As asked for.
    pub spec: FaultSpec,
    /// Requests it has met.
    pub met: u64,
    /// Answers that it holds now.
    pub held: u64,
    /// When it ends, if it does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl FaultSpec {
    /// A fault of a definition.
    pub fn new(definition: &str, fault: &str) -> Self {
        let (definition, fault) = (definition.to_owned(), fault.to_owned());
        Self { definition, fault, ..Self::default() }
    }

    /// Only on these operations.
    #[must_use]
    pub fn on(self, operation: &str) -> Self {
        Self { operation: Some(operation.to_owned()), ..self }
    }

    /// Only that many times.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    fn parse(json: &serde_json::Value) -> Result<Self, FaultError> {
        let given = json.get("fault").and_then(serde_json::Value::as_str).unwrap_or_default();
        let known = FAULTS.iter().find(|known| known.name == given);
        let known = known.ok_or_else(|| FaultError::Name { given: given.to_owned() })?;
        for param in json.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !COMMON.contains(&param.as_str()) && !known.params.contains(&param.as_str()) {
                return Err(FaultError::Param { fault: known.name, param: param.clone() });
            }
        }
        let spec: Self = serde_json::from_value(json.clone())?;
        for span in [&spec.lasts, &spec.delay, &spec.by].into_iter().flatten() {
            span.duration().ok_or_else(|| FaultError::Span(span.0.clone()))?;
        }
        if spec.fault == "quota" && spec.n.is_none() {
            return Err(FaultError::Quota);
        }
        Ok(spec)
    }
}

impl Fault {
    /// Whether the request is one that the fault is meant for.
    pub(crate) fn applies(&self, definition: &str, operation: &str, account: Option<&str>) -> bool {
        let spec = &self.spec;
        (spec.definition.is_empty() || spec.definition == definition)
            && spec.operation.as_deref().is_none_or(|pattern| glob(pattern, operation))
            && spec.account.as_deref().is_none_or(|only| account == Some(only))
    }

    /// Counts a request that the fault meets; false when its count is used up.
    pub(crate) fn meets(&self) -> bool {
        let limit = self.spec.count.unwrap_or(u64::MAX);
        let next = |met| (met < limit).then_some(met + 1);
        self.met.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    /// Lets a creation through while some are left.
    pub(crate) fn serves(&self) -> bool {
        let left = self.spec.left.unwrap_or(0);
        let next = |served| (served < left).then_some(served + 1);
        self.served.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    /// A receiver that changes when held answers are released.
    pub(crate) fn release_watch(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    /// Lets held answers go; how many there were.
    pub(crate) fn release(&self) -> u64 {
        self.released.send_modify(|generation| *generation += 1);
        self.held.load(Ordering::Acquire)
    }

    fn shown(&self) -> FaultShown {
        FaultShown {
            id: self.id,
            spec: self.spec.clone(),
            met: self.met.load(Ordering::Acquire),
            held: self.held.load(Ordering::Acquire),
            until: self.until,
        }
    }
}

/// Text with `*` for any text.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            rest.is_empty() || tail.char_indices().any(|(at, _)| glob(rest, &tail[at..]))
        }),
    }
}

/// The faults that are set, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    set: Mutex<Vec<Arc<Fault>>>,
    ids: AtomicU64,
}

impl Faults {
    fn set(&self) -> MutexGuard<'_, Vec<Arc<Fault>>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets one.
    pub(crate) fn add(
        &self,
        json: &serde_json::Value,
        now: DateTime<Utc>,
    ) -> Result<u64, FaultError> {
        let spec = FaultSpec::parse(json)?;
        let lasts = spec.lasts.as_ref().and_then(Span::duration);
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        self.set().push(Arc::new(Fault {
            id,
            until: lasts.and_then(|lasts| now.checked_add_signed(delta(lasts))),
            spec,
            met: AtomicU64::new(0),
            served: AtomicU64::new(0),
            held: AtomicU64::new(0),
            released: watch::Sender::new(0),
        }));
        Ok(id)
    }

    /// Those in force; what has ended is forgotten.
    pub(crate) fn in_force(&self, now: DateTime<Utc>) -> Vec<Arc<Fault>> {
        let mut set = self.set();
        set.retain(|fault| {
            let lasts = fault.until.is_none_or(|until| now < until);
            if !lasts {
                fault.release();
            }
            lasts
        });
        set.clone()
    }

    /// All, as shown.
    pub(crate) fn shown(&self, now: DateTime<Utc>) -> Vec<FaultShown> {
        self.in_force(now).iter().map(|fault| fault.shown()).collect()
    }

    /// Takes one back, or all; held answers go out. How many were taken back.
    pub(crate) fn remove(&self, id: Option<u64>) -> usize {
        let mut set = self.set();
        let before = set.len();
        set.retain(|fault| {
            let taken = id.is_none_or(|id| id == fault.id);
            if taken {
                fault.release();
            }
            !taken
        });
        before - set.len()
    }

    /// Lets the held answers of one fault, or of all, go; how many there were.
    pub(crate) fn release(&self, id: Option<u64>) -> u64 {
        let set = self.set();
        set.iter()
            .filter(|fault| id.is_none_or(|id| id == fault.id))
            .map(|fault| fault.release())
            .sum()
    }
}

/// The span as chrono has it.
pub(crate) fn delta(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn globs_match_operations() {
        assert!(glob("*", "machine.create") && glob("machine.*", "machine.create"));
        assert!(glob("*.create", "machine.create") && glob("m*e.c*e", "machine.create"));
        assert!(!glob("*.list", "machine.create") && !glob("machine", "machine.create"));
    }

    #[test]
    fn unknown_names_and_parameters_are_refused_with_the_list() {
        let refusal = |json| FaultSpec::parse(&json).expect_err("refused").to_string();
        let message = refusal(json!({"definition": "x", "fault": "fire"}));
        assert!(FAULTS.iter().all(|fault| message.contains(fault.name)), "{message}");
        let message = refusal(json!({"definition": "x", "fault": "hold", "retryAfter": 3}));
        assert!(message.contains("`retryAfter`") && message.contains("count"), "{message}");
        assert!(refusal(json!({"fault": "slow", "delay": "long"})).contains("`long`"));
        assert!(refusal(json!({"fault": "quota"})).contains("needs `n`"));
        assert!(FaultSpec::parse(&json!({"fault": "slow", "delay": "5ms", "for": "1m"})).is_ok());
    }
}
