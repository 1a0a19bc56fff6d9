//! A server and a client for it, with the sample definition installed.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::time::Duration;

use embedded_kube_api::{Options, Server};
use kube::api::{DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

pub(crate) const WIDGETS: &str = include_str!("../data/widgets.yaml");
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn server() -> (Server, Client) {
    server_with(Options::default()).await
}

pub(crate) async fn server_with(options: Options) -> (Server, Client) {
    let server = Server::start(options).await.expect("server starts");
    let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig()).expect("kubeconfig parses");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("kubeconfig is complete");
    let client = Client::try_from(config).expect("client is built");
    (server, client)
}

pub(crate) async fn with_widgets() -> (Server, Client, Api<DynamicObject>) {
    let (server, client) = server().await;
    let definition: Value = serde_saphyr::from_str(WIDGETS).expect("definition parses");
    let definitions = Api::all_with(client.clone(), &definition_resource());
    let object: DynamicObject = serde_json::from_value(definition).expect("an object");
    definitions.create(&PostParams::default(), &object).await.expect("definition is created");
    let widgets = Api::namespaced_with(client.clone(), "default", &widget_resource());
    (server, client, widgets)
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
