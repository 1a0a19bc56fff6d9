//! The definition engine: what an expression, a definition and a call cost.
//!
//! A bare client makes the same request to the same server in the same process, one after the other
//! with ours, so that what differs is what the pipeline adds.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::compile::{Compiled, Vars, parse};
use infrafabric_adapters::registry::Registry;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::error::Error;
use crate::process::own_usage;
use crate::report::{Row, microseconds};
use crate::site::checkout;

/// Calls one after the other, of each client.
const CALLS: u32 = 20_000;
/// Calls a second, and for how long.
const RATE: u32 = 2_000;
const LONG: Duration = Duration::from_secs(5);
/// Callers who do not wait for each other, for the highest rate.
const CALLERS: usize = 32;
const FULL: Duration = Duration::from_secs(3);
/// Copies of a definition, for its memory.
const COPIES: usize = 64;

/// Measures all three.
pub(crate) async fn measure() -> Result<Vec<Row>, Error> {
    let mut rows = expression()?;
    rows.extend(definitions()?);
    rows.extend(calls().await?);
    Ok(rows)
}

fn expression() -> Result<Vec<Row>, Error> {
    const ROUNDS: u32 = 50_000;
    let registry = Registry::built_in();
    let definition = built_in(&registry, "digitalocean")?;
    let machine = &definition.objects["machine"];
    let mut vars = Vars::default();
    vars.set(
        "item",
        &json!({"id": 3_164_494, "status": "active", "networks": {"v4": [
            {"ip_address": "198.18.0.1", "type": "public"}, {"ip_address": "10.10.0.1", "type": "private"},
        ]}}),
    );
    let tree = &machine.outputs["addresses"];
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let given = tree.render(&vars).map_err(wrong("an expression"))?;
        std::hint::black_box(given);
    }
    let each = began.elapsed() / ROUNDS;
    Ok(vec![
        Row::new(
            "an expression over a list of two, `as.addresses` of digitalocean",
            microseconds(each),
        )
        .target("≤ 5 µs", each <= Duration::from_micros(5)),
    ])
}

/// What a process pays for the first use of a built-in definition.
fn definitions() -> Result<Vec<Row>, Error> {
    let names: Vec<String> =
        Registry::built_in().names().into_iter().map(|(name, _)| name).collect();
    let (mut slowest, mut largest, mut longest) = (Duration::ZERO, 0_u64, 0_usize);
    for name in &names {
        // The best of some: what is measured is the work, not who else is on the machine.
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let registry = Registry::built_in();
            let began = Instant::now();
            std::hint::black_box(built_in(&registry, name)?);
            best = best.min(began.elapsed());
        }
        slowest = slowest.max(best);
        longest = longest.max(packed(name)?);
        largest = largest.max(memory(name)?);
    }
    let count = names.len();
    Ok(vec![
        Row::new(
            format!("first use of a built-in definition, the slowest of {count}"),
            milliseconds(slowest),
        )
        .target("< 1.5 ms", slowest < Duration::from_micros(1500)),
        Row::new("— its memory, the largest", format!("{} kB", largest / 1000))
            .target("< 0.4 MB", largest < 400_000),
        Row::new("— its part of the binary, the largest", format!("{:.1} kB", kilo(longest)))
            .target("< 10 KB", longest < 10_000),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "thousands of bytes")]
fn kilo(bytes: usize) -> f64 {
    bytes as f64 / 1000.0
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// As the build embeds it: the definition and its simulator, each by itself.
fn packed(name: &str) -> Result<usize, Error> {
    let whole = Registry::built_in().simulated(name);
    let whole = whole.ok_or_else(|| missing(name))?;
    let mut spec = whole.spec().clone();
    let sandbox = spec.sandbox.take();
    let pack = |text: serde_json::Result<Vec<u8>>| {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
        let text = text.map_err(wrong("a definition"))?;
        let bytes = packer.write_all(&text).and_then(|()| packer.finish());
        let bytes = bytes.map_err(|source| Error::File { path: name.into(), source });
        bytes.map(|bytes| bytes.len())
    };
    Ok(pack(serde_json::to_vec(&spec))? + pack(serde_json::to_vec(&sandbox))?)
}

/// What a definition in use holds, by the memory that many of them take.
fn memory(name: &str) -> Result<u64, Error> {
    let make = || -> Result<Registry, Error> {
        let registry = Registry::built_in();
        built_in(&registry, name)?;
        Ok(registry)
    };
    // What the first ones leave behind in the allocator is not theirs.
    let warm: Vec<Registry> = (0..COPIES).map(|_| make()).collect::<Result<_, _>>()?;
    let before = own_usage()?.resident_kib * 1024;
    let kept: Vec<Registry> = (0..COPIES).map(|_| make()).collect::<Result<_, _>>()?;
    let after = own_usage()?.resident_kib * 1024;
    drop((warm, kept));
    Ok(after.saturating_sub(before) / COPIES as u64)
}

fn missing(name: &str) -> Error {
    Error::Manifest { what: name.to_owned(), reason: "is not there".to_owned() }
}

fn built_in(registry: &Registry, name: &str) -> Result<Arc<Compiled>, Error> {
    let found = registry.get(name).map(|(compiled, _)| compiled);
    found.ok_or_else(|| missing(name))
}

fn wrong<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Error {
    let what = what.to_owned();
    move |error| Error::Manifest { what, reason: error.to_string() }
}

/// One of the two clients.
#[derive(Clone)]
enum Caller {
    Ours(Account),
    Bare(reqwest::Client, String),
}

impl Caller {
    async fn call(&self) -> Result<(), Error> {
        match self {
            Self::Ours(account) => account.verify().await.map_err(wrong("a call")),
            #[expect(clippy::disallowed_methods, reason = "it is the bare one that is compared")]
            Self::Bare(client, url) => {
                let asked = client.get(url).bearer_auth("bench-token");
                let answer = asked.header("accept", "application/json").send().await;
                let answer = answer.map_err(wrong("a bare call"))?;
                answer.bytes().await.map(drop).map_err(wrong("a bare call"))
            }
        }
    }
}

async fn calls() -> Result<Vec<Row>, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(loopback)?;
    let url = format!("http://{}", listener.local_addr().map_err(loopback)?);
    let server = tokio::spawn(serve(listener));
    let path = checkout().join("examples/bench/bench.yaml");
    let text = fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
    let (name, spec) = parse(&text, "bench.yaml").map_err(wrong("bench.yaml"))?;
    let compiled = Compiled::new(&name, spec).map_err(|_| Error::Manifest {
        what: "bench.yaml".to_owned(),
        reason: "does not compile".to_owned(),
    })?;
    let options = AccountOptions {
        endpoint: Some(url.clone()),
        secrets: [("token".to_owned(), "bench-token".into())].into(),
        ..AccountOptions::default()
    };
    let ours = Account::open(Arc::new(compiled), options).map_err(wrong("an account"))?;
    let ours = Caller::Ours(ours);
    let bare = Caller::Bare(reqwest::Client::new(), format!("{url}/account"));

    one_after_the_other(&bare, CALLS / 10).await?;
    one_after_the_other(&ours, CALLS / 10).await?;
    let bare_cpu = one_after_the_other(&bare, CALLS).await?;
    let our_cpu = one_after_the_other(&ours, CALLS).await?;
    let overhead = our_cpu.saturating_sub(bare_cpu) / CALLS;
    let bare_p99 = at_a_rate(&bare).await?;
    let our_p99 = at_a_rate(&ours).await?;
    let ratio = our_p99.as_secs_f64() / bare_p99.as_secs_f64();
    let bare_rate = at_full_speed(&bare).await?;
    let our_rate = at_full_speed(&ours).await?;
    server.abort();
    Ok(vec![
        Row::new("the pipeline's CPU time a call, beyond a bare client's", microseconds(overhead))
            .target("≤ 50 µs", overhead <= Duration::from_micros(50)),
        Row::new(format!("p99 at {RATE} calls/s"), microseconds(our_p99)),
        Row::new("— the bare client's", microseconds(bare_p99)),
        Row::new("— ratio", format!("{ratio:.2}")).target("≤ 1.5", ratio <= 1.5),
        Row::new("highest rate, calls/s", format!("{our_rate:.0}")),
        Row::new("— the bare client's", format!("{bare_rate:.0}")),
        Row::new("— ratio", format!("{:.2}", our_rate / bare_rate)),
    ])
}

fn loopback(source: std::io::Error) -> Error {
    Error::File { path: "127.0.0.1".into(), source }
}

async fn one_after_the_other(caller: &Caller, calls: u32) -> Result<Duration, Error> {
    let before = own_usage()?.cpu;
    for _ in 0..calls {
        caller.call().await?;
    }
    Ok(own_usage()?.cpu.saturating_sub(before))
}

/// Calls begin at their time, whether or not those before have ended.
async fn at_a_rate(caller: &Caller) -> Result<Duration, Error> {
    let pause = Duration::from_secs(1) / RATE;
    let began = tokio::time::Instant::now();
    let mut under_way = tokio::task::JoinSet::new();
    let mut at = Duration::ZERO;
    while at < LONG {
        tokio::time::sleep_until(began + at).await;
        // The timer is coarser than the pause: what is due begins now.
        while at <= began.elapsed() && at < LONG {
            let caller = caller.clone();
            under_way.spawn(async move {
                let began = Instant::now();
                caller.call().await.map(|()| began.elapsed())
            });
            at += pause;
        }
    }
    let mut times = Vec::new();
    while let Some(ended) = under_way.join_next().await {
        times.push(ended.map_err(|source| Error::Worker { source })??);
    }
    times.sort();
    Ok(times[times.len() * 99 / 100])
}

async fn at_full_speed(caller: &Caller) -> Result<f64, Error> {
    let until = Instant::now() + FULL;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let caller = caller.clone();
        callers.spawn(async move {
            let mut made = 0_u32;
            while Instant::now() < until {
                caller.call().await?;
                made += 1;
            }
            Ok::<u32, Error>(made)
        });
    }
    let mut made = 0;
    while let Some(ended) = callers.join_next().await {
        made += ended.map_err(|source| Error::Worker { source })??;
    }
    Ok(f64::from(made) / FULL.as_secs_f64())
}

/// Answers every request alike, at as little cost as possible.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n{\"account\":\"bench\"}";
    // Small answers are not worth waiting to fill a packet for.
    let _ = stream.set_nodelay(true);
    let mut asked = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        asked.extend_from_slice(&buffer[..read]);
        // None of the requests has a body.
        if asked.ends_with(b"\r\n\r\n") {
            asked.clear();
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}
