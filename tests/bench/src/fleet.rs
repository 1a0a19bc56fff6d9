//! Many machines at once, and beside it a bare writer that does nothing but the same API writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use infrafabric_crds::{CloudMachine, FINALIZER};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::process::{Running, own_usage};
use crate::report::{Row, megabytes, ratio, seconds};
use crate::site::{Site, machine};

/// How many writers write at the same time.
const WORKERS: usize = 50;

/// What it took to make a fleet.
pub(crate) struct Fleet {
    count: usize,
    latency: Duration,
    took: Duration,
    operator_cpu: Duration,
    sandbox_cpu: Duration,
    peak_kib: u64,
    writes: u64,
    calls: BTreeMap<String, u64>,
    /// The status of one machine as it is at the end.
    status: Value,
}

/// What the same writes took without an operator.
pub(crate) struct Bare {
    took: Duration,
    cpu: Duration,
    sandbox_cpu: Duration,
    writes: u64,
}

/// Applies `count` machines to an operator that has made none, until all run.
pub(crate) async fn fleet(count: usize, latency: Duration) -> Result<Fleet, Error> {
    let site = Site::start(latency).await?;
    let operator = site.ready_operator().await?;
    let before = site.quiet().await?;
    let cpu = (operator.usage()?.cpu, site.sandbox.usage()?.cpu);
    let began = Instant::now();
    let job = Job::Create;
    work(&site, count, &Arc::new(job)).await?;
    site.all_run(count, &operator).await?;
    let took = began.elapsed();
    let sandbox_cpu = site.sandbox.usage()?.cpu.saturating_sub(cpu.1);
    let calls = site.requests().await?;
    // What is written late is written too.
    let writes = site.quiet().await? - before;
    let used = operator.usage()?;
    exactly(&site, count, &operator).await?;
    let machines: Api<CloudMachine> = site.api();
    let one = machines.get("m-0").await.map_err(Error::kube("get CloudMachine"))?;
    let status = serde_json::to_value(one.status).unwrap_or_default();
    Ok(Fleet {
        count,
        latency,
        took,
        operator_cpu: used.cpu.saturating_sub(cpu.0),
        sandbox_cpu,
        peak_kib: used.peak_kib,
        writes,
        calls,
        status,
    })
}

/// The provider's own books hold one machine for each object.
async fn exactly(site: &Site, count: usize, operator: &Running) -> Result<(), Error> {
    let made = site.effects(0).await?.len();
    if made == count {
        return Ok(());
    }
    let found = format!("{made}; {}", operator.said());
    Err(Error::Wrong { what: "machines in the ledger", wanted: count.to_string(), found })
}

/// The same writes with the same content, by writers that neither watch nor decide nor call anybody.
pub(crate) async fn bare(count: usize, like: &Fleet) -> Result<Bare, Error> {
    let site = Site::start(Duration::ZERO).await?;
    let before = site.quiet().await?;
    let cpu = (own_usage()?.cpu, site.sandbox.usage()?.cpu);
    let began = Instant::now();
    work(&site, count, &Arc::new(Job::All { status: like.status.clone() })).await?;
    let took = began.elapsed();
    Ok(Bare {
        took,
        cpu: own_usage()?.cpu.saturating_sub(cpu.0),
        sandbox_cpu: site.sandbox.usage()?.cpu.saturating_sub(cpu.1),
        writes: site.revision().await? - before,
    })
}

/// What is done for each machine.
enum Job {
    /// The user's write.
    Create,
    /// The user's write and the operator's.
    All { status: Value },
}

async fn work(site: &Site, count: usize, job: &Arc<Job>) -> Result<(), Error> {
    let next = Arc::new(AtomicUsize::new(0));
    let machines: Api<CloudMachine> = site.api();
    let reporter = Reporter { controller: "infrafabric".to_owned(), instance: None };
    let recorder = Recorder::new(site.client.clone(), reporter);
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (next, job) = (Arc::clone(&next), Arc::clone(job));
        let (machines, recorder) = (machines.clone(), recorder.clone());
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                write(&machines, &recorder, number, &job).await?;
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|source| Error::Worker { source })??;
    }
    Ok(())
}

async fn write(
    machines: &Api<CloudMachine>,
    recorder: &Recorder,
    number: usize,
    job: &Job,
) -> Result<(), Error> {
    let name = format!("m-{number}");
    let made = machines.create(&PostParams::default(), &machine(&name)?).await;
    let made = made.map_err(Error::kube("create CloudMachine"))?;
    let Job::All { status } = job else { return Ok(()) };
    let finalizer = json!({"metadata": {
        "resourceVersion": made.resource_version(), "finalizers": [FINALIZER],
    }});
    let held = machines.patch(&name, &PatchParams::default(), &Patch::Merge(finalizer)).await;
    held.map_err(Error::kube("write the finalizer"))?;
    for state in ["Pending", "Creating", "Running"] {
        let mut status = status.clone();
        status["state"] = json!(state);
        let body = json!({
            "apiVersion": "infrafabric.io/v1alpha1",
            "kind": "CloudMachine",
            "metadata": {"name": name, "uid": made.uid()},
            "status": status,
        });
        let params = PatchParams::apply("infrafabric").force();
        let written = machines.patch_status(&name, &params, &Patch::Apply(body)).await;
        written.map_err(Error::kube("apply the status"))?;
    }
    let event = Event {
        type_: EventType::Normal,
        reason: "Created".to_owned(),
        note: Some(format!("created machine {number} at bench: medium in north, 0.02 USD/h")),
        action: "Created".to_owned(),
        secondary: None,
    };
    let published = recorder.publish(&event, &made.object_ref(&())).await;
    published.map_err(Error::kube("publish the event"))
}

impl Fleet {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    fn each(&self, count: u64) -> f64 {
        count as f64 / self.count as f64
    }

    /// The figures, beside those of the bare writer.
    pub(crate) fn rows(&self, bare: &Bare) -> Vec<Row> {
        let users = self.count as u64;
        let writes = self.each(self.writes.saturating_sub(users));
        let calls = self.each(self.calls.values().sum());
        let by_operation: Vec<String> =
            self.calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let bare_writes = self.each(bare.writes.saturating_sub(users));
        vec![
            Row::new(self.title("cold → Running"), seconds(self.took)),
            Row::new("— the bare writer", seconds(bare.took)),
            Row::new("— ratio", ratio(self.took, bare.took)),
            Row::new("operator's CPU time", seconds(self.operator_cpu)),
            Row::new("— the bare writer's", seconds(bare.cpu)),
            Row::new("— ratio", ratio(self.operator_cpu, bare.cpu)),
            Row::new("sandbox's CPU time (API and provider)", seconds(self.sandbox_cpu)),
            Row::new("— under the bare writer (API)", seconds(bare.sandbox_cpu)),
            Row::new("operator's peak resident memory", megabytes(self.peak_kib)),
            Row::new("operator's API writes a machine", format!("{writes:.3}"))
                .target("≤ 5", writes <= 5.0),
            Row::new("— the bare writer's", format!("{bare_writes:.3}")),
            Row::new("provider calls a machine", format!("{calls:.3}")).target("≤ 3", calls <= 3.0),
            Row::new("— by operation", by_operation.join(", ")),
        ]
    }

    fn title(&self, what: &str) -> String {
        format!(
            "{} machines {what}, provider answers in {} ms",
            self.count,
            self.latency.as_millis()
        )
    }
}
