//! A place to measure in: the sandbox as its own process, with the bench cloud, and the operator's
//! binary as another.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use infrafabric_crds::condition::{Condition, READY, find};
use infrafabric_crds::{CloudMachine, Provider, ProviderDefinition};
use infrafabric_world::{LedgerEntry, WorldClient};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, ObjectList, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Object;
use kube::{Api, Client, Config};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::error::Error;
use crate::process::Running;

/// The definition that is measured with, from `examples/bench/bench.yaml`.
const DEFINITION: &str = "bench";
/// The Provider of the bench cloud.
const PROVIDER: &str = "bench";
const NAMESPACE: &str = "default";
/// How long anything may take.
const LIMIT: Duration = Duration::from_mins(5);
/// How long the API must be without a write to count as quiet.
const QUIET: Duration = Duration::from_secs(3);
/// A ledger number that no effect has: only the counters are wanted.
const NO_EFFECTS: u64 = 1 << 40;

/// The sandbox, and what is asked of it.
pub(crate) struct Site {
    /// A client of the Kubernetes API.
    pub(crate) client: Client,
    /// The process that serves the Kubernetes API and the providers.
    pub(crate) sandbox: Running,
    world: WorldClient,
    world_url: String,
    // Dropped last: the processes write into it.
    folder: TempDir,
}

#[derive(Deserialize)]
struct State {
    world: String,
}

/// As much of a machine's status as says whether it runs.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Light {
    state: Option<String>,
}

type LightMachine = Object<IgnoredAny, Light>;

impl Site {
    /// Starts the sandbox; every provider answer takes `latency`, and a machine runs at once.
    pub(crate) async fn start(latency: Duration) -> Result<Self, Error> {
        let folder = tempfile::tempdir()
            .map_err(|source| Error::File { path: std::env::temp_dir(), source })?;
        let definition = checkout().join("examples/bench/bench.yaml");
        let arguments = [
            "sandbox".to_owned(),
            "up".to_owned(),
            format!("--dir={}", folder.path().display()),
            format!("--definition={}", definition.display()),
            "--phase=0ms".to_owned(),
            format!("--latency={}ms", latency.as_millis()),
        ];
        let sandbox = Running::start("ifctl", arguments, &folder.path().join("sandbox.log"))?;
        let file = folder.path().join("sandbox.json");
        let state =
            until("the sandbox's start", Duration::from_millis(20), Some(&sandbox), async || {
                let text = fs::read(&file).unwrap_or_default();
                Ok(serde_json::from_slice::<State>(&text).ok())
            })
            .await?;
        let client = client(&folder.path().join("kubeconfig")).await?;
        let world = WorldClient::from_url(&state.world).map_err(Error::world)?;
        let site = Self { client, sandbox, world, world_url: state.world, folder };
        site.prepare(&definition).await?;
        Ok(site)
    }

    /// The definition, a Secret and a Provider, as a user would apply them.
    async fn prepare(&self, definition: &Path) -> Result<(), Error> {
        let text = fs::read_to_string(definition)
            .map_err(|source| Error::File { path: definition.to_owned(), source })?;
        let definition: ProviderDefinition = serde_saphyr::from_str(&text).map_err(|error| {
            Error::Manifest { what: definition.display().to_string(), reason: error.to_string() }
        })?;
        create(&Api::all(self.client.clone()), &definition).await?;
        let secret =
            json!({"metadata": {"name": PROVIDER}, "stringData": {"token": "bench-token"}});
        create(&self.api(), &typed::<Secret>(secret)?).await?;
        let provider = json!({
            "metadata": {"name": PROVIDER},
            "spec": {
                "type": DEFINITION, "region": "north",
                "credentials": {"secretRef": {"name": PROVIDER}}
            },
        });
        create(&self.api(), &typed::<Provider>(provider)?).await
    }

    /// A kind of the default namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Starts the operator's binary and does not wait for anything.
    pub(crate) fn operator(&self) -> Result<Running, Error> {
        let arguments = [
            "run".to_owned(),
            format!("--kubeconfig={}", self.folder.path().join("kubeconfig").display()),
            format!("--witness-dir={}", self.folder.path().join("witness").display()),
            format!("--world={}", self.world_url),
            "--listen=127.0.0.1:0".to_owned(),
            "--installation-id=bench".to_owned(),
        ];
        Running::start("infrafabric", arguments, &self.folder.path().join("operator.log"))
    }

    /// Starts the operator and waits until the Provider is Ready.
    pub(crate) async fn ready_operator(&self) -> Result<Running, Error> {
        let operator = self.operator()?;
        let providers: Api<Provider> = self.api();
        until("the Provider's Ready", Duration::from_millis(20), Some(&operator), async || {
            let provider = providers.get(PROVIDER).await.map_err(Error::kube("get Provider"))?;
            let status = provider.status.unwrap_or_default();
            Ok(find(&status.conditions, READY).is_some_and(Condition::is_true).then_some(()))
        })
        .await?;
        Ok(operator)
    }

    /// How often each operation of the bench cloud was asked so far.
    pub(crate) async fn requests(&self) -> Result<BTreeMap<String, u64>, Error> {
        let page = self.world.ledger(Some(DEFINITION), NO_EFFECTS).await.map_err(Error::world)?;
        Ok(page.requests.get(DEFINITION).cloned().unwrap_or_default())
    }

    /// The effects after the entry `since`.
    pub(crate) async fn effects(&self, since: u64) -> Result<Vec<LedgerEntry>, Error> {
        let page = self.world.ledger(Some(DEFINITION), since).await.map_err(Error::world)?;
        Ok(page.entries)
    }

    /// The newest revision of the API's store: it grows by one with every write that changed something.
    pub(crate) async fn revision(&self) -> Result<u64, Error> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let list = namespaces.list(&ListParams::default().limit(1)).await;
        let list = list.map_err(Error::kube("list Namespaces"))?;
        let version = list.metadata.resource_version.unwrap_or_default();
        version.parse().map_err(|_| Error::Wrong {
            what: "the list's resourceVersion",
            wanted: "a number".to_owned(),
            found: version,
        })
    }

    /// Waits until nothing has been written for a while; gives the revision.
    pub(crate) async fn quiet(&self) -> Result<u64, Error> {
        let mut last = (self.revision().await?, Instant::now());
        until("quiet", Duration::from_millis(200), None, async || {
            let revision = self.revision().await?;
            if revision != last.0 {
                last = (revision, Instant::now());
            }
            Ok((last.1.elapsed() >= QUIET).then_some(revision))
        })
        .await
    }

    /// Waits until `count` machines run.
    pub(crate) async fn all_run(&self, count: usize, operator: &Running) -> Result<(), Error> {
        // Lists of many machines cost the API much: they begin when the provider has all machines.
        until(
            "the creation of all machines",
            Duration::from_millis(50),
            Some(operator),
            async || {
                let made =
                    self.requests().await?.get("machine.create").copied().unwrap_or_default();
                Ok((made >= count as u64).then_some(()))
            },
        )
        .await?;
        let resource = kube::api::ApiResource::erase::<CloudMachine>(&());
        let machines: Api<LightMachine> =
            Api::namespaced_with(self.client.clone(), NAMESPACE, &resource);
        until("the start of all machines", Duration::from_millis(200), Some(operator), async || {
            let list: ObjectList<LightMachine> = machines
                .list(&ListParams::default())
                .await
                .map_err(Error::kube("list CloudMachines"))?;
            let running = list.items.iter().filter(|machine| {
                let state = machine.status.as_ref().and_then(|status| status.state.as_deref());
                state == Some("Running")
            });
            Ok((running.count() >= count).then_some(()))
        })
        .await
    }
}

/// A machine of the bench cloud.
pub(crate) fn machine(name: &str) -> Result<CloudMachine, Error> {
    typed(json!({
        "metadata": {"name": name},
        "spec": {
            "providers": [{"name": PROVIDER}],
            "requirements": {"cpus": 2, "memory": "4Gi"},
            "image": "ubuntu-24.04",
        },
    }))
}

/// Makes an object.
pub(crate) async fn create<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned + Serialize + kube::Resource,
{
    let step = || format!("create {}", object.meta().name.clone().unwrap_or_default());
    api.create(&PostParams::default(), object).await.map(drop).map_err(Error::kube(step()))
}

/// Looks again and again until there is something.
pub(crate) async fn until<T>(
    what: &str,
    every: Duration,
    process: Option<&Running>,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= end {
            let log = process.map(Running::said).unwrap_or_default();
            return Err(Error::Never { what: what.to_owned(), seconds: LIMIT.as_secs(), log });
        }
        tokio::time::sleep(every).await;
    }
}

/// The checkout that this program was built from.
pub(crate) fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here)
}

fn typed<K: DeserializeOwned>(manifest: Value) -> Result<K, Error> {
    let what = manifest["metadata"]["name"].to_string();
    serde_json::from_value(manifest)
        .map_err(|error| Error::Manifest { what, reason: error.to_string() })
}

/// A client by a kubeconfig file.
pub(crate) async fn client(path: &Path) -> Result<Client, Error> {
    let failed = |source| Error::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let file = Kubeconfig::read_from(path).map_err(failed)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await.map_err(failed)?;
    Client::try_from(config).map_err(Error::kube("make a client"))
}
