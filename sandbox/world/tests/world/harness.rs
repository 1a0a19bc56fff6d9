//! A world under test, with a clock that only the test moves, and a plain HTTP client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use infrafabric_adapters::clock::{Clock, SetClock};
use infrafabric_adapters::compile::Compiled;
use infrafabric_world::{LedgerPage, World, WorldClient, WorldOptions};
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) struct Harness {
    pub(crate) world: World,
    pub(crate) client: WorldClient,
    pub(crate) clock: Arc<SetClock>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Harness {
    pub(crate) async fn start(definitions: Vec<Arc<Compiled>>) -> Self {
        let start: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("time");
        let clock = Arc::new(SetClock::at(start));
        let options = WorldOptions {
            definitions,
            phase: Duration::from_secs(10),
            clock: clock.clone(),
            ..WorldOptions::default()
        };
        let world = World::start(options).await.expect("starts");
        Self { client: world.client(), world, clock }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.set(self.clock.now() + by);
    }

    /// Sends a request; the error is the connection's.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer, hyper::Error> {
        let stream = TcpStream::connect(self.world.address()).await.expect("connects");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let address = self.world.address().to_string();
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", address);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body: Vec<u8> = body.into();
        let request = request.body(Full::new(bytes::Bytes::from(body))).expect("request");
        let answer = sender.send_request(request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        connection.abort();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// A JSON request with a bearer token.
    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        self.try_ask(method, path, token, body).await.expect("an answer")
    }

    pub(crate) async fn try_ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Value,
    ) -> Result<Answer, hyper::Error> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &headers, body).await
    }

    /// A request to quay.
    pub(crate) async fn quay(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask(method, &format!("/p/quay{path}"), "quay-token", body).await
    }

    /// Makes a box in quay.
    pub(crate) async fn make(&self, name: &str) -> Answer {
        self.quay("POST", "/boxes", quay_box(name)).await
    }

    pub(crate) async fn ledger(&self) -> LedgerPage {
        self.client.ledger(None, 0).await.expect("ledger")
    }
}

/// The body that makes a box in quay.
pub(crate) fn quay_box(name: &str) -> Value {
    json!({"name": name, "where": {"region": "north"}, "size": "s1", "user_data": "#cloud-config",
           "tags": ["if-mark", "extra"]})
}

/// Waits until it holds; a test never sleeps for a fixed time.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
