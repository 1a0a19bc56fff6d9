//! `cargo xtask bench`: builds what is measured and what measures (`tests/bench`), with
//! optimisation, and runs it.

use std::process::ExitCode;

use crate::cargo::{TaskError, cargo, must, pass_on};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, TaskError> {
    // One build for all: the shared dependencies are compiled once.
    let packages = ["--package", "infrafabric", "--package", "ifctl", "--package", "oracle"];
    must(cargo(&["build", "--release", "--package", "infrafabric-bench"]).args(packages))?;
    let mut command =
        cargo(&["run", "--quiet", "--release", "--package", "infrafabric-bench", "--"]);
    pass_on(command.args(arguments))
}
