//! `cargo xtask <command>`: everything a developer runs, the same on a desk and in CI.
//!
//! *Invariant*: links nothing of the project; what needs it runs as a child process.

mod bench;
mod cargo;
mod check;
mod counts;
mod demo;
mod generate;
mod oracle;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of InfraFabric.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the main job on the sandbox, step by step, and assert every step.
    Demo {
        /// No pauses for reading.
        #[arg(long)]
        fast: bool,
        /// Leave the sandbox and the operator running and print how to use them.
        #[arg(long)]
        keep: bool,
    },
    /// Run all tests that need only cargo, or one of the suites that let the operator die.
    Test(test::Test),
    /// Formatting, lints, licences, documentation, generated files, and the tests.
    Check {
        /// Leave out the tests.
        #[arg(long)]
        no_test: bool,
    },
    /// Write the generated files.
    Generate,
    /// Ask programs that nobody here wrote; `--only boto|moto|prism|kube`.
    Oracle {
        /// Arguments of the oracle.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure, and write docs/benchmarks.md.
    Bench {
        /// Arguments of the bench.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[expect(clippy::print_stderr, reason = "a command line tool says why it failed")]
fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo { fast, keep } => demo::run(fast, keep),
        Command::Test(asked) => test::run(&asked),
        Command::Check { no_test } => check::run(no_test),
        Command::Generate => generate::write(),
        Command::Oracle { arguments } => oracle::run(&arguments),
        Command::Bench { arguments } => bench::run(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let source = std::error::Error::source(&error);
            let source = source.map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("error: {error}{source}");
            ExitCode::FAILURE
        }
    }
}
