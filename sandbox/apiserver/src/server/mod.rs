//! The listener, its TLS, and the file that lets clients in.

mod kubeconfig;
mod private;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

pub use kubeconfig::WriteError;
pub use tls::CertificateError;

use self::tls::Authority;
use crate::api::Api;
use crate::controllers;
use crate::faults::{FaultError, FaultSpec};
use crate::http;
pub use crate::store::StorageError;
use crate::store::{Log, Store};

/// How long open requests may still take when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take over its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
const MAXIMUM_HEADERS: u32 = 64 * 1024;

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 lets the system choose. The default is `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// The bearer token of the only user; generated when `None`.
    pub token: Option<String>,
    /// How many changes of each resource can be watched from or listed at; older ones answer 410.
    /// The default is 8192; their texts are bounded to 64 MiB besides.
    pub history: usize,
    /// The folder that keeps everything over a restart, the authority and a generated token too. A
    /// process that is killed loses nothing that it acknowledged; a computer that loses power may.
    /// In memory when `None`.
    pub data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen, token: None, history: 8192, data: None }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The certificate authority or the server's certificate could not be made.
    #[error("make certificates")]
    Certificates {
        /// What failed.
        #[source]
        source: CertificateError,
    },
    /// The data folder cannot be used.
    #[error("open the data folder")]
    Storage {
        /// Which file, and why.
        #[source]
        source: StorageError,
    },
    /// The address could not be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl CertificateError {
    fn into_start(self) -> StartError {
        StartError::Certificates { source: self }
    }
}

/// A running server. Dropping it without [`Server::shutdown`] stops it less politely.
pub struct Server {
    api: Arc<Api>,
    address: SocketAddr,
    tasks: TaskTracker,
}

impl Server {
    /// Starts a server with an empty world, the standard namespaces and nothing else, or with what
    /// its data folder holds.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let asked = options.listen;
        let listen = |source| StartError::Listen { address: asked, source };
        let listener = TcpListener::bind(asked).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (store, (authority, token)) = if let Some(folder) = &options.data {
            let opened = Log::open(folder).map_err(|source| StartError::Storage { source })?;
            (Store::recovered(options.history, opened.0, opened.1), private::keys(folder)?)
        } else {
            let authority = Authority::generate().map_err(CertificateError::into_start)?;
            (Store::new(options.history), (authority, generated_token()))
        };
        let tls = tls::configure(&authority, address).map_err(CertificateError::into_start)?;
        let token = options.token.unwrap_or(token);
        let api = Arc::new(Api::new(authority.certificate, token, store));
        controllers::resume(&api);
        for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            if api.namespace(namespace).is_none() {
                controllers::namespaces::bootstrap(&api, namespace);
            }
        }
        let tasks = TaskTracker::new();
        tasks.spawn(controllers::run(Arc::clone(&api)));
        let acceptor = TlsAcceptor::from(tls);
        tasks.spawn(accept(listener, acceptor, Arc::clone(&api), tasks.clone()));
        Ok(Self { api, address, tasks })
    }

    /// The base URL, such as `https://127.0.0.1:6443`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that clients must trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.api.ca_pem
    }

    /// The bearer token that clients must send.
    pub fn token(&self) -> &str {
        &self.api.token
    }

    /// A kubeconfig with address, trust and token, as YAML. It is a secret.
    pub fn kubeconfig(&self) -> String {
        kubeconfig::render(&self.url(), &self.api.ca_pem, &self.api.token)
    }

    /// Writes the kubeconfig to a file that only its owner can read.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<(), WriteError> {
        let failed = |source| WriteError { path: path.to_owned(), source };
        private::write(path, &self.kubeconfig()).map_err(failed)
    }

    /// Sets a fault; its number, unless it was over as soon as it happened.
    pub fn set_fault(&self, spec: FaultSpec) -> Result<Option<u64>, FaultError> {
        self.api.disturb(spec)
    }

    /// Clears one fault, or all.
    pub fn clear_faults(&self, id: Option<u64>) {
        self.api.faults.clear(id);
    }

    /// Ends watches, lets open requests finish for a moment, and stops.
    pub async fn shutdown(self) {
        self.api.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(open = self.tasks.len(), "connections were still open at the end");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.api.closing.cancel();
    }
}

fn generated_token() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, api: Arc<Api>, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = api.closing.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(connection(stream, acceptor.clone(), Arc::clone(&api)));
            }
            // Out of file descriptors, most likely: breathe, then go on.
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, api: Arc<Api>) {
    // Small answers must not wait for more to come.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let service = service_fn(|request| http::handle(Arc::clone(&api), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_buf_size(MAXIMUM_HEADERS as usize * 2);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(MAXIMUM_HEADERS);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = api.closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended");
    }
}
