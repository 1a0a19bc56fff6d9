//! One operator that has little to do: how fast it starts, what it costs at rest, how fast it acts.

use std::time::{Duration, Instant};

use infrafabric_adapters::clock::{Clock, SystemClock};
use infrafabric_crds::CloudMachine;
use kube::{Api, ResourceExt};

use crate::error::Error;
use crate::process::Running;
use crate::report::{Row, megabytes, micros, milliseconds};
use crate::site::{Site, create, machine, until};

/// How often the operator is started again.
const STARTS: usize = 9;
/// How many machines exist while it rests.
const FEW: usize = 5;
/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(10);

/// Measures start, rest and reaction.
pub(crate) async fn measure(applies: usize) -> Result<Vec<Row>, Error> {
    let site = Site::start(Duration::ZERO).await?;
    let mut rows = starts(&site).await?;
    let operator = site.ready_operator().await?;
    rows.extend(rest(&site, &operator).await?);
    rows.extend(reaction(&site, &operator, applies).await?);
    Ok(rows)
}

/// From the start of the process to its first request at the provider, which is the first look at
/// the Provider: what comes before is over by then.
async fn starts(site: &Site) -> Result<Vec<Row>, Error> {
    let first = start(site).await?;
    let mut again = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        again.push(start(site).await?);
    }
    again.sort();
    let median = again[again.len() / 2];
    let longest = again[again.len() - 1];
    let limit = Duration::from_millis(200);
    Ok(vec![
        Row::new("process start to first reconcile, median", milliseconds(median))
            .target("< 0.2 s", median < limit),
        Row::new(format!("— the longest of {STARTS}"), milliseconds(longest)),
        Row::new("— the first one, which makes id and keys", milliseconds(first)),
    ])
}

async fn start(site: &Site) -> Result<Duration, Error> {
    let verified = async || -> Result<u64, Error> {
        Ok(site.requests().await?.get("verify").copied().unwrap_or_default())
    };
    let before = verified().await?;
    let began = Instant::now();
    let operator = site.operator()?;
    until(
        "the first request at the provider",
        Duration::from_millis(1),
        Some(&operator),
        async || Ok((verified().await? > before).then(|| began.elapsed())),
    )
    .await
}

/// Memory, CPU and writes with a few objects that all are as wanted.
async fn rest(site: &Site, operator: &Running) -> Result<Vec<Row>, Error> {
    for number in 0..FEW {
        create(&site.api(), &machine(&format!("few-{number}"))?).await?;
    }
    site.all_run(FEW, operator).await?;
    let revision = site.quiet().await?;
    let calls: u64 = site.requests().await?.values().sum();
    let before = operator.usage()?;
    tokio::time::sleep(REST).await;
    let after = operator.usage()?;
    let writes = site.revision().await? - revision;
    let calls = site.requests().await?.values().sum::<u64>() - calls;
    let cpu = after.cpu.saturating_sub(before.cpu);
    Ok(vec![
        Row::new(format!("resident memory at rest, {FEW} machines"), megabytes(after.resident_kib))
            .target("< 25 MB", after.resident_kib * 1024 < 25_000_000),
        Row::new("CPU time in 10 s at rest", milliseconds(cpu)),
        Row::new("API writes in 10 s at rest", writes.to_string()).target("0", writes == 0),
        Row::new("provider calls in 10 s at rest", calls.to_string()),
    ])
}

/// From the answer to an apply to the provider's effect, one machine after the other.
async fn reaction(site: &Site, operator: &Running, count: usize) -> Result<Vec<Row>, Error> {
    let machines: Api<CloudMachine> = site.api();
    let mut seen = site.effects(0).await?.last().map(|effect| effect.seq).unwrap_or_default();
    let mut took = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("one-{number}");
        let machine = machine(&name)?;
        create(&machines, &machine).await?;
        let applied = SystemClock.now();
        let effect = until("the effect", Duration::from_millis(5), Some(operator), async || {
            Ok(site.effects(seen).await?.into_iter().next())
        })
        .await?;
        seen = effect.seq;
        let delay = (effect.time - applied).num_microseconds().unwrap_or(i64::MAX);
        // An effect before the apply's answer had arrived here counts as none at all.
        took.push(Duration::from_micros(delay.try_into().unwrap_or_default()));
        until("the machine's record", Duration::from_millis(10), Some(operator), async || {
            let machine = machines.get(&name).await.map_err(Error::kube("get CloudMachine"))?;
            let uid = machine.uid().unwrap_or_default();
            if !effect.marks.iter().any(|mark| mark.contains(&uid)) {
                return Err(Error::Wrong {
                    what: "the marks of the effect",
                    wanted: uid,
                    found: effect.marks.join(" "),
                });
            }
            Ok(machine.status.and_then(|status| status.active))
        })
        .await?;
    }
    took.sort();
    let at = |percent: usize| took[(took.len() * percent).div_ceil(100).saturating_sub(1)];
    let limit = Duration::from_millis(50);
    Ok(vec![
        Row::new("apply to the provider's create, p50", micros(at(50))),
        Row::new(format!("apply to the provider's create, p99 of {count}"), micros(at(99)))
            .target("< 50 ms", at(99) < limit),
        Row::new("— the longest", micros(at(100))),
    ])
}
