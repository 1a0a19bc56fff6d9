//! A place to try the operator: the sandbox's API server with our CRDs, and the operator's own
//! binary as a process that can be killed.

use std::env;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use embedded_kube_api::{Options, Server};
use infrafabric_crds::condition::{Condition, READY, find};
use infrafabric_crds::{CloudMachine, Provider, ProviderDefinition};
use infrafabric_definition::Definition;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::Error;
use crate::http;
use crate::process::{Running, free_port};

const START: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const NAMESPACE: &str = "default";

/// What marks begin with: the operator's id here.
pub(crate) const INSTALLATION: &str = "oracle";

/// The API server, and what is asked of it.
pub(crate) struct Site {
    client: Client,
    folder: PathBuf,
    _server: Server,
}

impl Site {
    /// Starts an API server with our CRDs.
    pub(crate) async fn start(folder: &Path) -> Result<Self, Error> {
        let server =
            Server::start(Options::default()).await.map_err(|source| Error::Server { source })?;
        server
            .write_kubeconfig(&folder.join("kubeconfig"))
            .map_err(|source| Error::Kubeconfig { source })?;
        let client = client(&folder.join("kubeconfig")).await?;
        let site = Self { client, folder: folder.to_owned(), _server: server };
        let crds: Api<CustomResourceDefinition> = Api::all(site.client.clone());
        for crd in infrafabric_crds::all() {
            create(&crds, &crd).await?;
        }
        for name in infrafabric_crds::all().iter().map(kube::ResourceExt::name_any) {
            until(&crds, &name, "established", START, established).await?;
        }
        let namespace = json!({"metadata": {"name": "infrafabric-system"}});
        create(&Api::<Namespace>::all(site.client.clone()), &typed(namespace)?).await?;
        Ok(site)
    }

    /// A kind of the default namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// A kind without namespaces.
    pub(crate) fn everywhere<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::ClusterResourceScope>,
        K::DynamicType: Default,
    {
        Api::all(self.client.clone())
    }

    /// Applies a definition.
    pub(crate) async fn define(&self, name: &str, definition: &Definition) -> Result<(), Error> {
        let manifest = json!({
            "apiVersion": "infrafabric.io/v1alpha1", "kind": "ProviderDefinition",
            "metadata": {"name": name}, "spec": definition,
        });
        create(&self.everywhere::<ProviderDefinition>(), &typed(manifest)?).await
    }

    /// Makes a Secret.
    pub(crate) async fn secret(&self, name: &str, values: Value) -> Result<(), Error> {
        let secret = json!({"metadata": {"name": name}, "stringData": values});
        create(&self.api::<Secret>(), &typed(secret)?).await
    }

    /// Makes an object from its manifest.
    pub(crate) async fn make<K>(&self, manifest: Value) -> Result<(), Error>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
        K::DynamicType: Default,
    {
        create(&self.api::<K>(), &typed(manifest)?).await
    }

    /// Starts the operator's binary; it is ready when this returns.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Result<Running, Error> {
        let program = env::current_exe()
            .ok()
            .and_then(|own| Some(own.parent()?.join("infrafabric")))
            .filter(|program| program.exists())
            .ok_or_else(|| Error::Absent {
                what: "the operator's binary".to_owned(),
                reason: "it is not beside this one; run `cargo xtask oracle`".to_owned(),
            })?;
        let port = free_port()?;
        let mut operator = Running::start(
            "infrafabric run",
            Command::new(program)
                .arg("run")
                .arg(format!("--kubeconfig={}", self.folder.join("kubeconfig").display()))
                .arg(format!("--witness-dir={}", self.folder.join("witness").display()))
                .arg(format!("--listen=127.0.0.1:{port}"))
                .arg(format!("--installation-id={INSTALLATION}"))
                .args(arguments),
            &self.folder.join(format!("operator-{port}.log")),
        )?;
        operator.until(START, || http::answers(port, "/readyz"))?;
        Ok(operator)
    }
}

async fn client(kubeconfig: &Path) -> Result<Client, Error> {
    let failed = |reason: kube::config::KubeconfigError| Error::Failed {
        program: "reading the kubeconfig".to_owned(),
        output: reason.to_string(),
    };
    let file = Kubeconfig::read_from(kubeconfig).map_err(failed)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await.map_err(failed)?;
    Client::try_from(config).map_err(|source| Error::Client { source: Box::new(source) })
}

/// A manifest as the type it claims to be.
fn typed<K: DeserializeOwned>(manifest: Value) -> Result<K, Error> {
    let text = manifest.to_string();
    serde_json::from_value(manifest).map_err(|source| Error::Json {
        program: "a manifest of the oracle".to_owned(),
        text,
        source,
    })
}

async fn create<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Serialize,
{
    let failed = |source| Error::Kube {
        step: "creating",
        object: object.name_any(),
        source: Box::new(source),
    };
    api.create(&PostParams::default(), object).await.map(drop).map_err(failed)
}

/// Waits until an object is as wanted, and gives it.
pub(crate) async fn until<K>(
    api: &Api<K>,
    name: &str,
    wanted: &str,
    limit: Duration,
    is: impl Fn(&K) -> bool,
) -> Result<K, Error>
where
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    let end = Instant::now() + limit;
    loop {
        let failed = |source| Error::Kube {
            step: "reading",
            object: name.to_owned(),
            source: Box::new(source),
        };
        let object = api.get(name).await.map_err(failed)?;
        if is(&object) {
            return Ok(object);
        }
        if Instant::now() >= end {
            let value = serde_json::to_value(&object).unwrap_or_default();
            return Err(Error::Never {
                object: name.to_owned(),
                wanted: wanted.to_owned(),
                seconds: limit.as_secs(),
                last: value["status"].to_string(),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Deletes an object and waits until it is gone.
pub(crate) async fn delete<K>(api: &Api<K>, name: &str, limit: Duration) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    let failed = |step| {
        move |source| Error::Kube { step, object: name.to_owned(), source: Box::new(source) }
    };
    api.delete(name, &DeleteParams::default()).await.map_err(failed("deleting"))?;
    let end = Instant::now() + limit;
    while let Some(object) = api.get_opt(name).await.map_err(failed("reading"))? {
        if Instant::now() >= end {
            let value = serde_json::to_value(&object).unwrap_or_default();
            return Err(Error::Never {
                object: name.to_owned(),
                wanted: "gone".to_owned(),
                seconds: limit.as_secs(),
                last: value["status"].to_string(),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// An object whose condition `Ready` can be looked at.
pub(crate) trait Conditions {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];
}

impl Conditions for Provider {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
    }
}

impl Conditions for ProviderDefinition {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
    }
}

impl Conditions for CloudMachine {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
    }
}

/// Whether an object is Ready.
pub(crate) fn is_ready<K: Conditions>(object: &K) -> bool {
    find(object.conditions(), READY).is_some_and(Condition::is_true)
}

/// Whether an object is not Ready for that reason.
pub(crate) fn is_not_ready_by(object: &impl Conditions, reason: &str) -> bool {
    find(object.conditions(), READY).is_some_and(|ready| !ready.is_true() && ready.reason == reason)
}

fn established(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|one| one.type_ == "Established" && one.status == "True")
}
