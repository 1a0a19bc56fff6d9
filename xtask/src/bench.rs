//! `cargo xtask bench`: dispatch point of the measurements.

use std::process::ExitCode;

use crate::cargo::{TaskError, cargo, pass_on};

/// Builds and runs the measurements with optimisation; their exit code is ours.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, TaskError> {
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "bench", "--"]);
    pass_on(command.args(arguments))
}
