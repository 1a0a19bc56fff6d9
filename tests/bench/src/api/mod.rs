//! The embedded Kubernetes API beside the real pair of etcd and kube-apiserver.

mod load;
mod server;

use std::time::Duration;

use kube::api::{ListParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};

use self::load::{Watcher, Write};
use self::server::Server;
use crate::error::Error;
use crate::report::{Row, megabytes, milliseconds, ratio, seconds};
use crate::site::until;

/// How many small objects are made.
const OBJECTS: usize = 10_000;
/// How many larger ones, and how large their note is: 4 KiB with the rest.
const LARGE: usize = 10_000;
const NOTE: usize = 3400;
/// How many writes the many watchers are told of, and how many these are.
const TOLD: usize = 1000;
const MANY: usize = 100;
/// How often the server is started again.
const STARTS: usize = 9;

/// What one server did.
struct Figures {
    creates: Duration,
    applies: Duration,
    cpu: [Duration; 2],
}

/// Measures both servers.
pub(crate) async fn measure() -> Result<Vec<Row>, Error> {
    let mut rows = starts().await?;
    let embedded = Server::embedded().await?;
    let ours = writes(&embedded).await?;
    drop(embedded);
    let theirs = match Server::real().await? {
        Ok(real) => Ok(writes(&real).await?),
        Err(why) => Err(why),
    };
    rows.extend(rates(&ours, theirs.as_ref()));
    rows.extend(memory().await?);
    rows.extend(watchers().await?);
    Ok(rows)
}

async fn starts() -> Result<Vec<Row>, Error> {
    let mut all = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        all.push(server::start().await?);
    }
    all.sort();
    let (median, longest) = (all[STARTS / 2], all[STARTS - 1]);
    Ok(vec![
        Row::new("process start to first answer, median", milliseconds(median))
            .target("< 50 ms", median < Duration::from_millis(50)),
        Row::new(format!("— the longest of {STARTS}"), milliseconds(longest)),
    ])
}

async fn writes(server: &Server) -> Result<Figures, Error> {
    define(&server.client).await?;
    let watching = server.another_client().await?;
    let mut watchers = [Watcher::start(&watching).await?];
    let cpu = server.usage()?.cpu;
    let create = Write::Create { prefix: "small", note: 0 };
    let creates = load::run(&server.client, &mut watchers, create, OBJECTS).await?;
    let between = server.usage()?.cpu;
    let status = Write::Status { prefix: "small" };
    let applies = load::run(&server.client, &mut watchers, status, OBJECTS).await?;
    let after = server.usage()?.cpu;
    let cpu = [between.saturating_sub(cpu), after.saturating_sub(between)];
    Ok(Figures { creates, applies, cpu })
}

/// Registers the definition and waits until it is served.
async fn define(client: &Client) -> Result<(), Error> {
    let definitions = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
    ));
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &definitions);
    let manifest = serde_json::from_value(load::definition()).map_err(|error| Error::Manifest {
        what: "the definition".to_owned(),
        reason: error.to_string(),
    })?;
    let made = definitions.create(&PostParams::default(), &manifest).await;
    made.map_err(Error::kube("create the definition"))?;
    let widgets = ApiResource::from_gvk(&GroupVersionKind::gvk(load::GROUP, "v1", "Widget"));
    let widgets: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &widgets);
    until("the definition's kind", Duration::from_millis(50), None, async || {
        Ok(widgets.list(&ListParams::default()).await.ok().map(drop))
    })
    .await
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn rate(took: Duration) -> f64 {
    OBJECTS as f64 / took.as_secs_f64().max(0.001)
}

fn rates(ours: &Figures, theirs: Result<&Figures, &String>) -> Vec<Row> {
    let mut rows = Vec::new();
    let each = |figures: &Figures| {
        [
            ("creates", figures.creates, figures.cpu[0]),
            ("status applies", figures.applies, figures.cpu[1]),
        ]
    };
    for (index, (what, took, cpu)) in each(ours).into_iter().enumerate() {
        let figure = format!("{:.0}/s", rate(took));
        rows.push(
            Row::new(format!("{what}, one watcher, the embedded server on one core"), figure)
                .target("≥ 5,000/s", rate(took) >= 5000.0),
        );
        rows.push(Row::new(format!("— its CPU time for {OBJECTS}"), seconds(cpu)));
        match theirs {
            Ok(theirs) => {
                let (_, real, real_cpu) = each(theirs)[index];
                let figure = format!("{:.0}/s", rate(real));
                rows.push(Row::new("— etcd and kube-apiserver on all cores", figure));
                rows.push(Row::new("— ratio", ratio(real, took)));
                rows.push(Row::new("— their CPU time", seconds(real_cpu)));
                rows.push(Row::new("— ratio", ratio(real_cpu, cpu)));
            }
            Err(why) => rows.push(Row::new("— etcd and kube-apiserver", format!("not had: {why}"))),
        }
    }
    rows
}

async fn memory() -> Result<Vec<Row>, Error> {
    let server = Server::embedded().await?;
    define(&server.client).await?;
    let idle = server.usage()?.resident_kib;
    let create = Write::Create { prefix: "large", note: NOTE };
    load::run(&server.client, &mut [], create, LARGE).await?;
    let used = server.usage()?;
    let limit = 200_000_000 / 1024;
    Ok(vec![
        Row::new("resident memory with no object", megabytes(idle)),
        Row::new(
            format!("with {LARGE} objects of 4 KiB, after their creation"),
            megabytes(used.resident_kib),
        )
        .target("< 200 MB", used.resident_kib < limit),
        Row::new("— at its highest", megabytes(used.peak_kib)),
    ])
}

/// What a change costs with one watcher and with many.
async fn watchers() -> Result<Vec<Row>, Error> {
    let mut cpu = Vec::new();
    for count in [1, MANY] {
        let server = Server::embedded().await?;
        define(&server.client).await?;
        let watching = server.another_client().await?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(Watcher::start(&watching).await?);
        }
        let before = server.usage()?.cpu;
        let create = Write::Create { prefix: "told", note: NOTE };
        load::run(&server.client, &mut all, create, TOLD).await?;
        cpu.push(server.usage()?.cpu.saturating_sub(before));
    }
    let more = cpu[1].saturating_sub(cpu[0]);
    let events = u32::try_from(TOLD * (MANY - 1)).unwrap_or(u32::MAX);
    let each = more / events;
    Ok(vec![
        Row::new(format!("CPU time of {TOLD} creates of 4 KiB, one watcher"), seconds(cpu[0])),
        Row::new(format!("— {MANY} watchers"), seconds(cpu[1])),
        Row::new("— each further watcher told of a change", format!("{} µs", each.as_micros())),
    ])
}
