//! `ifctl sandbox`: starts, stops and disturbs the sandbox.

mod faults;
mod state;
mod up;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use infrafabric_definition::Span;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start it, and print what to export.
    Up(Up),
    /// Stop the one that runs in the folder.
    Down(Folder),
    /// Say whether one runs in the folder, and where.
    Status(Folder),
    /// Disturb the simulated providers.
    Fault(faults::Fault),
    /// Print what the simulated providers did, by their own books.
    Ledger(faults::Ledger),
}

#[derive(Args)]
pub(crate) struct Folder {
    /// Folder of the sandbox's state (kubeconfig, addresses).
    #[arg(long, default_value = ".infrafabric-sandbox", env = "INFRAFABRIC_SANDBOX")]
    dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    folder: Folder,
    /// Go into the background.
    #[arg(long)]
    detach: bool,
    /// Address of the Kubernetes API.
    #[arg(long, default_value = "127.0.0.1:0")]
    api: SocketAddr,
    /// Address of the simulated providers.
    #[arg(long, default_value = "127.0.0.1:0")]
    world: SocketAddr,
    /// Keep the Kubernetes objects in this folder over a restart; without it they are gone with the
    /// process.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// How long each phase of a thing's state lasts (`500ms`, `2s`).
    #[arg(long, default_value = "1s", value_parser = span)]
    phase: Duration,
    /// How long every provider answer takes.
    #[arg(long, default_value = "0ms", value_parser = span)]
    latency: Duration,
    /// Definition files to simulate besides the built-in ones.
    #[arg(long = "definition")]
    definitions: Vec<PathBuf>,
}

fn span(text: &str) -> Result<Duration, String> {
    Span(text.to_owned()).duration().ok_or_else(|| format!("`{text}` is no span such as 500ms"))
}

pub(crate) async fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Up(up) => up::up(up).await,
        Command::Down(folder) => up::down(&folder.dir),
        Command::Status(folder) => up::status(&folder.dir),
        Command::Fault(fault) => faults::fault(fault).await,
        Command::Ledger(ledger) => faults::ledger(ledger).await,
    }
}
