//! A client of the admin API, for the demo, the CLI and tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use thiserror::Error;
use tokio::net::TcpStream;

use crate::deliver::Delivered;
use crate::fault::{FaultShown, FaultSpec};
use crate::ledger::LedgerPage;
use crate::thing::ThingShown;

/// Asks a world's admin API; one connection per request.
#[derive(Clone, Debug)]
pub struct WorldClient {
    address: SocketAddr,
}

/// Why an admin request gave no result.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The URL is not `http://address:port`.
    #[error("`{0}` is no URL such as http://127.0.0.1:4100")]
    Url(String),
    /// There is no connection.
    #[error("connect to the world at {address}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The exchange failed.
    #[error("exchange with the world")]
    Exchange(#[source] hyper::Error),
    /// The request cannot be written.
    #[error("write the request")]
    Request(#[source] http::Error),
    /// The answer is not what the admin API answers.
    #[error("read the world's answer")]
    Answer(#[source] serde_json::Error),
    /// The world refuses, and says why.
    #[error("the world refuses ({status}): {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its sentence.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Released {
    released: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    events_ports: BTreeMap<String, u16>,
}

#[derive(Deserialize)]
struct Account {
    account: String,
}

impl WorldClient {
    /// A client of the world at that address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// A client of the world with that base URL, `http://127.0.0.1:4100`.
    pub fn from_url(url: &str) -> Result<Self, ClientError> {
        let address = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let address = address.and_then(|address| address.parse().ok());
        address.map(Self::new).ok_or_else(|| ClientError::Url(url.to_owned()))
    }

    /// The port where the simulated provider of a definition pushes events, if it has one of its own.
    pub async fn events_port(&self, definition: &str) -> Result<Option<u16>, ClientError> {
        let overview: Overview = self.ask(Method::GET, "", None).await?;
        Ok(overview.events_ports.get(definition).copied())
    }

    /// Sets a fault and gives its id.
    pub async fn set_fault(&self, fault: &FaultSpec) -> Result<u64, ClientError> {
        let body = serde_json::to_value(fault).map_err(ClientError::Answer)?;
        Ok(self.ask::<Id>(Method::POST, "/faults", Some(&body)).await?.id)
    }

    /// The faults that are set.
    pub async fn faults(&self) -> Result<Vec<FaultShown>, ClientError> {
        self.ask(Method::GET, "/faults", None).await
    }

    /// Takes a fault back.
    pub async fn clear_fault(&self, id: u64) -> Result<(), ClientError> {
        self.ask::<Json>(Method::DELETE, &format!("/faults/{id}"), None).await.map(drop)
    }

    /// Takes all faults back.
    pub async fn clear_faults(&self) -> Result<(), ClientError> {
        self.ask::<Json>(Method::DELETE, "/faults", None).await.map(drop)
    }

    /// Lets held answers go, of one fault or of all; how many there were.
    pub async fn release(&self, fault: Option<u64>) -> Result<u64, ClientError> {
        let body = json!({ "fault": fault });
        Ok(self.ask::<Released>(Method::POST, "/release", Some(&body)).await?.released)
    }

    /// Effects after the entry `since`, and the counters, of one definition or of all.
    pub async fn ledger(
        &self,
        definition: Option<&str>,
        since: u64,
    ) -> Result<LedgerPage, ClientError> {
        let definition = definition.unwrap_or_default();
        let path = format!("/ledger?definition={definition}&since={since}");
        self.ask(Method::GET, &path, None).await
    }

    /// Living things, of one definition or of all.
    pub async fn things(&self, definition: Option<&str>) -> Result<Vec<ThingShown>, ClientError> {
        let path = format!("/things?definition={}", definition.unwrap_or_default());
        self.ask(Method::GET, &path, None).await
    }

    /// Adds a provider from a ProviderDefinition manifest, or replaces the one of its name, whose
    /// accounts and things stay.
    pub async fn add_definition(&self, manifest: &Json) -> Result<(), ClientError> {
        self.ask::<Json>(Method::POST, "/definitions", Some(manifest)).await.map(drop)
    }

    /// Adds an account, or finds the one with those secrets, with that quota (none: no limit);
    /// gives its digest.
    pub async fn add_account(
        &self,
        definition: &str,
        secrets: &[(&str, &str)],
        quota: Option<u64>,
    ) -> Result<String, ClientError> {
        let secrets: serde_json::Map<String, Json> =
            secrets.iter().map(|(key, value)| ((*key).to_owned(), Json::from(*value))).collect();
        let body = json!({"definition": definition, "secrets": secrets, "quota": quota});
        Ok(self.ask::<Account>(Method::POST, "/accounts", Some(&body)).await?.account)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<T, ClientError> {
        let text = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/_world{path}"))
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(text)))
            .map_err(ClientError::Request)?;
        let (status, bytes) = self.exchange(request).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(ClientError::Answer);
        }
        let json: Json = serde_json::from_slice(&bytes).unwrap_or_default();
        let reason = json["error"].as_str().unwrap_or_default().to_owned();
        Err(ClientError::Refused { status: status.as_u16(), reason })
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        exchange(self.address, request).await
    }
}

/// Brings a delivery to who listens at that address (`http://127.0.0.1:8080/hook`), and says what was
/// answered: the status and the body.
pub async fn bring(to: &str, delivered: &Delivered) -> Result<(u16, String), ClientError> {
    let wrong = || ClientError::Url(to.to_owned());
    let rest = to.strip_prefix("http://").ok_or_else(wrong)?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address: SocketAddr = host.parse().map_err(|_| wrong())?;
    let query = delivered.url.split_once('?').map(|(_, query)| format!("?{query}"));
    let path = if path.is_empty() { "/" } else { path };
    let mut request = Request::builder()
        .method(delivered.method)
        .uri(format!("{path}{}", query.unwrap_or_default()))
        .header(header::HOST, host);
    for (name, value) in &delivered.headers {
        request = request.header(name, value);
    }
    let body = Full::new(Bytes::from(delivered.body.clone()));
    let request = request.body(body).map_err(ClientError::Request)?;
    let (status, body) = exchange(address, request).await?;
    Ok((status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
}

async fn exchange(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|source| ClientError::Connect { address, source })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(ClientError::Exchange)?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        drop(sender);
        Ok((status, body))
    };
    // The connection is driven beside the exchange and ends with it.
    let (result, _) = tokio::join!(exchange, connection);
    result.map_err(ClientError::Exchange)
}
