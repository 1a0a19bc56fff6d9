//! Wires everything together and runs until told to stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use infrafabric_adapters::clock::SystemClock;
use infrafabric_adapters::registry::Registry;
use infrafabric_crds::{CloudMachine, Provider, ProviderDefinition};
use kube::api::{Api, ListParams};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::context::{Claims, Context, OwnWrites};
use crate::controllers::{cloud_machine, provider, provider_definition};
use crate::engine::accounts::Accounts;
use crate::engine::blocks::AllBlocks;
use crate::engine::config_map;
use crate::engine::currency::{self, Rates};
use crate::engine::halt::{self, Halt};
use crate::engine::orphans::Orphans;
use crate::engine::recovery::Open;
use crate::health::{self, Readiness};
use crate::installation::{self, InstallationError};
use crate::metrics::{Metrics, Sources};
use crate::trust::Trust;
use crate::witness::{OpenError, Witness};

/// How many objects of a kind are looked at at the same time.
const CONCURRENCY: u16 = 64;

/// What the operator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of the operator's own ConfigMap and Secret.
    pub namespace: String,
    /// The installation id; read or made when absent.
    pub installation_id: Option<String>,
    /// Folder of the witness log.
    pub witness_dir: PathBuf,
    /// Address of health and metrics.
    pub listen: SocketAddr,
    /// Where requests may go.
    pub trust: Trust,
    /// Whether a ProviderDefinition may take a built-in's name.
    pub allow_definition_override: bool,
    /// The longest that one provider call may take.
    pub call_deadline: Duration,
}

/// Why the operator could not start, or ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The installation's own objects.
    #[error("prepare the installation")]
    Installation(#[source] InstallationError),
    /// The given installation id cannot become part of tags.
    #[error("--installation-id {0}: 4 to 40 characters from a-z, 0-9 and -")]
    InstallationId(String),
    /// The log.
    #[error("open the witness log")]
    Witness(#[source] OpenError),
    /// The health server.
    #[error("listen on {address} for health and metrics")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The CRDs.
    #[error("list ProviderDefinitions: are the CRDs installed?")]
    ListDefinitions(#[source] kube::Error),
}

/// Runs until `stop` is cancelled, then lets what is under way end.
pub async fn run(
    client: Client,
    options: Options,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let registry = Arc::new(Registry::built_in());
    let installation = match &options.installation_id {
        Some(id) if installation::is_id(id) => id.clone(),
        Some(id) => return Err(RunError::InstallationId(id.clone())),
        None => {
            installation::id(&client, &options.namespace).await.map_err(RunError::Installation)?
        }
    };
    let origin = format!("infrafabric.io/witness/{installation}");
    let keys = installation::witness_keys(&client, &options.namespace, &origin)
        .await
        .map_err(RunError::Installation)?;
    let verifier = keys.verifier();
    let witness = Witness::open(options.witness_dir.clone(), origin, keys)
        .await
        .map_err(RunError::Witness)?;
    let listen = options.listen;
    let (controllers, context) =
        Controllers::new(client, registry, witness.clone(), installation, options, &stop);
    let readiness = Readiness::default();
    let server_stop = CancellationToken::new();
    let metrics = context.metrics.clone();
    let address = health::serve(listen, metrics, readiness.clone(), server_stop.clone())
        .await
        .map_err(|source| RunError::Listen { address: listen, source })?;
    let installation = &context.installation;
    tracing::info!(%address, installation, verifier, entries = witness.size(), "serving");

    let definitions: Api<ProviderDefinition> = Api::all(context.client.clone());
    let given =
        definitions.list(&ListParams::default()).await.map_err(RunError::ListDefinitions)?;
    // What extends another one comes after it, in whatever order they are listed.
    let mut left: Vec<&ProviderDefinition> = given.items.iter().collect();
    let mut before = left.len() + 1;
    while left.len() < before {
        before = left.len();
        // What is wrong with one is said by its controller.
        left.retain(|object| provider_definition::put(object, &context).is_err());
    }
    readiness.set(true);
    let draining = stop.clone();
    let unready = readiness.clone();
    tokio::spawn(async move {
        draining.cancelled().await;
        unready.set(false);
    });
    controllers.run(context).await;
    witness.close().await;
    server_stop.cancel();
    tracing::info!("stopped");
    Ok(())
}

/// The controllers, with what wakes them from outside the API.
struct Controllers {
    machines: Controller<CloudMachine>,
    providers: Controller<Provider>,
    definitions: Controller<ProviderDefinition>,
    watch: halt::Watch,
    rates: BoxFuture<'static, ()>,
}

impl Controllers {
    fn new(
        client: Client,
        registry: Arc<Registry>,
        witness: Witness,
        installation: String,
        options: Options,
        stop: &CancellationToken,
    ) -> (Self, Arc<Context>) {
        let (wake_machines, machines) = controller::<CloudMachine>(&client, stop);
        let (wake_providers, providers) = controller::<Provider>(&client, stop);
        let (wake_definitions, definitions) = controller::<ProviderDefinition>(&client, stop);
        let (halt, watch) = Halt::new(client.clone(), &options.namespace);
        let metrics = Metrics::new(Sources {
            machines: machines.store(),
            providers: providers.store(),
            halt: halt.clone(),
            witness: witness.clone(),
        });
        let reporter = Reporter { controller: "infrafabric".to_owned(), instance: None };
        let context = Context {
            recorder: Recorder::new(client.clone(), reporter),
            registry,
            accounts: Accounts::default(),
            blocks: AllBlocks::default(),
            rates: Arc::default(),
            witness,
            clock: Arc::new(SystemClock),
            actor: format!("operator/{installation}"),
            orphans: Orphans::new(client.clone(), &options.namespace),
            claims: Claims::default(),
            open: Open::default(),
            halt,
            installation,
            trust: options.trust,
            metrics,
            stop: stop.clone(),
            allow_definition_override: options.allow_definition_override,
            call_deadline: options.call_deadline,
            verifications: Mutex::default(),
            wake_definitions,
            wake_machines,
            wake_providers,
            machines: machines.store(),
            providers: providers.store(),
            own_writes: OwnWrites::default(),
            client,
        };
        let rates = follow_rates(&context, &options.namespace).boxed();
        (Self { machines, providers, definitions, watch, rates }, Arc::new(context))
    }

    /// Runs all until their triggers end and what is under way is done.
    async fn run(self, context: Arc<Context>) {
        let stop = &context.stop;
        tokio::spawn(self.watch.run());
        tokio::spawn(self.rates);
        tokio::select! {
            () = stop.cancelled() => return,
            () = context.halt.clone().known() => {}
        }
        let waking = Arc::clone(&context);
        tokio::spawn(async move { waking.wake_on_halt().await });
        let store = self.machines.store();
        let machines = self
            .machines
            .run(cloud_machine::reconcile, retry, Arc::clone(&context))
            .for_each(count::<CloudMachine, _>(&context, "CloudMachine"));
        let machines = until_drained(machines, store, stop);
        let store = self.providers.store();
        let providers = self
            .providers
            .run(provider::reconcile, retry, Arc::clone(&context))
            .for_each(count::<Provider, _>(&context, "Provider"));
        let providers = until_drained(providers, store, stop);
        let store = self.definitions.store();
        let definitions = self
            .definitions
            .run(provider_definition::reconcile, retry, Arc::clone(&context))
            .for_each(count::<ProviderDefinition, _>(&context, "ProviderDefinition"));
        let definitions = until_drained(definitions, store, stop);
        tokio::join!(machines, providers, definitions);
    }
}

/// Keeps the rates of exchange as the ConfigMap has them, if there is one.
fn follow_rates(context: &Context, namespace: &str) -> impl Future<Output = ()> + use<> {
    let api = Api::namespaced(context.client.clone(), namespace);
    let rates = Arc::clone(&context.rates);
    config_map::follow(api, currency::EXCHANGE_RATES, move |map| {
        let Some(map) = map else { return rates.store(Arc::default()) };
        match Rates::read(map.data.as_ref().unwrap_or(&BTreeMap::new())) {
            Ok(read) => rates.store(Arc::new(read)),
            // What was known last is better than nothing.
            Err(why) => tracing::error!(
                why,
                "the ConfigMap {} is not used; correct it, or delete it for the built-in rates",
                currency::EXCHANGE_RATES
            ),
        }
    })
}

/// Runs a controller to its end. One that is stopped before its first list would wait for that
/// list forever; it has looked at nothing yet, so there is nothing to drain.
async fn until_drained<K>(
    running: impl Future<Output = ()>,
    store: Store<K>,
    stop: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let stopped_unready = async {
        stop.cancelled().await;
        if store.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = running => {}
        () = stopped_unready => {}
    }
}

type Wake<K> = mpsc::UnboundedSender<ObjectRef<K>>;

fn controller<K>(client: &Client, stop: &CancellationToken) -> (Wake<K>, Controller<K>)
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    K: Send + Sync + 'static,
{
    let (wake, woken) = mpsc::unbounded();
    let controller = Controller::new(Api::<K>::all(client.clone()), watcher::Config::default())
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(woken)
        .graceful_shutdown_on(stop.clone().cancelled_owned());
    (wake, controller)
}

/// The delay after a failure of ours (the API, the log): providers' failures are in the decisions.
fn retry<K, E>(_: Arc<K>, _: &E, _: Arc<Context>) -> Action {
    Action::requeue(Duration::from_secs(2))
}

/// What a controller says of one look.
type Looked<K, E> =
    Result<(ObjectRef<K>, Action), kube::runtime::controller::Error<E, watcher::Error>>;

/// Counts looks and logs their failures, once.
fn count<K, E>(
    context: &Arc<Context>,
    kind: &'static str,
) -> impl FnMut(Looked<K, E>) -> std::future::Ready<()> + use<K, E>
where
    K: Resource<DynamicType = ()>,
    E: std::error::Error + 'static,
{
    let metrics = context.metrics.clone();
    move |result| {
        match result {
            Ok(_) => metrics.reconciled(kind, true),
            // It was woken and is gone already.
            Err(kube::runtime::controller::Error::ObjectNotFound(_)) => {}
            Err(error) => {
                metrics.reconciled(kind, false);
                tracing::warn!(kind, error = chain(&error), "reconcile failed");
            }
        }
        std::future::ready(())
    }
}

/// An error with everything beneath it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(beneath) = source {
        let more = beneath.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = beneath.source();
    }
    text
}
