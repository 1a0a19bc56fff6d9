//! Everything that runs: the sandbox, the operator, and clients of both APIs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use infrafabric_crds::{CloudMachine, Provider, ProviderDefinition};
use infrafabric_world::WorldClient;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::failure::{Failure, asked, at, world};
use crate::manifests::NAMESPACE;
use crate::process::Process;

/// How long the sandbox or the operator may take until it serves.
const START: Duration = Duration::from_secs(20);

/// The running demonstration. Dropping it ends every process and removes the folder.
pub(crate) struct Stage {
    pub(crate) kube: Client,
    pub(crate) providers: WorldClient,
    /// Base URL of the Kubernetes API.
    pub(crate) api_url: String,
    /// Base URL of the simulated providers.
    pub(crate) world_url: String,
    /// The witness log's verifier key, as the operator printed it at its first start.
    pub(crate) verifier: String,
    operator: Process,
    sandbox: Process,
    starts: usize,
    // Last: what the processes write in must outlive them.
    dir: TempDir,
}

impl Stage {
    /// Starts the sandbox, then the operator.
    pub(crate) async fn start(phase: &str) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("infrafabric-demo-").tempdir();
        let dir = dir.map_err(at(&std::env::temp_dir()))?;
        let folder = dir.path().join("sandbox");
        let mut command = Command::new(binary("ifctl")?);
        command.args(["sandbox", "up", "--phase", phase, "--dir"]).arg(&folder);
        let mut sandbox =
            Process::start("the sandbox", &mut command, &dir.path().join("sandbox.log"))?;
        let file = folder.join("sandbox.json");
        let state = sandbox.until(START, |_| json(&file)).await?;
        let said = |key: &str| text(&state[key], "the sandbox");
        let (api_url, world_url) = (said("api")?, said("world")?);
        let kube = client(&folder.join("kubeconfig")).await?;
        let providers = WorldClient::from_url(&world_url).map_err(world)?;
        let (operator, verifier) = operator(dir.path(), &world_url, 1).await?;
        Ok(Self {
            kube,
            providers,
            api_url,
            world_url,
            verifier,
            operator,
            sandbox,
            starts: 1,
            dir,
        })
    }

    /// SIGKILL for the operator.
    pub(crate) fn kill_operator(&mut self) -> Result<u32, Failure> {
        self.operator.kill()?;
        Ok(self.operator.pid())
    }

    /// Starts the operator again on the same witness log; gives its process id.
    pub(crate) async fn restart_operator(&mut self) -> Result<u32, Failure> {
        self.starts += 1;
        let (operator, verifier) = operator(self.dir.path(), &self.world_url, self.starts).await?;
        self.operator = operator;
        crate::expect::same("the witness key after a restart", &self.verifier, &verifier)?;
        Ok(self.operator.pid())
    }

    pub(crate) fn operator_pid(&self) -> u32 {
        self.operator.pid()
    }

    /// Fails when the operator or the sandbox has ended by itself.
    pub(crate) fn must_run(&mut self) -> Result<(), Failure> {
        self.operator.must_run()?;
        self.sandbox.must_run()
    }

    /// SIGTERM for the operator; gives how it ended.
    pub(crate) async fn stop_operator(&mut self) -> Result<String, Failure> {
        self.operator.stop().await
    }

    /// Stops everything in order and removes the folder.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        self.operator.stop().await?;
        self.sandbox.stop().await?;
        let path = self.dir.path().to_owned();
        self.dir.close().map_err(at(&path))
    }

    /// The operator's last lines, for a person who looks for a reason.
    pub(crate) fn operator_tail(&self) -> String {
        self.operator.tail()
    }

    pub(crate) fn witness_dir(&self) -> PathBuf {
        witness_dir(self.dir.path())
    }

    pub(crate) fn sandbox_dir(&self) -> PathBuf {
        self.dir.path().join("sandbox")
    }

    pub(crate) fn machines(&self) -> Api<CloudMachine> {
        Api::namespaced(self.kube.clone(), NAMESPACE)
    }

    pub(crate) fn accounts(&self) -> Api<Provider> {
        Api::namespaced(self.kube.clone(), NAMESPACE)
    }

    pub(crate) fn definitions(&self) -> Api<ProviderDefinition> {
        Api::all(self.kube.clone())
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.kube.clone(), NAMESPACE)
    }
}

fn witness_dir(dir: &Path) -> PathBuf {
    dir.join("witness")
}

/// A program that was built beside this one.
pub(crate) fn binary(name: &str) -> Result<PathBuf, Failure> {
    let here = std::env::current_exe().map_err(at(Path::new(name)))?;
    Ok(here.with_file_name(name))
}

async fn client(kubeconfig: &Path) -> Result<Client, Failure> {
    let read = |source| Failure::Kubeconfig { source: Box::new(source) };
    let file = Kubeconfig::read_from(kubeconfig).map_err(read)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.map_err(read)?).map_err(asked("connect"))
}

/// Starts the operator and waits until it serves; gives the verifier key that it prints then.
async fn operator(dir: &Path, world: &str, number: usize) -> Result<(Process, String), Failure> {
    let mut command = Command::new(binary("infrafabric")?);
    command
        .args(["run", "--listen", "127.0.0.1:0", "--log-format", "json", "--world", world])
        .arg("--kubeconfig")
        .arg(dir.join("sandbox/kubeconfig"))
        .arg("--witness-dir")
        .arg(witness_dir(dir))
        .env("RUST_LOG", "info");
    let log = dir.join(format!("operator-{number}.log"));
    let mut process = Process::start("the operator", &mut command, &log)?;
    let serving = process.until(START, serving).await?;
    Ok((process, text(&serving["verifier"], "the operator")?))
}

/// The fields of the line that the operator prints when it serves.
fn serving(log: &Path) -> Option<Json> {
    let text = fs::read_to_string(log).ok()?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    lines.map(|mut line| line["fields"].take()).find(|fields| fields["message"] == "serving")
}

fn json(file: &Path) -> Option<Json> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn text(value: &Json, name: &'static str) -> Result<String, Failure> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| Failure::Said { name, reason: format!("{value} where a text should be") })
}
