//! `cargo xtask oracle`: builds what is judged, then the judge (`tests/oracle`), and runs it.

use std::process::ExitCode;

use crate::cargo::{TaskError, cargo, must, pass_on};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, TaskError> {
    must(&mut cargo(&[
        "build",
        "--quiet",
        "--package",
        "infrafabric",
        "--package",
        "ifctl",
        "--package",
        "oracle",
    ]))?;
    let mut command = cargo(&["run", "--quiet", "--package", "oracle", "--"]);
    pass_on(command.args(arguments))
}
