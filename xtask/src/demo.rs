//! `cargo xtask demo`: builds the operator, the CLI and the demonstration, and becomes it.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::cargo::{TaskError, cargo, must};

/// Builds and runs the demonstration; its exit code is ours.
///
/// The process is replaced, so that Ctrl-C and signals reach the demonstration itself, and the
/// shell waits until it has stopped what it started.
pub(crate) fn run(fast: bool, keep: bool) -> Result<ExitCode, TaskError> {
    let packages = ["--package", "infrafabric", "--package", "ifctl", "--package", "demo"];
    must(cargo(&["build", "--quiet"]).args(packages))?;
    let failed = |source| TaskError::Run { command: "demo".to_owned(), source };
    // All binaries of a build stand beside each other, this one too.
    let mut command = Command::new(env::current_exe().map_err(failed)?.with_file_name("demo"));
    for (given, flag) in [(fast, "--fast"), (keep, "--keep")] {
        if given {
            command.arg(flag);
        }
    }
    Err(failed(command.exec()))
}
