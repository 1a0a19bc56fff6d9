//! What is computed when somebody asks: from the watched objects, the pipeline's counts and the log.

use std::fmt::Error;
use std::sync::Arc;

use futures::FutureExt as _;
use infrafabric_adapters::pipeline::{BUCKETS_MS, PipelineMetrics, Series};
use infrafabric_crds::engine::Operation;
use infrafabric_crds::{CloudMachine, Provider, condition};
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt as _};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::names::{self, Kind, Metric};
use crate::engine::halt::Halt;
use crate::witness::Witness;

/// Verbs of operations as they are counted; what is none of them counts as `other`.
const VERBS: [&str; 4] = ["create", "delete", "start", "update"];

/// What is asked when the metrics are.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Machines as watched.
    pub machines: Store<CloudMachine>,
    /// Providers as watched.
    pub providers: Store<Provider>,
    /// Whether effects are stopped.
    pub halt: Halt,
    /// The log.
    pub witness: Witness,
}

/// The sources, with what the pipeline counted.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) pipeline: Arc<PipelineMetrics>,
    pub(super) sources: Sources,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.calls(&mut encoder)?;
        self.objects(&mut encoder)?;
        let stopped = self.sources.halt.why().is_some();
        gauge(usize::from(stopped)).encode(begin(&mut encoder, &names::EFFECTS_STOPPED)?)?;
        let entries = i64::try_from(self.sources.witness.size()).unwrap_or(i64::MAX);
        ConstGauge::new(entries).encode(begin(&mut encoder, &names::WITNESS_ENTRIES)?)
    }
}

impl Scrape {
    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let all = self.pipeline.snapshot();
        let mut calls = begin(encoder, &names::CALLS)?;
        for series in &all {
            ConstCounter::new(series.calls).encode(calls.encode_family(&labels(series))?)?;
        }
        let mut requests = begin(encoder, &names::REQUESTS)?;
        for series in &all {
            ConstCounter::new(series.requests).encode(requests.encode_family(&labels(series))?)?;
        }
        let mut seconds = begin(encoder, &names::CALL_SECONDS)?;
        for series in &all {
            let (sum, buckets) = histogram(series);
            let labels = labels(series);
            let mut family = seconds.encode_family(&labels)?;
            family.encode_histogram::<NoLabelSet>(sum, series.calls, &buckets, None)?;
        }
        Ok(())
    }

    /// Before the first list there is nothing to say: zero would be a claim.
    fn objects(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let machines = listed(&self.sources.machines);
        let providers = listed(&self.sources.providers);
        let mut open = begin(encoder, &names::OPEN_OPERATIONS)?;
        if let Some(machines) = &machines {
            let operations = machines.iter().map(|m| m.status.as_ref()?.operation.as_ref());
            opened(&mut open, &CloudMachine::kind(&()), operations.flatten())?;
        }
        if let Some(providers) = &providers {
            let operations = providers.iter().map(|p| p.status.as_ref()?.operation.as_ref());
            opened(&mut open, &Provider::kind(&()), operations.flatten())?;
        }
        let mut drifted = begin(encoder, &names::DRIFTED)?;
        if let Some(machines) = &machines {
            let count = machines.iter().filter(|machine| has_drifted(machine)).count();
            let kind = [("kind", CloudMachine::kind(&()).into_owned())];
            gauge(count).encode(drifted.encode_family(&kind)?)?;
        }
        let mut leftovers = begin(encoder, &names::LEFTOVERS)?;
        for provider in providers.iter().flatten() {
            let Some(status) = &provider.status else { continue };
            let whose = [
                ("namespace", provider.namespace().unwrap_or_default()),
                ("name", provider.name_any()),
            ];
            gauge(status.leftovers.len()).encode(leftovers.encode_family(&whose)?)?;
        }
        Ok(())
    }
}

fn begin<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    metric: &'static Metric,
) -> Result<MetricEncoder<'a>, Error> {
    let kind = match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    encoder.encode_descriptor(metric.name, metric.meaning, None, kind)
}

fn gauge(count: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The watched objects, once they were listed.
fn listed<K>(store: &Store<K>) -> Option<Vec<Arc<K>>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.wait_until_ready().now_or_never()?.ok()?;
    Some(store.state())
}

/// Open operations of a kind by verb; the known verbs are always there, so that alerts see a zero.
fn opened<'a>(
    encoder: &mut MetricEncoder<'_>,
    kind: &str,
    operations: impl Iterator<Item = &'a Operation>,
) -> Result<(), Error> {
    let mut counts = [0_usize; VERBS.len() + 1];
    for operation in operations {
        let known = VERBS.iter().position(|verb| *verb == operation.verb);
        counts[known.unwrap_or(VERBS.len())] += 1;
    }
    for (verb, count) in VERBS.iter().chain(&["other"]).zip(counts) {
        gauge(count).encode(encoder.encode_family(&[("kind", kind), ("verb", *verb)])?)?;
    }
    Ok(())
}

fn has_drifted(machine: &CloudMachine) -> bool {
    let conditions = machine.status.as_ref().map(|status| status.conditions.as_slice());
    let drifted = condition::find(conditions.unwrap_or_default(), condition::DRIFTED);
    drifted.is_some_and(condition::Condition::is_true)
}

fn labels(series: &Series) -> [(&'static str, String); 4] {
    [
        ("provider", series.labels.provider.clone()),
        ("operation", series.labels.operation.clone()),
        ("path", series.labels.path.clone()),
        ("class", series.labels.class.to_owned()),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has doubles only")]
fn histogram(series: &Series) -> (f64, Vec<(f64, u64)>) {
    let bounds = BUCKETS_MS.iter().map(|ms| *ms as f64 / 1000.0).chain([f64::MAX]);
    (series.micros as f64 / 1e6, bounds.zip(series.buckets).collect())
}

#[cfg(test)]
mod tests {
    use infrafabric_adapters::pipeline::Labels;

    use super::*;

    fn series() -> Series {
        let labels = Labels {
            provider: "p".to_owned(),
            operation: "o".to_owned(),
            path: "/".to_owned(),
            class: "Ok",
        };
        let mut buckets = [0; BUCKETS_MS.len() + 1];
        (buckets[0], buckets[BUCKETS_MS.len()]) = (2, 1);
        Series { labels, calls: 3, requests: 4, micros: 1_500_000, buckets }
    }

    #[test]
    fn calls_have_the_labels_that_the_table_names() {
        for metric in [names::CALLS, names::REQUESTS, names::CALL_SECONDS] {
            assert_eq!(labels(&series()).map(|(name, _)| name), *metric.labels);
        }
    }

    #[test]
    fn milliseconds_become_seconds_and_the_last_bucket_has_no_end() {
        let (sum, buckets) = histogram(&series());
        assert!((sum - 1.5).abs() < 1e-9, "{sum}");
        assert_eq!((buckets[0], buckets[BUCKETS_MS.len()]), ((0.005, 2), (f64::MAX, 1)));
    }
}
