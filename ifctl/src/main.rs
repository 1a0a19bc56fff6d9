//! The CLI. It carries the sandbox: an embedded Kubernetes API and simulated provider accounts.

mod cluster;
mod provider;
mod sandbox;
mod witness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The sandbox makes and drops many small values for every request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// InfraFabric from the command line.
#[derive(Parser)]
#[command(name = "ifctl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// An embedded Kubernetes API and simulated provider accounts, to try, test and rehearse.
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Definitions of providers.
    #[command(subcommand)]
    Provider(provider::Command),
    /// The log of every provider operation.
    #[command(subcommand)]
    Witness(witness::Command),
    /// Stop every effect within a second; reads go on.
    Stop(cluster::Stop),
    /// Let effects go on.
    Resume(cluster::Resume),
    /// Say what became of an operation whose outcome is unknown.
    Resolve(cluster::Resolve),
    /// Show what carries our marks at the providers and belongs to no object.
    Leftovers(cluster::Leftovers),
}

#[tokio::main]
async fn main() -> ExitCode {
    // kube asks for the process's provider; ring is the one that is linked.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Cli::parse().command {
        Command::Sandbox(command) => sandbox::run(command).await,
        Command::Provider(command) => provider::run(command).await,
        Command::Witness(command) => witness::run(command),
        Command::Stop(command) => cluster::stop(command).await,
        Command::Resume(command) => cluster::resume(command).await,
        Command::Resolve(command) => cluster::resolve(command).await,
        Command::Leftovers(command) => cluster::leftovers(command).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&infrafabric::run::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What a command prints for its caller.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    // Who reads no further wants no more.
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// What a command prints when it fails.
#[expect(clippy::print_stderr, reason = "this is the command line")]
pub(crate) fn complain(line: &str) {
    eprintln!("error: {line}");
}
