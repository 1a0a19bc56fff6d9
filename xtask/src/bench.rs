//! `cargo xtask bench`: builds what is measured and what measures (`tests/bench`), with
//! optimisation, and runs it.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::cargo::{TaskError, cargo, checkout, must, pass_on};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, TaskError> {
    // One build for all: the shared dependencies are compiled once.
    let packages = ["--package", "infrafabric", "--package", "ifctl", "--package", "oracle"];
    must(cargo(&["build", "--release", "--package", "infrafabric-bench"]).args(packages))?;
    // The program itself: `cargo run` of one package would build it with other features, once more.
    let target = env::current_exe().ok();
    let target = target.as_deref().and_then(Path::parent).and_then(Path::parent);
    let program = target.map(|target| target.join("release/infrafabric-bench"));
    let mut command = Command::new(program.unwrap_or_else(|| "infrafabric-bench".into()));
    pass_on(command.current_dir(checkout()).args(arguments))
}
