//! The figures: real binaries against the sandbox, measured from outside.
//!
//! *Invariant*: no figure is the operator's own word. Times come from the clock and the provider's
//! ledger, counts from the API's revision and the ledger, CPU time and memory from the kernel.

mod api;
mod engine;
mod error;
mod fleet;
mod process;
mod quiet;
mod report;
mod site;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use infrafabric_adapters::clock::{Clock, SystemClock};

use crate::error::Error;
use crate::report::Table;

/// Measure the operator on the sandbox.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Cli {
    /// Machines that are made at once.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=9000))]
    machines: u16,
    /// Machines that are made one after the other.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=5000))]
    applies: u16,
    /// Only this part.
    #[arg(long)]
    only: Option<Part>,
    /// Write docs/benchmarks.md.
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What an expression, a definition and a call cost.
    Engine,
    /// Start, rest and reaction of one operator.
    Quiet,
    /// Many machines at once.
    Fleet,
    /// The embedded Kubernetes API beside a real one, which is built from Go modules the first time.
    Api,
}

#[tokio::main]
async fn main() -> ExitCode {
    // kube asks for the process's provider; ring is the one that is linked.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Error> {
    let mut tables = Vec::new();
    let wanted = |part| cli.only.is_none_or(|only| only == part);
    if wanted(Part::Engine) {
        tell("the definition engine …");
        let rows = engine::measure().await?;
        tables.push(Table { title: "The definition engine".to_owned(), rows });
    }
    if wanted(Part::Quiet) {
        tell("one operator with little to do …");
        let rows = quiet::measure(cli.applies.into()).await?;
        tables.push(Table { title: "One operator with little to do".to_owned(), rows });
    }
    if wanted(Part::Fleet) {
        tables.extend(fleets(cli.machines.into()).await?);
    }
    if wanted(Part::Api) {
        tell("the Kubernetes API …");
        let rows = api::measure().await?;
        tables.push(Table { title: "The embedded Kubernetes API".to_owned(), rows });
    }
    let machine = report::machine_class();
    say(&format!("{machine}\n{}", report::markdown(&tables)));
    if cli.write {
        let date = SystemClock.now().date_naive();
        let count = cli.machines;
        let command = format!("cargo xtask bench --machines {count} --write");
        report::write(&tables, &command, &machine, date)?;
    }
    Ok(())
}

async fn fleets(count: usize) -> Result<Vec<Table>, Error> {
    tell(&format!("{count} machines …"));
    let at_once = fleet::fleet(count, Duration::ZERO).await?;
    tell("the bare writer …");
    let bare = fleet::bare(count, &at_once).await?;
    tell(&format!("{count} machines at a provider that takes its time …"));
    let slow = fleet::fleet(count, Duration::from_millis(50)).await?;
    Ok(vec![
        Table { title: "Many machines at once".to_owned(), rows: at_once.rows(&bare) },
        Table { title: "The same at a slower provider".to_owned(), rows: slow.rows(&bare) },
    ])
}

#[expect(clippy::print_stdout, reason = "the figures are for the caller")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a person waits and wants to know for what")]
fn tell(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stderr, reason = "a command line tool says why it failed")]
fn complain(error: &Error) {
    eprintln!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(beneath) = source {
        eprintln!("  because: {beneath}");
        source = beneath.source();
    }
}
