//! The binary `infrafabric`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use infrafabric::run::{self, Options};
use infrafabric::trust::Trust;
use infrafabric_definition::Span;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// One declarative control plane for everything outside the cluster.
#[derive(Parser)]
#[command(name = "infrafabric", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the controllers.
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// Send every provider call to this simulator (`ifctl sandbox up` prints its URL).
    #[arg(long, env = "INFRAFABRIC_WORLD")]
    world: Option<String>,
    /// Kubeconfig file; the service account, KUBECONFIG or ~/.kube/config when absent.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the operator's own ConfigMap and Secret.
    #[arg(long, env = "INFRAFABRIC_NAMESPACE", default_value = "infrafabric-system")]
    namespace: String,
    /// Folder of the witness log.
    #[arg(long, env = "INFRAFABRIC_WITNESS_DIR", default_value = "/var/lib/infrafabric/witness")]
    witness_dir: PathBuf,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "INFRAFABRIC_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Hosts (`host` or `host:port`) that Provider.spec.endpoint and applied definitions may name.
    #[arg(long, value_delimiter = ',')]
    allowed_endpoints: Vec<String>,
    /// Let a ProviderDefinition take the name of a built-in one.
    #[arg(long)]
    allow_definition_override: bool,
    /// Id of this installation in marks; read from or kept in ConfigMap infrafabric-installation.
    #[arg(long)]
    installation_id: Option<String>,
    /// How long one provider call may take, and a restart waits before it trusts a list: seconds, or a
    /// span such as 200ms; at most 300 seconds.
    #[arg(long, hide = true, default_value = "30", value_parser = call_deadline)]
    call_deadline: Duration,
    /// Format of the log on stderr; its level is set by RUST_LOG.
    #[arg(long, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn call_deadline(text: &str) -> Result<Duration, String> {
    let whole = text.parse().map(Duration::from_secs).ok();
    let span = whole.or_else(|| Span(text.to_owned()).duration());
    span.filter(|span| (Duration::from_millis(100)..=Duration::from_mins(5)).contains(span))
        .ok_or_else(|| "give 100ms to 300s, as seconds or as a span such as 200ms".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    log(args.log_format);
    match start(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = run::chain(&*error), "infrafabric ended");
            ExitCode::FAILURE
        }
    }
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

async fn start(args: Run) -> Result<(), Box<dyn std::error::Error>> {
    // Both kube and reqwest use the process's provider; ring is the one that is linked.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client(args.kubeconfig).await?;
    let stop = CancellationToken::new();
    tokio::spawn(signals(stop.clone()));
    let options = Options {
        namespace: args.namespace,
        installation_id: args.installation_id,
        witness_dir: args.witness_dir,
        listen: args.listen,
        trust: Trust { world: args.world, allowed: args.allowed_endpoints },
        allow_definition_override: args.allow_definition_override,
        call_deadline: args.call_deadline,
    };
    Ok(run::run(client, options, stop).await?)
}

async fn client(kubeconfig: Option<PathBuf>) -> Result<Client, Box<dyn std::error::Error>> {
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => Config::infer().await?,
    };
    Ok(Client::try_from(config)?)
}

/// The first SIGTERM or SIGINT lets what is under way end; the second ends at once.
async fn signals(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    tracing::info!("stopping; a second signal ends at once");
    stop.cancel();
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    std::process::exit(130);
}
