//! The server: listens on loopback and hands each request to a provider or to the admin API.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use infrafabric_adapters::clock::{Clock, SystemClock};
use infrafabric_adapters::compile::Compiled;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::admin;
use crate::answer::{Answer, Outgoing};
use crate::client::WorldClient;
use crate::exchange::exchange;
use crate::fault::Faults;
use crate::ledger::{Ledger, Unmatched};
use crate::provider::Provider;
use crate::received::{Received, decode};
use crate::recorder::{Exchange, Recorder};
use crate::{vmix, websocket};

/// The largest request body that is read.
const BODY: usize = 16 * 1024 * 1024;

/// What a world is started with.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// Where to listen; port 0 takes one from the kernel.
    pub listen: SocketAddr,
    /// The definitions to simulate; those without a `sandbox:` section are left out.
    pub definitions: Vec<Arc<Compiled>>,
    /// How long each phase of a thing's state lasts.
    pub phase: Duration,
    /// How long every provider answer takes.
    pub latency: Duration,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
    /// Who keeps what goes over the wire, if anybody.
    pub recorder: Option<Arc<Recorder>>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            definitions: Vec::new(),
            phase: Duration::from_secs(1),
            latency: Duration::ZERO,
            clock: Arc::new(SystemClock),
            recorder: None,
        }
    }
}

/// Why a world does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The address is not loopback; the simulated accounts' credentials are no secret.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
}

/// Simulated providers that are being served. Dropping it stops them.
#[derive(Debug)]
pub struct World {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) phase: Duration,
    pub(crate) latency: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    /// Changes, or is closed, when the world stops.
    pub(crate) stopped: watch::Receiver<bool>,
    ip: IpAddr,
    recorder: Option<Arc<Recorder>>,
    providers: RwLock<BTreeMap<String, Arc<Provider>>>,
}

impl World {
    /// Starts serving.
    pub async fn start(options: WorldOptions) -> Result<Self, StartError> {
        let address = options.listen;
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopped) = watch::channel(false);
        let shared = Shared {
            phase: options.phase,
            latency: options.latency,
            clock: options.clock,
            ledger: Ledger::default(),
            faults: Faults::default(),
            stopped: stopped.clone(),
            ip: address.ip(),
            recorder: options.recorder,
            providers: RwLock::default(),
        };
        for definition in options.definitions {
            if !shared.put(definition.clone()) {
                tracing::info!(definition = definition.name(), "no sandbox section, not simulated");
            }
        }
        let task = tokio::spawn(serve(listener, Arc::new(shared), stopped));
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL; a provider is at `{url}/p/{definition}`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of its admin API.
    pub fn client(&self) -> WorldClient {
        WorldClient::new(self.address)
    }

    /// Closes every connection and stops listening.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // An error would be the task's own panic, which has stopped it as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// The provider of that name.
    pub(crate) fn provider(&self, name: &str) -> Option<Arc<Provider>> {
        self.providers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All providers.
    pub(crate) fn providers(&self) -> Vec<Arc<Provider>> {
        self.providers.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Takes a definition into use; false when it has no simulated side.
    pub(crate) fn put(&self, definition: Arc<Compiled>) -> bool {
        let name = definition.name().to_owned();
        let mut providers = self.providers.write().unwrap_or_else(PoisonError::into_inner);
        let provider = Provider::new(definition, providers.get(&name).map(Arc::as_ref));
        let Some(mut provider) = provider else { return false };
        if provider.events_port.is_none() {
            provider.events_port = vmix::listen(&provider, self.ip, self.stopped.clone());
        }
        providers.insert(name, Arc::new(provider));
        true
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
                Err(error) => tracing::warn!(%error, "accept"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Small answers must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| handle(Arc::clone(&shared), request));
    // An error is a client that left, or an answer that a fault withheld.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

/// The connection is to be closed without an answer.
#[derive(Debug, Error)]
#[error("no answer")]
struct Withheld;

async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Withheld> {
    let name = request.uri().path().strip_prefix("/p/").map(|rest| rest.split('/').next());
    let socket = name.flatten().and_then(|name| shared.provider(&decode(name)));
    if let Some(provider) = socket
        && let Some(speaks) = websocket::wanted(&provider, &request)
    {
        return Ok(websocket::switch(shared, provider, request, speaks));
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY).collect().await.map(Collected::to_bytes) else {
        return Ok(Answer::empty(413).into_response());
    };
    let path = parts.uri.path().to_owned();
    if let Some(rest) = path.strip_prefix("/_world") {
        let query = parts.uri.query().unwrap_or_default();
        return Ok(admin::answer(&shared, &parts.method, rest, query, &body).into_response());
    }
    let place = path.strip_prefix("/p/").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let (name, rest) = place.unwrap_or(("", ""));
    let Some(provider) = shared.provider(&decode(name)) else {
        return Ok(unknown(&shared, parts.method.as_str(), name, &path).into_response());
    };
    let received = Received::new(parts, format!("/{rest}"), body);
    let recorder = shared.recorder.as_ref();
    let asked = recorder.map(|recorder| (recorder, asked(provider.name(), &received)));
    match exchange(&shared, &provider, received).await {
        Some(mut answer) => {
            // Clients correct their clocks by it: it must be the clock that signatures are held to.
            let date = shared.clock.now().format("%a, %d %b %Y %H:%M:%S GMT");
            if let Some((recorder, asked)) = asked {
                recorder.add(answered(asked, &answer));
            }
            answer.headers.push(("date".to_owned(), date.to_string()));
            Ok(answer.into_response())
        }
        None => Err(Withheld),
    }
}

/// What is asked, with the answer to come.
fn asked(definition: &str, received: &Received) -> Exchange {
    Exchange {
        definition: definition.to_owned(),
        method: received.verb.to_string(),
        path: received.path.clone(),
        query: received.wire_query.clone(),
        kind: received.header("content-type").unwrap_or_default().to_owned(),
        body: received.body.clone(),
        status: 0,
        answer_kind: String::new(),
        answer: Bytes::new(),
    }
}

fn answered(asked: Exchange, answer: &Answer) -> Exchange {
    let kind = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    Exchange {
        status: answer.status,
        answer_kind: kind.map(|(_, kind)| kind.clone()).unwrap_or_default(),
        answer: answer.body.clone(),
        ..asked
    }
}

fn unknown(shared: &Shared, method: &str, definition: &str, path: &str) -> Answer {
    shared.ledger.count(definition, "unmatched");
    shared.ledger.unmatched(Unmatched {
        time: shared.clock.now(),
        definition: definition.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
    });
    admin::refusal(404, "a provider is at /p/{definition}; GET /_world lists them")
}
