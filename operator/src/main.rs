//! The binary `infrafabric`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use infrafabric::run::{self, Options};
use infrafabric::traces::Traces;
use infrafabric::trust::Trust;
use infrafabric_definition::Span;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

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
    /// OTLP collector that traces are sent to, over HTTP with protobuf (`http://localhost:4318`); no
    /// traces when absent.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
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
    // kube, the pipeline and the exporter use the process's provider; ring is the one that is linked.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // An empty variable is as good as none.
    let endpoint = args.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
    let (traces, refused) = match endpoint.map(Traces::start).transpose() {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    log(args.log_format, traces.as_ref());
    let ended = match refused {
        Some(error) => Err(error.into()),
        None => start(args).await,
    };
    if let Err(error) = &ended {
        tracing::error!(error = run::chain(&**error), "infrafabric ended");
    }
    if let Some(traces) = traces {
        traces.end().await;
    }
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The log on stderr has its own filter: what it leaves out is in the traces all the same.
fn log(format: LogFormat, traces: Option<&Traces>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(traces.map(Traces::layer)).with(lines).init();
}

async fn start(args: Run) -> Result<(), Box<dyn std::error::Error>> {
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
