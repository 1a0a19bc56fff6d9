//! `cargo xtask test`: all tests that need only cargo.

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};

use crate::cargo::{TaskError, cargo, must, shown};
use crate::counts::Counts;

pub(crate) fn run() -> Result<ExitCode, TaskError> {
    Ok(counted()?.close())
}

/// Runs the tests, shows what they say as they say it, and counts.
#[expect(clippy::print_stdout, reason = "the tests' own output is passed on")]
pub(crate) fn counted() -> Result<Counts, TaskError> {
    // The end-to-end tests start the binaries themselves.
    must(&mut cargo(&["build", "--package", "infrafabric", "--package", "ifctl"]))?;
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
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
