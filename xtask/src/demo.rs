//! `cargo xtask demo`: dispatch point of the demonstration.

use std::process::ExitCode;

use crate::cargo::{TaskError, cargo, pass_on};

/// Builds and runs the demonstration; its exit code is ours.
pub(crate) fn run(fast: bool, keep: bool) -> Result<ExitCode, TaskError> {
    let mut command = cargo(&["run", "--quiet", "--package", "demo", "--"]);
    for (given, flag) in [(fast, "--fast"), (keep, "--keep")] {
        if given {
            command.arg(flag);
        }
    }
    pass_on(&mut command)
}
