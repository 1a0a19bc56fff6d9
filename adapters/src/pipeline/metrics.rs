//! Counts and latencies of calls, for whoever exports them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Upper bounds of the latency buckets, in milliseconds; one more bucket holds the rest.
pub const BUCKETS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 30_000];

/// More kinds of call than any set of definitions has; what comes after them is counted together.
const MOST_SERIES: usize = 4_096;

/// What a call is counted under. Every value comes from a definition or from the error taxonomy,
/// so that their number is bounded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels {
    /// The definition's name.
    pub provider: String,
    /// `machine.create`.
    pub operation: String,
    /// The vendor's path template, `/v2/droplets/${id}`.
    pub path: String,
    /// `Ok`, or the class of the failure.
    pub class: &'static str,
}

/// The calls of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What kind.
    pub labels: Labels,
    /// Calls that ended.
    pub calls: u64,
    /// Requests that left for them: fewer when refused before, more when repeated.
    pub requests: u64,
    /// Sum of the calls' times in microseconds.
    pub micros: u64,
    /// Calls by time: how many took at most [`BUCKETS_MS`], not cumulative; the last took longer.
    pub buckets: [u64; BUCKETS_MS.len() + 1],
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    requests: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
}

/// Counts calls by provider, operation, path and class. Shared by all accounts of a process.
#[derive(Debug, Default)]
pub struct PipelineMetrics {
    series: RwLock<BTreeMap<Labels, Arc<Counters>>>,
    skipped_rows: AtomicU64,
}

impl PipelineMetrics {
    /// Counts a call.
    pub(crate) fn record(&self, labels: Labels, requests: u32, took: Duration) {
        let counters = self.counters(labels);
        let bucket = BUCKETS_MS.iter().position(|ms| took <= Duration::from_millis(*ms));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counters.calls.fetch_add(1, Ordering::Relaxed);
        counters.requests.fetch_add(requests.into(), Ordering::Relaxed);
        counters.micros.fetch_add(micros, Ordering::Relaxed);
        counters.buckets[bucket.unwrap_or(BUCKETS_MS.len())].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts catalog rows without their required columns.
    pub(crate) fn skipped(&self, rows: usize) {
        self.skipped_rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// All series, sorted by their labels.
    pub fn snapshot(&self) -> Vec<Series> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let read = |(labels, counters): (&Labels, &Arc<Counters>)| Series {
            labels: labels.clone(),
            calls: load(&counters.calls),
            requests: load(&counters.requests),
            micros: load(&counters.micros),
            buckets: std::array::from_fn(|i| load(&counters.buckets[i])),
        };
        series.iter().map(read).collect()
    }

    /// Catalog rows that were left out because they lacked a required column.
    pub fn skipped_rows(&self) -> u64 {
        self.skipped_rows.load(Ordering::Relaxed)
    }

    fn counters(&self, labels: Labels) -> Arc<Counters> {
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(&labels) {
            return Arc::clone(counters);
        }
        let full = known.len() >= MOST_SERIES;
        drop(known);
        let labels = if full { labels.folded() } else { labels };
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(series.entry(labels).or_default())
    }
}

impl Labels {
    fn folded(self) -> Self {
        let other = || "other".to_owned();
        Self { provider: other(), operation: other(), path: other(), class: self.class }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(operation: &str) -> Labels {
        Labels {
            provider: "p".to_owned(),
            operation: operation.to_owned(),
            path: "/".to_owned(),
            class: "Ok",
        }
    }

    #[test]
    fn calls_are_counted_by_kind_and_time() {
        let metrics = PipelineMetrics::default();
        metrics.record(labels("a"), 1, Duration::from_millis(5));
        metrics.record(labels("a"), 3, Duration::from_mins(5));
        let series = metrics.snapshot();
        assert_eq!((series[0].calls, series[0].requests), (2, 4));
        assert_eq!((series[0].buckets[0], series[0].buckets[BUCKETS_MS.len()]), (1, 1));
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let metrics = PipelineMetrics::default();
        for i in 0..MOST_SERIES + 100 {
            metrics.record(labels(&i.to_string()), 1, Duration::ZERO);
        }
        assert_eq!(metrics.snapshot().len(), MOST_SERIES + 1);
    }
}
