//! Faults that no real server offers on demand: conflicts, overload, errors, lost answers, late and
//! ended watches, forgotten versions.
//!
//! They touch requests about resources only; health, discovery and this server's own controllers
//! are spared, so that a disturbed server can still be asked and put right.

mod spec;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use spec::Kind;
pub use spec::{FAULTS, FaultError, FaultName, FaultSpec};

use crate::status::Failure;

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// What becomes of a request.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    pub(crate) wait: Duration,
    pub(crate) before: Option<End>,
    pub(crate) after: Option<End>,
}

/// How an answer is replaced.
#[derive(Debug)]
pub(crate) enum End {
    Refusal(Failure),
    /// The connection breaks.
    Reset,
}

struct Active {
    id: u64,
    spec: FaultSpec,
    kind: Kind,
    hits: u64,
    until: Option<Instant>,
}

impl Active {
    fn is_over(&self) -> bool {
        self.spec.count.is_some_and(|count| self.hits >= count)
            || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

#[derive(Default)]
struct Inner {
    last: u64,
    active: Vec<Active>,
}

/// The faults in force.
#[derive(Default)]
pub(crate) struct Faults {
    /// Whether there are any: requests of an undisturbed server take no lock.
    any: AtomicBool,
    inner: Mutex<Inner>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a fault; its number.
    pub(crate) fn set(&self, spec: FaultSpec) -> Result<u64, FaultError> {
        let kind = Kind::of(&spec)?;
        let until = spec.lasts()?.map(|lasts| Instant::now() + lasts);
        let mut inner = self.lock();
        inner.last += 1;
        let id = inner.last;
        inner.active.push(Active { id, spec, kind, hits: 0, until });
        self.any.store(true, Ordering::Release);
        Ok(id)
    }

    /// Clears one fault, or all; whether there was one.
    pub(crate) fn clear(&self, id: Option<u64>) -> bool {
        let mut inner = self.lock();
        let before = inner.active.len();
        inner.active.retain(|fault| id.is_some_and(|id| fault.id != id));
        self.any.store(!inner.active.is_empty(), Ordering::Release);
        inner.active.len() < before
    }

    /// The faults in force, with how often each struck.
    pub(crate) fn list(&self) -> Value {
        let inner = self.lock();
        let active = inner.active.iter().filter(|fault| !fault.is_over());
        let shown = active.map(|fault| {
            let mut shown = serde_json::to_value(&fault.spec).unwrap_or_default();
            shown["id"] = json!(fault.id);
            shown["hits"] = json!(fault.hits);
            shown
        });
        Value::Array(shown.collect())
    }

    /// What the faults do to a request.
    pub(crate) fn strike(&self, target: &Target<'_>) -> Fate {
        let mut fate = Fate::default();
        if !self.any.load(Ordering::Acquire) {
            return fate;
        }
        for fault in &mut self.lock().active {
            if fault.is_over() || !fault.spec.concerns(target) {
                continue;
            }
            let struck = match &fault.kind {
                Kind::Slow(by) => {
                    fate.wait += *by;
                    true
                }
                Kind::Before(end) if fate.before.is_none() => {
                    fate.before = Some(end.end(target));
                    true
                }
                Kind::After(end) if fate.after.is_none() && fate.before.is_none() => {
                    fate.after = Some(end.end(target));
                    true
                }
                Kind::Before(_) | Kind::After(_) | Kind::LateEvents(_) => false,
            };
            fault.hits += u64::from(struck);
        }
        fate
    }

    /// How late changes reach the watchers of a resource.
    pub(crate) fn lateness(&self, target: &Target<'_>) -> Duration {
        if !self.any.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let inner = self.lock();
        let late = inner.active.iter().filter_map(|fault| match fault.kind {
            Kind::LateEvents(by) if !fault.is_over() && fault.spec.concerns(target) => Some(by),
            _ => None,
        });
        late.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(value: Value) -> Result<FaultSpec, serde_json::Error> {
        serde_json::from_value(value)
    }

    const UPDATE: Target<'_> = Target {
        verb: "update",
        group: "example.com",
        plural: "widgets",
        subresource: "status",
        namespace: "a",
        name: "w",
    };

    #[test]
    fn a_fault_strikes_what_it_names_as_often_as_it_says() {
        let faults = Faults::default();
        assert!(faults.strike(&UPDATE).before.is_none());
        let conflict = spec(json!({"fault": "conflict", "resource": "widgets.example.com/status",
            "verb": "write", "namespace": "a", "count": 2}));
        let id = faults.set(conflict.expect("it parses")).expect("it is set");
        let other = Target { verb: "get", ..UPDATE };
        assert!(faults.strike(&other).before.is_none());
        let other = Target { subresource: "", ..UPDATE };
        assert!(faults.strike(&other).before.is_none());
        for _ in 0..2 {
            assert!(matches!(faults.strike(&UPDATE).before, Some(End::Refusal(_))));
        }
        assert!(faults.strike(&UPDATE).before.is_none(), "twice is twice");
        assert_eq!(faults.list(), json!([]));
        assert!(faults.clear(Some(id)) && !faults.clear(Some(id)));
    }

    #[test]
    fn a_lost_answer_is_no_refusal_before_the_effect() {
        let faults = Faults::default();
        let reset = spec(json!({"fault": "reset", "when": "after"})).expect("it parses");
        faults.set(reset).expect("it is set");
        let fate = faults.strike(&UPDATE);
        assert!(fate.before.is_none() && matches!(fate.after, Some(End::Reset)));
    }

    #[test]
    fn a_wrong_fault_says_what_would_be_right() {
        let faults = Faults::default();
        for (wrong, says) in [
            (json!({"fault": "gremlin"}), "conflict"),
            (json!({"fault": "slow"}), "`by`"),
            (json!({"fault": "slow", "by": "soon"}), "500ms"),
            (json!({"fault": "error", "code": 200}), "400 to 599"),
            (json!({"fault": "conflict", "verb": "steal"}), "deletecollection"),
            (json!({"fault": "conflict", "when": "later"}), "before"),
            (json!({"fault": "conflict", "by": "2s"}), "takes no `by`"),
        ] {
            let error = faults.set(spec(wrong.clone()).expect("it parses")).expect_err("refused");
            assert!(error.to_string().contains(says), "{wrong}: {error}");
        }
        assert!(spec(json!({"fault": "slow", "buy": 1})).is_err());
    }
}
