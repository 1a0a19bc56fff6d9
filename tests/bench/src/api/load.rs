//! The load: many writers, and watchers that count what they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::Error;

/// How many writers write at the same time.
const WORKERS: usize = 50;
/// How long the watchers may take to be told of the last write.
const TOLD: Duration = Duration::from_mins(1);
pub(super) const GROUP: &str = "bench.example.com";
const PLACE: &str = "/apis/bench.example.com/v1/namespaces/default/widgets";

/// A small definition such as operators have: defaults, a keyed list, bounds, a rule, a status.
pub(super) fn definition() -> Value {
    let condition = json!({"type": "object", "required": ["type", "status"], "properties": {
        "type": {"type": "string", "maxLength": 316},
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": {"type": "string"}, "message": {"type": "string", "maxLength": 32768},
        "lastTransitionTime": {"type": "string", "format": "date-time"}}});
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"],
            "x-kubernetes-validations": [{"rule": "self.mode != 'fast' || self.size > 1",
                "message": "a fast one is larger than 1"}],
            "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 1000},
            "mode": {"type": "string", "enum": ["slow", "fast"], "default": "slow"},
            "note": {"type": "string", "maxLength": 8192},
            "ports": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"], "items": {
                    "type": "object", "required": ["name"], "properties": {
                        "name": {"type": "string"},
                        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                        "protocol": {"type": "string", "default": "TCP"}}}}}},
        "status": {"type": "object", "properties": {
            "state": {"type": "string"},
            "observedGeneration": {"type": "integer", "format": "int64"},
            "conditions": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"], "items": condition}}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    {"name": "State", "type": "string", "jsonPath": ".status.state"}]}]}})
}

/// One request of a kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// A new object, with a note of so many bytes.
    Create { prefix: &'static str, note: usize },
    /// The status, by server-side apply.
    Status { prefix: &'static str },
}

impl Write {
    fn request(self, number: usize) -> Result<http::Request<Vec<u8>>, Error> {
        let (method, path, media, body) = match self {
            Self::Create { prefix, note } => {
                let mut object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Widget",
                    "metadata": {"name": format!("{prefix}-{number}"), "labels": {"app": "bench"}},
                    "spec": {"size": 1 + number % 1000, "ports": [
                        {"name": "http", "port": 80}, {"name": "https", "port": 443}]}});
                if note > 0 {
                    object["spec"]["note"] = json!("n".repeat(note));
                }
                ("POST", PLACE.to_owned(), "application/json", object)
            }
            Self::Status { prefix } => {
                let name = format!("{prefix}-{number}");
                let query = "fieldManager=bench&force=true";
                let path = format!("{PLACE}/{name}/status?{query}");
                let object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Widget",
                    "metadata": {"name": name},
                    "status": {"state": "Running", "observedGeneration": 1, "conditions": [
                        {"type": "Ready", "status": "True", "reason": "Running",
                            "message": format!("{name} runs"),
                            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
                ("PATCH", path, "application/apply-patch+yaml", object)
            }
        };
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header(http::header::CONTENT_TYPE, media);
        request.body(serde_json::to_vec(&body).unwrap_or_default()).map_err(|error| {
            Error::Manifest { what: "a request".to_owned(), reason: error.to_string() }
        })
    }
}

/// Writes `count` objects and waits until every watcher was told of each; gives how long it took.
pub(super) async fn run(
    client: &Client,
    watchers: &mut [Watcher],
    write: Write,
    count: usize,
) -> Result<Duration, Error> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (next, client) = (Arc::clone(&next), client.clone());
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let (parts, body) = write.request(number)?.into_parts();
                let request = http::Request::from_parts(parts, Body::from(body));
                let answer = client.send(request).await.map_err(Error::kube("write"))?;
                let status = answer.status();
                let body = answer.into_body().collect().await.map_err(Error::kube("write"))?;
                if !status.is_success() {
                    let found = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                    let wanted = "success".to_owned();
                    return Err(Error::Wrong { what: "the answer to a write", wanted, found });
                }
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|source| Error::Worker { source })??;
    }
    for watcher in watchers {
        watcher.told(count).await?;
    }
    Ok(began.elapsed())
}

/// A running watch of all widgets that counts what it is told, and goes on where it was when the
/// server ends it, as clients do.
pub(super) struct Watcher {
    /// How many changes each part of the stream told of.
    lines: mpsc::UnboundedReceiver<usize>,
    reading: tokio::task::JoinHandle<()>,
}

impl Watcher {
    /// Watches from now on.
    pub(super) async fn start(client: &Client) -> Result<Self, Error> {
        let list = get(client, &format!("{PLACE}?limit=1")).await?;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let body = watch(client, &version).await?;
        let (sender, lines) = mpsc::unbounded_channel();
        let reading = tokio::spawn(follow(client.clone(), body, version, sender));
        Ok(Self { lines, reading })
    }

    async fn told(&mut self, count: usize) -> Result<(), Error> {
        let mut seen = 0;
        let all = async {
            while seen < count {
                seen += self.lines.recv().await?;
            }
            Some(())
        };
        let ended = tokio::time::timeout(TOLD, all).await;
        if matches!(ended, Ok(Some(()))) && seen == count {
            return Ok(());
        }
        let (wanted, found) = (count.to_string(), seen.to_string());
        Err(Error::Wrong { what: "changes that a watcher was told of", wanted, found })
    }
}

async fn watch(client: &Client, version: &str) -> Result<Body, Error> {
    let path = format!("{PLACE}?watch=1&resourceVersion={version}&timeoutSeconds=600");
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = path.parse().map_err(|_| Error::Wrong {
        what: "a resourceVersion",
        wanted: "a number".to_owned(),
        found: version.to_owned(),
    })?;
    let answer = client.send(request).await.map_err(Error::kube("watch"))?;
    Ok(answer.into_body())
}

/// Reads until nobody wants to know, or a watch cannot be begun again.
async fn follow(
    client: Client,
    mut body: Body,
    mut version: String,
    sender: mpsc::UnboundedSender<usize>,
) {
    loop {
        let mut rest = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else { continue };
            rest.extend_from_slice(data);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let told = rest[..=end].split_inclusive(|byte| *byte == b'\n');
            let last = told.clone().next_back().map(serde_json::from_slice::<Value>);
            let Some(Ok(last)) = last else { return };
            let Some(newest) = last["object"]["metadata"]["resourceVersion"].as_str() else {
                return;
            };
            newest.clone_into(&mut version);
            if sender.send(told.count()).is_err() {
                return;
            }
            rest.drain(..=end);
        }
        let Ok(again) = watch(&client, &version).await else { return };
        body = again;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn get(client: &Client, path: &str) -> Result<Value, Error> {
    let mut request = http::Request::new(Vec::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    client.request(request).await.map_err(Error::kube("get"))
}
