//! The figures as a table, and the page that keeps them.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use chrono::NaiveDate;

use crate::error::Error;
use crate::site::checkout;

/// A figure.
pub(crate) struct Row {
    what: String,
    figure: String,
    target: Option<(&'static str, bool)>,
}

impl Row {
    /// A figure without a target.
    pub(crate) fn new(what: impl Into<String>, figure: String) -> Self {
        Self { what: what.into(), figure, target: None }
    }

    /// The same figure with its target, and whether it is met.
    pub(crate) fn target(self, target: &'static str, met: bool) -> Self {
        Self { target: Some((target, met)), ..self }
    }
}

/// A table of figures under a title.
pub(crate) struct Table {
    /// What was measured.
    pub(crate) title: String,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

/// The tables as Markdown.
pub(crate) fn markdown(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        // Writing into a String cannot fail.
        let _ =
            writeln!(text, "\n## {}\n\n| | figure | target | |\n|---|---:|---|---|", table.title);
        for Row { what, figure, target } in &table.rows {
            let (target, met) = match target {
                Some((target, true)) => (*target, "met"),
                Some((target, false)) => (*target, "**missed**"),
                None => ("", ""),
            };
            let _ = writeln!(text, "| {what} | {figure} | {target} | {met} |");
        }
    }
    text
}

/// Writes `docs/benchmarks.md`.
pub(crate) fn write(
    tables: &[Table],
    command: &str,
    machine: &str,
    date: NaiveDate,
) -> Result<(), Error> {
    let path = checkout().join("docs/benchmarks.md");
    let text = format!(
        "<!-- Written by `{command}`; edits are lost. -->\n\
         # Benchmarks\n\n\
         Made with `{command}` on {date}, on {machine}: release builds of `infrafabric` and `ifctl`,\n\
         the sandbox (`examples/bench/bench.yaml`, no rate limits) and the operator as two processes on the same cores.\n\n\
         Absolute figures say as much about that machine as about us. What compares are ratios within one run: the bare\n\
         writer makes the same API writes with the same content, by 50 workers, and neither watches nor decides nor calls\n\
         a provider. API writes are counted by the API's own revision, without the user's create; provider calls are counted\n\
         by the simulated provider's ledger; CPU time and memory are the kernel's (`/proc`).\n\n\
         The engine's calls go to a server on loopback that does nothing else, and a bare client makes the same request to\n\
         the same server in the same process.\n\n\
         The embedded API beside etcd (without fsync) and kube-apiserver 1.36: the same requests by 50 writers on the same\n\
         cores, custom objects of a definition with defaults, keyed lists and a rule; it is confined to one core, they are not.\n\
         {}",
        markdown(tables)
    );
    fs::write(&path, text).map_err(|source| Error::File { path, source })
}

/// The class of this machine: processors and memory.
pub(crate) fn machine_class() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, model)| model.trim());
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let memory = kib.map_or(String::new(), |kib: u64| format!(", {} GiB", (kib + 524_288) >> 20));
    format!("{cores} cores of {model}{memory}")
}

/// A span in whole milliseconds.
pub(crate) fn milliseconds(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}

/// A short span in milliseconds with one decimal.
pub(crate) fn micros(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

/// A very short span.
pub(crate) fn microseconds(span: Duration) -> String {
    format!("{:.1} µs", span.as_secs_f64() * 1e6)
}

/// A long span.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

/// How many times the one is the other.
pub(crate) fn ratio(one: Duration, other: Duration) -> String {
    format!("{:.2}", one.as_secs_f64() / other.as_secs_f64().max(0.001))
}

/// Memory in units of 10^6 bytes.
pub(crate) fn megabytes(kib: u64) -> String {
    let tenths = kib * 1024 / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
