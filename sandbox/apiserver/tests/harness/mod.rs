//! A server and a client for it, with the sample definition installed.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use embedded_kube_api::{Options, Server};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

pub(crate) const WIDGETS: &str = include_str!("../data/widgets.yaml");
/// A real server's garbage collector learns of new kinds every half minute.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The server of a test: its own, or a real one that `TEST_KUBECONFIG` names, where the
/// test has a namespace of its own.
pub(crate) enum Host {
    Own(Server),
    Real,
}

impl Host {
    pub(crate) async fn shutdown(self) {
        if let Self::Own(server) = self {
            server.shutdown().await;
        }
    }

    /// The certificate of a server of one's own.
    pub(crate) fn ca_pem(&self) -> Option<&str> {
        match self {
            Self::Own(server) => Some(server.ca_pem()),
            Self::Real => None,
        }
    }
}

pub(crate) async fn server() -> (Host, Client) {
    if let Some(path) = std::env::var_os("TEST_KUBECONFIG") {
        let file = Kubeconfig::read_from(path).expect("the kubeconfig that was named");
        return (Host::Real, client(file, &real_namespace()).await);
    }
    let (server, client) = server_with(Options::default()).await;
    (Host::Own(server), client)
}

/// A namespace that no other test has.
fn real_namespace() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("client-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A client whose namespace is there.
async fn client(file: Kubeconfig, namespace: &str) -> Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let mut config = config.expect("kubeconfig is complete");
    namespace.clone_into(&mut config.default_namespace);
    let client = Client::try_from(config).expect("client is built");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(namespace).await.expect("an answer").is_none() {
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}}));
        let object: Namespace = object.expect("a namespace");
        namespaces.create(&PostParams::default(), &object).await.expect("it is made");
    }
    client
}

pub(crate) async fn server_with(options: Options) -> (Server, Client) {
    let server = Server::start(options).await.expect("server starts");
    let file = Kubeconfig::from_yaml(&server.kubeconfig()).expect("kubeconfig parses");
    let client = client(file, "default").await;
    (server, client)
}

pub(crate) async fn with_widgets() -> (Host, Client, Api<DynamicObject>) {
    let (server, client) = server().await;
    let widgets = define(&client).await;
    (server, client, widgets)
}

/// The same on a server of one's own, whatever the environment says.
pub(crate) async fn own_with_widgets() -> (Server, Client, Api<DynamicObject>) {
    let (server, client) = server_with(Options::default()).await;
    let widgets = define(&client).await;
    (server, client, widgets)
}

async fn define(client: &Client) -> Api<DynamicObject> {
    let definition: Value = serde_saphyr::from_str(WIDGETS).expect("definition parses");
    let definitions = Api::all_with(client.clone(), &definition_resource());
    let object: DynamicObject = serde_json::from_value(definition).expect("an object");
    match definitions.create(&PostParams::default(), &object).await {
        // On a real server another test was first.
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        made => _ = made.expect("definition is created"),
    }
    let widgets: Api<DynamicObject> =
        Api::default_namespaced_with(client.clone(), &widget_resource());
    let served = async || widgets.list(&ListParams::default()).await.ok();
    eventually("the definition is served", served).await;
    widgets
}

pub(crate) fn definition_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
    ))
}

pub(crate) fn widget_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"))
}

pub(crate) fn widget(name: &str, spec: impl Into<Value>) -> DynamicObject {
    serde_json::from_value(json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": name}, "spec": spec.into()}))
    .expect("an object")
}

/// Asks again until the answer is there or patience ends.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The status of a refused request.
pub(crate) fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String, String) {
    match result {
        Err(kube::Error::Api(status)) => {
            (status.code, status.reason.clone(), status.message.clone())
        }
        other => panic!("not refused: {other:?}"),
    }
}
