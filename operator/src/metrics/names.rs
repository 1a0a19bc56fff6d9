//! Every metric, once: its name, kind, labels and meaning. The table in `docs/architecture.md` says the
//! same, and a test compares them.
//!
//! *Invariant*: every label's values are bounded: names of definitions, classes, verbs, kinds. Nothing
//! that a user or a provider wrote freely is ever a label.

/// How a metric is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives; its name ends with `_total`.
    Counter,
    /// How it stands when it is asked for.
    Gauge,
    /// Counted by size: `_bucket`, `_sum`, `_count`.
    Histogram,
}

impl Kind {
    /// The word that Prometheus has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as users see it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, without the suffixes that its kind adds.
    pub name: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// What it says, and what it does not.
    pub meaning: &'static str,
}

/// What a call to a provider is counted under. `path` is the vendor's template, as the definition has it.
const CALL: &[&str] = &["provider", "operation", "path", "class"];

/// Looks at objects.
pub const RECONCILES: Metric = Metric {
    name: "infrafabric_reconciles",
    kind: Kind::Counter,
    labels: &["kind", "result"],
    meaning: "looks at objects; `result` is `ok` or `error`, and a provider's failure is no error",
};
/// Calls to providers.
pub const CALLS: Metric = Metric {
    name: "infrafabric_provider_calls",
    kind: Kind::Counter,
    labels: CALL,
    meaning: "calls to providers that ended; `class` is `Ok` or the class of the failure",
};
/// Requests to providers.
pub const REQUESTS: Metric = Metric {
    name: "infrafabric_provider_requests",
    kind: Kind::Counter,
    labels: CALL,
    meaning: "requests that left for those calls: none where a call was refused before, more where it was repeated",
};
/// Time of calls.
pub const CALL_SECONDS: Metric = Metric {
    name: "infrafabric_provider_call_seconds",
    kind: Kind::Histogram,
    labels: CALL,
    meaning: "how long calls took, with what they waited for the account's rate",
};
/// Time to ready.
pub const TIME_TO_READY: Metric = Metric {
    name: "infrafabric_time_to_ready_seconds",
    kind: Kind::Histogram,
    labels: &["kind", "provider"],
    meaning: "from an object's creation to the first time that it was Ready; once an object",
};
/// Failovers.
pub const FAILOVERS: Metric = Metric {
    name: "infrafabric_failovers",
    kind: Kind::Counter,
    labels: &["from_type", "to_type", "class"],
    meaning: "creations at another candidate than the first that failed: its definition, the one that served, and why",
};
/// Duplicates prevented.
pub const DUPLICATES_PREVENTED: Metric = Metric {
    name: "infrafabric_duplicates_prevented",
    kind: Kind::Counter,
    labels: &["kind", "provider"],
    meaning: "creations whose answer was lost and whose thing was found and adopted, instead of made again",
};
/// Open operations.
pub const OPEN_OPERATIONS: Metric = Metric {
    name: "infrafabric_open_operations",
    kind: Kind::Gauge,
    labels: &["kind", "verb"],
    meaning: "objects with an intent in `status.operation` whose end is not written down yet; a `create` that stays is an orphan",
};
/// Drift.
pub const DRIFTED: Metric = Metric {
    name: "infrafabric_drifted",
    kind: Kind::Gauge,
    labels: &["kind"],
    meaning: "objects whose condition `Drifted` is true",
};
/// The stop for all.
pub const EFFECTS_STOPPED: Metric = Metric {
    name: "infrafabric_effects_stopped",
    kind: Kind::Gauge,
    labels: &[],
    meaning: "1 while effects are stopped for all (`ifctl stop`), or nobody knows yet whether they are; otherwise 0",
};
/// Leftovers.
pub const LEFTOVERS: Metric = Metric {
    name: "infrafabric_leftovers",
    kind: Kind::Gauge,
    labels: &["namespace", "name"],
    meaning: "things with our marks that belong to no object, of each Provider",
};
/// The log's size.
pub const WITNESS_ENTRIES: Metric = Metric {
    name: "infrafabric_witness_entries",
    kind: Kind::Gauge,
    labels: &[],
    meaning: "entries in the witness log",
};

/// All of them, as the table has them.
pub const ALL: [&Metric; 12] = [
    &RECONCILES,
    &CALLS,
    &REQUESTS,
    &CALL_SECONDS,
    &TIME_TO_READY,
    &FAILOVERS,
    &DUPLICATES_PREVENTED,
    &OPEN_OPERATIONS,
    &DRIFTED,
    &EFFECTS_STOPPED,
    &LEFTOVERS,
    &WITNESS_ENTRIES,
];
