//! Starting and stopping.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded_kube_api::Server;
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::registry::Registry;
use infrafabric_world::{World, WorldOptions};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use tokio::signal::unix::{SignalKind, signal};

use super::Up;
use super::state::State;
use crate::say;

/// How long a sandbox may take to start in the background.
const START: Duration = Duration::from_secs(30);

pub(crate) async fn up(up: Up) -> Result<(), Box<dyn Error>> {
    let dir = up.folder.dir.clone();
    if State::read(&dir).is_ok() {
        return Err(format!("a sandbox runs in {}; stop it first", dir.display()).into());
    }
    fs::create_dir_all(&dir).map_err(|error| format!("make {}: {error}", dir.display()))?;
    let dir = dir.canonicalize()?;
    if up.detach {
        return detach(&dir).await;
    }
    let server = Server::start(embedded_kube_api::Options {
        listen: up.api,
        data: up.data_dir.clone(),
        ..embedded_kube_api::Options::default()
    })
    .await?;
    let world = World::start(WorldOptions {
        listen: up.world,
        definitions: definitions(&up.definitions)?,
        phase: up.phase,
        latency: up.latency,
        ..WorldOptions::default()
    })
    .await?;
    server.write_kubeconfig(&State::kubeconfig(&dir))?;
    prepare(&server).await?;
    let state = State { pid: std::process::id(), api: server.url(), world: world.url() };
    state.write(&dir)?;
    tell(&dir, &state);
    stopped().await?;
    State::remove(&dir);
    world.shutdown().await;
    server.shutdown().await;
    Ok(())
}

fn tell(dir: &Path, state: &State) {
    say(&format!("export KUBECONFIG={}", State::kubeconfig(dir).display()));
    say(&format!("# Kubernetes API    {}", state.api));
    say(&format!("# providers         {}", state.world));
    say(&format!("# operator          infrafabric run --world {}", state.world));
}

async fn stopped() -> Result<(), Box<dyn Error>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    Ok(())
}

/// Starts the same command in the background and waits until it serves.
async fn detach(dir: &Path) -> Result<(), Box<dyn Error>> {
    let log = dir.join("sandbox.log");
    let file = fs::File::create(&log).map_err(|e| format!("make {}: {e}", log.display()))?;
    let args = std::env::args_os().skip(1).filter(|arg| arg != "--detach");
    let mut child = Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let deadline = Instant::now() + START;
    loop {
        if let Ok(state) = State::read(dir)
            && state.pid == child.id()
        {
            tell(dir, &state);
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("the sandbox ended with {status}: {}", said.trim()).into());
        }
        if Instant::now() > deadline {
            child.kill()?;
            return Err(
                format!("the sandbox did not start in {START:?}; see {}", log.display()).into()
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The built-in definitions and those of the files.
fn definitions(files: &[PathBuf]) -> Result<Vec<Arc<Compiled>>, Box<dyn Error>> {
    let registry = Registry::built_in();
    for file in files {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("read {}: {error}", file.display()))?;
        let read = registry.read(&text, &file.display().to_string());
        let (name, spec) = read.map_err(|problems| problems.join("; "))?;
        registry.put(&name, spec, true).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!("{}: {}", file.display(), all.join("; "))
        })?;
    }
    let names = registry.names().into_iter();
    Ok(names.filter_map(|(name, _)| registry.simulated(&name)).collect())
}

/// Installs the CRDs and makes the operator's namespace, as Helm would.
async fn prepare(server: &Server) -> Result<(), Box<dyn Error>> {
    let file = Kubeconfig::from_yaml(&server.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in infrafabric_crds::all() {
        let params = PatchParams::apply("infrafabric").force();
        crds.patch(&crd.name_any(), &params, &Patch::Apply(&crd)).await?;
    }
    let namespaces: Api<Namespace> = Api::all(client);
    let metadata =
        ObjectMeta { name: Some("infrafabric-system".to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    match namespaces.create(&PostParams::default(), &namespace).await {
        // A kept one.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        made => Ok(made.map(drop)?),
    }
}

pub(crate) fn down(dir: &Path) -> Result<(), Box<dyn Error>> {
    let state = State::read(dir)?;
    let status = Command::new("kill").arg(state.pid.to_string()).status()?;
    if !status.success() {
        return Err(format!("stop process {}: kill said {status}", state.pid).into());
    }
    let deadline = Instant::now() + START;
    while State::read(dir).is_ok() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    say(&format!("stopped the sandbox of {}", dir.display()));
    Ok(())
}

pub(crate) fn status(dir: &Path) -> Result<(), Box<dyn Error>> {
    let state = State::read(dir)?;
    say(&format!("running as process {}", state.pid));
    tell(&dir.canonicalize()?, &state);
    Ok(())
}
