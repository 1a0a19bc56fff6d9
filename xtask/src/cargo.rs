//! Running cargo in the checkout.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use thiserror::Error;

/// Why a task could not be done; a variant for each attempted step.
#[derive(Debug, Error)]
pub(crate) enum TaskError {
    #[error("running `{command}` failed")]
    Run { command: String, source: io::Error },
    #[error("`{command}` failed")]
    Failed { command: String },
    #[error("using {path} failed")]
    File { path: PathBuf, source: io::Error },
}

/// The checkout.
pub(crate) fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A cargo command in the checkout.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout()).args(arguments);
    command
}

/// Runs a command to its end; its output goes where ours goes.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus, TaskError> {
    command.status().map_err(|source| TaskError::Run { command: shown(command), source })
}

/// Runs a command that must succeed.
pub(crate) fn must(command: &mut Command) -> Result<(), TaskError> {
    let status = status(command)?;
    if status.success() { Ok(()) } else { Err(TaskError::Failed { command: shown(command) }) }
}

/// Runs a command whose exit code is ours.
pub(crate) fn pass_on(command: &mut Command) -> Result<ExitCode, TaskError> {
    let code = status(command)?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
