//! Metrics in the Prometheus text format. Their names and labels stand in [`names`] only; what can be
//! computed when it is asked for is kept nowhere (`scrape`).

pub mod names;
mod scrape;

use std::sync::Arc;
use std::time::Duration;

use infrafabric_adapters::pipeline::PipelineMetrics;
use infrafabric_definition::Class;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{self, Registry};

pub use scrape::Sources;

use names::Metric;
use scrape::Scrape;

/// Upper bounds of the time to ready, in seconds: from a container on the same host to a machine that
/// waited for a quota.
const READY_SECONDS: [f64; 13] =
    [1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0];

/// The operator's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Looked, Counter>,
    ready: Family<Served, Histogram, fn() -> Histogram>,
    failovers: Family<Failover, Counter>,
    prevented: Family<Served, Counter>,
    /// What the pipeline counts.
    pub pipeline: Arc<PipelineMetrics>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Looked {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Served {
    kind: &'static str,
    provider: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Failover {
    from_type: String,
    to_type: String,
    class: &'static str,
}

impl Metrics {
    /// Metrics over what the sources show.
    pub fn new(sources: Sources) -> Self {
        let mut registry = Registry::default();
        let buckets: fn() -> Histogram = || Histogram::new(READY_SECONDS);
        let ready = Family::new_with_constructor(buckets);
        let reconciles = register(&mut registry, &names::RECONCILES, Family::default());
        let ready = register(&mut registry, &names::TIME_TO_READY, ready);
        let failovers = register(&mut registry, &names::FAILOVERS, Family::default());
        let prevented = register(&mut registry, &names::DUPLICATES_PREVENTED, Family::default());
        let pipeline = Arc::new(PipelineMetrics::default());
        let scrape = Scrape { pipeline: Arc::clone(&pipeline), sources };
        registry.register_collector(Box::new(scrape));
        Self { registry: Arc::new(registry), reconciles, ready, failovers, prevented, pipeline }
    }

    /// Counts a look at an object.
    pub fn reconciled(&self, kind: &'static str, ok: bool) {
        let result = if ok { "ok" } else { "error" };
        self.reconciles.get_or_create(&Looked { kind, result }).inc();
    }

    /// An object became ready for the first time, at a provider of that definition.
    pub fn became_ready(&self, kind: &'static str, provider: String, after: Duration) {
        self.ready.get_or_create(&Served { kind, provider }).observe(after.as_secs_f64());
    }

    /// A thing was made at a provider because another one, preferred to it, failed with that class.
    pub fn failed_over(&self, from_type: String, to_type: String, class: Class) {
        let class = class.as_str();
        self.failovers.get_or_create(&Failover { from_type, to_type, class }).inc();
    }

    /// What a creation without an answer had made was found, at a provider of that definition.
    pub fn prevented_duplicate(&self, kind: &'static str, provider: String) {
        self.prevented.get_or_create(&Served { kind, provider }).inc();
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

fn register<M: registry::Metric + Clone>(
    registry: &mut Registry,
    metric: &'static Metric,
    source: M,
) -> M {
    registry.register(metric.name, metric.meaning, source.clone());
    source
}

#[cfg(test)]
mod tests;
