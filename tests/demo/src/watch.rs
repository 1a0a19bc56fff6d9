//! Watches the objects and the Events through the Kubernetes API, and tells what happens.

use std::fmt::Debug;
use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use infrafabric_crds::condition::{self, READY};
use infrafabric_crds::{CloudMachine, Condition, Provider};
use k8s_openapi::api::events::v1::Event;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::board::{Board, Row};
use crate::manifests::NAMESPACE;

/// Starts watching; ends when the set is dropped.
pub(crate) fn start(client: &Client, board: &Board) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(machines(client.clone(), board.clone()));
    tasks.spawn(providers(client.clone(), board.clone()));
    tasks.spawn(events(client.clone(), board.clone()));
    tasks
}

/// What happens to the objects; a watch that broke is opened again, later each time.
fn watch<K>(api: Api<K>) -> Pin<Box<impl Stream<Item = watcher::Event<K>>>>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let stream = watcher::watcher(api, Config::default()).default_backoff();
    Box::pin(stream.filter_map(|event| std::future::ready(event.ok())))
}

async fn machines(client: Client, board: Board) {
    let api: Api<CloudMachine> = Api::namespaced(client, NAMESPACE);
    let mut stream = watch(api);
    while let Some(event) = stream.next().await {
        match event {
            watcher::Event::Apply(machine) | watcher::Event::InitApply(machine) => {
                machine_seen(&machine, &board);
            }
            watcher::Event::Delete(machine) => {
                board.hide("machine", &machine.name_any());
                board.tell(&format!("machine {}  gone", machine.name_any()));
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }
}

fn machine_seen(machine: &CloudMachine, board: &Board) {
    let status = machine.status.clone().unwrap_or_default();
    let name = machine.name_any();
    let Some(state) = status.state else { return };
    board.saw(&name, state);
    let mut row = Row {
        ready: ready(&status.conditions),
        state: format!("{state:?}"),
        address: status.address.unwrap_or_default(),
        witness: status.witness.map(|witness| witness.index.to_string()).unwrap_or_default(),
        ..Row::default()
    };
    if let Some(active) = status.active {
        row.provider = format!("{}/{}", active.provider, active.region);
        row.size = active.size;
        row.price = active.price_per_hour.unwrap_or_default();
    }
    let ready = condition::find(&status.conditions, READY);
    let message = ready.map(|ready| format!(": {}", ready.message)).unwrap_or_default();
    if board.show("machine", &name, &row) {
        board.tell(&format!("machine {name}  {state:?}{message}"));
    }
}

async fn providers(client: Client, board: Board) {
    let api: Api<Provider> = Api::namespaced(client, NAMESPACE);
    let mut stream = watch(api);
    while let Some(event) = stream.next().await {
        match event {
            watcher::Event::Apply(provider) | watcher::Event::InitApply(provider) => {
                provider_seen(&provider, &board);
            }
            watcher::Event::Delete(provider) => {
                board.hide("provider", &provider.name_any());
                board.tell(&format!("provider {}  gone", provider.name_any()));
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }
}

fn provider_seen(provider: &Provider, board: &Board) {
    let name = provider.name_any();
    let conditions = provider.status.clone().unwrap_or_default().conditions;
    let Some(found) = condition::find(&conditions, READY) else { return };
    let row = Row {
        ready: ready(&conditions),
        state: found.reason.clone(),
        provider: provider.spec.type_.clone(),
        ..Row::default()
    };
    if board.show("provider", &name, &row) {
        board.tell(&format!("provider {name}  {}: {}", found.reason, found.message));
    }
}

fn ready(conditions: &[Condition]) -> String {
    condition::find(conditions, READY).map(|ready| ready.status.clone()).unwrap_or_default()
}

async fn events(client: Client, board: Board) {
    let api: Api<Event> = Api::namespaced(client, NAMESPACE);
    let mut stream = watch(api);
    while let Some(event) = stream.next().await {
        if let watcher::Event::Apply(event) | watcher::Event::InitApply(event) = event {
            let name = event.regarding.and_then(|object| object.name).unwrap_or_default();
            let reason = event.reason.unwrap_or_default();
            board.tell(&format!("event {name}  {reason}: {}", event.note.unwrap_or_default()));
        }
    }
}
