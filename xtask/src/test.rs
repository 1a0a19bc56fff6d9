//! `cargo xtask test`: all tests that need only cargo; or one suite that lets the operator die, by a seed.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use crate::cargo::{TaskError, cargo, must, shown};
use crate::counts::Counts;

/// Which tests.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// Only this suite.
    #[arg(long)]
    only: Option<Suite>,
    /// The suite's seed: the same one does the same.
    #[arg(long, requires = "only")]
    seed: Option<u64>,
    /// How many runs; run n of a seed is the first run of seed + n. 1000 is the full size of `crash`.
    #[arg(long, requires = "only")]
    runs: Option<u64>,
    /// How long each run of `chaos` lasts.
    #[arg(long, requires = "only")]
    minutes: Option<u64>,
}

/// A suite by its name.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Suite {
    /// The operator dies at every point that matters.
    Crash,
    /// Providers, API server and operator fail at once.
    Chaos,
}

pub(crate) fn run(asked: &Test) -> Result<ExitCode, TaskError> {
    let Some(suite) = asked.only else { return Ok(all()?.close()) };
    binaries()?;
    let name = match suite {
        Suite::Crash => "crash",
        Suite::Chaos => "chaos",
    };
    let mut command = cargo(&["test", "--package", "infrafabric-tests", "--test", name]);
    for (variable, number) in
        [("TEST_SEED", asked.seed), ("TEST_RUNS", asked.runs), ("TEST_MINUTES", asked.minutes)]
    {
        match number {
            Some(number) => command.env(variable, number.to_string()),
            None => command.env_remove(variable),
        };
    }
    Ok(counted(command)?.close())
}

/// Runs all tests.
pub(crate) fn all() -> Result<Counts, TaskError> {
    binaries()?;
    counted(cargo(&["test", "--workspace", "--no-fail-fast"]))
}

/// The end-to-end tests start the binaries themselves.
fn binaries() -> Result<(), TaskError> {
    must(&mut cargo(&["build", "--package", "infrafabric", "--package", "ifctl"]))
}

/// Runs tests, shows what they say as they say it, and counts.
#[expect(clippy::print_stdout, reason = "the tests' own output is passed on")]
fn counted(mut command: Command) -> Result<Counts, TaskError> {
    let failed = |source| TaskError::Run { command: "cargo test".to_owned(), source };
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(failed)?;
            println!("{line}");
            if let Some(more) = Counts::of_libtest(&line) {
                counts += more;
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() && counts.failed == 0 {
        // It did not build, or a test took its process with it: no line counts that.
        println!("`{}` failed", shown(&command));
        counts.failed = 1;
    }
    Ok(counts)
}
