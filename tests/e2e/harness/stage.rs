//! The stage of one test: API server, providers, operator.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use embedded_kube_api::Server;
use infrafabric::witness;
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::registry::Registry;
use infrafabric_world::{World, WorldClient, WorldOptions};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::operator::Operator;
use super::{SOON, manifests, poll};

/// The tokens that the simulated accounts accept.
pub(crate) const TOKENS: [(&str, &str, &str); 3] = [
    ("digitalocean", "token", "dop_v1_sandbox"),
    ("linode", "token", "linode-sandbox-token"),
    ("shelf", "token", "bench-token"),
];

/// What a stage is set up with.
pub(crate) struct Setup {
    /// Definitions that are simulated besides the built-in ones.
    pub(crate) definitions: Vec<Value>,
    /// Arguments of the operator besides the harness's own.
    pub(crate) arguments: Vec<String>,
    /// Whether the built-in ones are simulated at all.
    pub(crate) built_in: bool,
    /// Whether every call goes to the simulated providers.
    pub(crate) to_world: bool,
    /// The operator's log filter.
    pub(crate) log: &'static str,
    /// How long each phase of a simulated machine lasts.
    pub(crate) phase: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            definitions: vec![manifests::shelf("shelf")],
            arguments: Vec::new(),
            built_in: true,
            to_world: true,
            log: "info,infrafabric=debug",
            phase: Duration::from_millis(50),
        }
    }
}

impl Setup {
    /// With further arguments of the operator.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }
}

/// The stage of one test. Dropping it stops everything.
pub(crate) struct Stage {
    /// The operator, unless it is stopped.
    pub(crate) operator: Option<Operator>,
    pub(crate) client: Client,
    /// The namespace of the test.
    pub(crate) namespace: String,
    pub(crate) world: WorldClient,
    pub(crate) dir: TempDir,
    setup: Setup,
    simulated: World,
    server: Option<Server>,
    kubeconfig: String,
    alone: Option<OwnedMutexGuard<()>>,
}

impl Stage {
    /// The usual stage.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// A stage whose operator is slow to give up only for a second.
    pub(crate) async fn hasty() -> Self {
        Self::with(Setup::default().arguments(&["--call-deadline=1"])).await
    }

    /// A stage with its own setup; the operator runs.
    pub(crate) async fn with(setup: Setup) -> Self {
        let mut stage = Self::empty(setup).await;
        stage.launch().await;
        stage
    }

    /// A stage with its own setup, and no operator yet.
    pub(crate) async fn empty(setup: Setup) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let alone = alone().await;
        let (server, kubeconfig) = kubernetes().await;
        let client = client(&kubeconfig).await;
        let stage = Self::on(setup, (server, kubeconfig, client), alone).await;
        stage.install().await;
        if stage.server.is_none() {
            stage.sweep().await;
        }
        stage.namespaces().await;
        stage
    }

    /// The next stage on the same API server, with providers, folder and namespace of its own: to install
    /// our kinds anew would take longer than many a test.
    #[allow(dead_code, reason = "the suites that let the operator die use it")]
    pub(crate) async fn next(mut self, setup: Setup) -> Self {
        self.operator = None;
        self.sweep().await;
        let api = (self.server, self.kubeconfig, self.client);
        let stage = Self::on(setup, api, self.alone).await;
        stage.namespaces().await;
        stage
    }

    async fn on(
        setup: Setup,
        (server, kubeconfig, client): (Option<Server>, String, Client),
        alone: Option<OwnedMutexGuard<()>>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("kubeconfig"), &kubeconfig).expect("the kubeconfig");
        let simulated = World::start(WorldOptions {
            definitions: definitions(&setup),
            phase: setup.phase,
            ..WorldOptions::default()
        });
        let simulated = simulated.await.expect("the world starts");
        Self {
            operator: None,
            client,
            namespace: namespace(),
            world: simulated.client(),
            dir,
            setup,
            simulated,
            server,
            kubeconfig,
            alone,
        }
    }

    async fn install(&self) {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for crd in infrafabric_crds::all() {
            let params = PatchParams::apply("e2e").force();
            crds.patch(&crd.name_any(), &params, &Patch::Apply(&crd)).await.expect("a CRD");
        }
        let list = async || {
            let found = self.api("CloudMachine").list(&kube::api::ListParams::default()).await;
            found.is_ok().then_some(())
        };
        poll(SOON, list).await.expect("the CRDs are served");
    }

    /// Removes what an earlier test left on a server that is not ours alone: no operator runs that
    /// could do it.
    async fn sweep(&self) {
        for kind in super::api::KINDS {
            for left in self.everywhere(kind).await {
                self.drop_finalizers(kind, &left).await;
            }
        }
    }

    /// The operator's own namespace.
    pub(crate) fn system(&self) -> String {
        format!("{}-system", self.namespace)
    }

    /// Starts the operator, also again after it was stopped.
    pub(crate) async fn launch(&mut self) {
        let log = self.log_path();
        self.operator = Some(Operator::start(&self.arguments(), &log, self.setup.log).await);
    }

    /// Starts the operator with a schedule of fault points (`infrafabric::fault_point`); false when it
    /// ended before it served.
    #[allow(dead_code, reason = "the suites that let the operator die use it")]
    pub(crate) async fn launch_to_die(&mut self, schedule: &str) -> bool {
        let log = self.log_path();
        let environment = [("INFRAFABRIC_FAULT_POINTS", schedule)];
        let arguments = self.arguments();
        self.operator = Operator::try_start(&arguments, &environment, &log, self.setup.log).await;
        self.operator.is_some()
    }

    fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let mut arguments = vec![
            format!("--kubeconfig={}", path("kubeconfig")),
            format!("--namespace={}", self.system()),
            format!("--witness-dir={}", path("witness")),
        ];
        if self.setup.to_world {
            arguments.push(format!("--world={}", self.simulated.url()));
        }
        arguments.extend(self.setup.arguments.iter().cloned());
        arguments
    }

    /// The API server, which must be the embedded one.
    #[allow(dead_code, reason = "the suites that let the operator die use it")]
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("the embedded API server")
    }

    /// SIGKILL.
    pub(crate) fn crash(&mut self) {
        self.operator.take().expect("the operator runs").kill();
    }

    /// SIGTERM.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.operator.take().expect("the operator runs").terminate().await
    }

    /// The running operator.
    pub(crate) fn running_operator(&self) -> &Operator {
        self.operator.as_ref().expect("the operator runs")
    }

    /// Where the simulated providers listen.
    pub(crate) fn world_address(&self) -> std::net::SocketAddr {
        self.simulated.address()
    }

    /// The file that the operator logs to.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.path().join("operator.log")
    }

    /// The end of the operator's log.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Applies a Provider of that type with the credentials that its simulation accepts.
    pub(crate) async fn account(&self, name: &str, definition: &str, region: &str) {
        let known = TOKENS.iter().find(|(known, ..)| *known == definition).expect("a known type");
        self.apply(&manifests::secret(name, &json!({known.1: known.2}))).await;
        self.apply(&manifests::provider(name, definition, region)).await;
    }

    /// Two accounts, `first` at DigitalOcean and `second` at Linode.
    pub(crate) async fn two_accounts(&self) {
        self.account("first", "digitalocean", "fra1").await;
        self.account("second", "linode", "eu-central").await;
    }

    /// An account `first` at the shelf cloud, whose definition is applied.
    pub(crate) async fn shelf_account(&self) {
        self.apply(&manifests::shelf("shelf")).await;
        self.account("first", "shelf", "north").await;
        self.reason("Provider", "first", "CredentialsVerified").await;
    }

    /// Verifies the witness log with the key that the operator printed, and gives its entries.
    pub(crate) fn witnessed(&self, operator: &Value) -> Vec<witness::Entry> {
        let key = operator["verifier"].as_str().expect("a verifier key");
        let dir = self.dir.path().join("witness");
        let report = witness::verify(&dir, key).expect("the log verifies");
        let entries = witness::read(&dir).expect("the log is read");
        let entries: Vec<_> = entries.map(|entry| entry.expect("an entry").1).collect();
        assert!(report.entries <= entries.len() as u64, "entries do not vanish");
        entries
    }
}

/// Only one test at a time uses a server that is not its own.
async fn alone() -> Option<OwnedMutexGuard<()>> {
    static ONE: std::sync::OnceLock<Arc<Mutex<()>>> = std::sync::OnceLock::new();
    std::env::var_os("TEST_KUBECONFIG")?;
    Some(Arc::clone(ONE.get_or_init(Arc::default)).lock_owned().await)
}

/// The embedded server, or the one that was named; with the kubeconfig.
async fn kubernetes() -> (Option<Server>, String) {
    if let Some(path) = std::env::var_os("TEST_KUBECONFIG") {
        return (None, std::fs::read_to_string(path).expect("TEST_KUBECONFIG"));
    }
    let server = Server::start(embedded_kube_api::Options::default());
    let server = server.await.expect("the API server starts");
    let kubeconfig = server.kubeconfig();
    (Some(server), kubeconfig)
}

async fn client(kubeconfig: &str) -> Client {
    let file = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

/// A namespace that no other test has.
fn namespace() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("e2e-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn definitions(setup: &Setup) -> Vec<Arc<Compiled>> {
    let registry = Registry::built_in();
    let built_in = registry.names().into_iter().filter(|_| setup.built_in);
    let built_in = built_in.filter_map(|(name, _)| registry.simulated(&name));
    let further = setup.definitions.iter().map(|manifest| {
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        let spec = serde_json::from_value(manifest["spec"].clone()).expect("a definition");
        Arc::new(Compiled::new(name, spec).expect("it compiles"))
    });
    built_in.chain(further).collect()
}
