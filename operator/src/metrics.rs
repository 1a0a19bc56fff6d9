//! Metrics in the Prometheus text format: names and labels stand here only, labels are bounded.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use infrafabric_adapters::pipeline::{BUCKETS_MS, PipelineMetrics, Series};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::witness::Witness;

/// `infrafabric_reconciles_total{kind, result}`: result is `ok` or `error`.
const RECONCILES: &str = "infrafabric_reconciles";
/// `infrafabric_provider_calls_total{provider, operation, path, class}`.
const CALLS: &str = "infrafabric_provider_calls";
/// `infrafabric_provider_requests_total{…}`: with repetitions.
const REQUESTS: &str = "infrafabric_provider_requests";
/// `infrafabric_provider_call_seconds{…}`.
const SECONDS: &str = "infrafabric_provider_call_seconds";
/// `infrafabric_leftovers{namespace, name}`: of a Provider.
const LEFTOVERS: &str = "infrafabric_leftovers";
/// `infrafabric_witness_entries`: the size of the log.
const WITNESS: &str = "infrafabric_witness_entries";

/// The operator's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<ReconcileLabels, Counter>,
    leftovers: Family<ProviderLabels, Gauge>,
    /// What the pipeline counts.
    pub pipeline: Arc<PipelineMetrics>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProviderLabels {
    namespace: String,
    name: String,
}

impl Metrics {
    /// Metrics over the pipeline's counts and the log's size.
    pub fn new(witness: Witness) -> Self {
        let pipeline = Arc::new(PipelineMetrics::default());
        let reconciles = Family::<ReconcileLabels, Counter<u64, AtomicU64>>::default();
        let mut registry = Registry::default();
        registry.register(RECONCILES, "Looks at objects", reconciles.clone());
        let leftovers = Family::<ProviderLabels, Gauge>::default();
        let help = "Things with our marks that belong to no object";
        registry.register(LEFTOVERS, help, leftovers.clone());
        let collector = Sources { pipeline: Arc::clone(&pipeline), witness };
        registry.register_collector(Box::new(collector));
        Self { registry: Arc::new(registry), reconciles, leftovers, pipeline }
    }

    /// Says how much is left over at a Provider.
    pub fn left_over(&self, namespace: String, name: String, count: usize) {
        let gauge = self.leftovers.get_or_create_owned(&ProviderLabels { namespace, name });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A Provider is gone.
    pub fn forget_provider(&self, namespace: String, name: String) {
        self.leftovers.remove(&ProviderLabels { namespace, name });
    }

    /// Counts a look at an object.
    pub fn reconciled(&self, kind: &'static str, ok: bool) {
        let result = if ok { "ok" } else { "error" };
        self.reconciles.get_or_create(&ReconcileLabels { kind, result }).inc();
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

#[derive(Debug)]
struct Sources {
    pipeline: Arc<PipelineMetrics>,
    witness: Witness,
}

fn labels(series: &Series) -> [(&'static str, String); 4] {
    [
        ("provider", series.labels.provider.clone()),
        ("operation", series.labels.operation.clone()),
        ("path", series.labels.path.clone()),
        ("class", series.labels.class.to_owned()),
    ]
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let all = self.pipeline.snapshot();
        let help = "Calls to providers";
        let mut calls = encoder.encode_descriptor(CALLS, help, None, MetricType::Counter)?;
        for series in &all {
            let counter = ConstCounter::new(series.calls);
            counter.encode(calls.encode_family(&labels(series))?)?;
        }
        let help = "Requests to providers, with repetitions";
        let mut requests = encoder.encode_descriptor(REQUESTS, help, None, MetricType::Counter)?;
        for series in &all {
            let counter = ConstCounter::new(series.requests);
            counter.encode(requests.encode_family(&labels(series))?)?;
        }
        let help = "How long calls to providers took";
        let mut seconds = encoder.encode_descriptor(SECONDS, help, None, MetricType::Histogram)?;
        for series in &all {
            let (sum, buckets) = histogram(series);
            let labels = labels(series);
            let mut family = seconds.encode_family(&labels)?;
            family.encode_histogram::<NoLabelSet>(sum, series.calls, &buckets, None)?;
        }
        let help = "Entries in the witness log";
        let gauge = encoder.encode_descriptor(WITNESS, help, None, MetricType::Gauge)?;
        let size = i64::try_from(self.witness.size()).unwrap_or(i64::MAX);
        ConstGauge::new(size).encode(gauge)
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has doubles only")]
fn histogram(series: &Series) -> (f64, Vec<(f64, u64)>) {
    let bounds = BUCKETS_MS.iter().map(|ms| *ms as f64 / 1000.0).chain([f64::MAX]);
    (series.micros as f64 / 1e6, bounds.zip(series.buckets).collect())
}
