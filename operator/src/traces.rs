//! Traces over OTLP, HTTP with protobuf: a look at an object, beneath it the calls to providers, beneath
//! those the entries in the witness log.
//!
//! *Invariant*: only our own spans leave, and of them nothing but their fields. A collector that is slow,
//! wrong or absent costs spans and a line in the log; nobody waits for it but the end of the process, and
//! that not for long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::SdkTracerProvider;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::{Layer, Registry};

/// What follows the endpoint's own path, by the specification of OTLP over HTTP.
const PATH: &str = "/v1/traces";
/// How long the collector may take for one batch.
const EXCHANGE: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last spans.
const END: Duration = Duration::from_secs(3);
/// A collector's answer says how many spans it refused; more than this it has no reason to say.
const ANSWER_BYTES: usize = 64 * 1024;

/// Why there are no traces.
#[derive(Debug, Error)]
pub enum TracesError {
    /// The endpoint is not a URL that can be sent to.
    #[error("--otlp-endpoint {0:?}: give http://host:port or https://host:port")]
    Endpoint(String),
    /// TLS cannot be set up.
    #[error("set up TLS to the OTLP endpoint")]
    Tls(#[source] rustls::Error),
    /// The exporter refused what the environment says of it (`OTEL_EXPORTER_OTLP_…`).
    #[error("set up the OTLP exporter")]
    Exporter(#[source] ExporterBuildError),
}

/// The traces of this process, while they are sent.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the thread that sends. Call it within the runtime, on which the exchanges run.
    pub fn start(endpoint: &str) -> Result<Self, TracesError> {
        let endpoint = traces_of(endpoint)?;
        let collector = Collector {
            client: client(&endpoint)?,
            runtime: Handle::current(),
            failing: AtomicBool::new(false),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.to_string())
            .with_http_client(collector)
            .build()
            .map_err(TracesError::Exporter)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        Ok(Self { provider })
    }

    /// What makes OTLP spans of ours: neither of other crates' spans, which may carry URLs, nor of events,
    /// which may carry what a provider said.
    pub fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let ours = FilterFn::new(|metadata| {
            let shown = metadata.is_span() && *metadata.level() <= Level::INFO;
            shown && metadata.target().starts_with("infrafabric")
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("infrafabric"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::INFO))
            .boxed()
    }

    /// Sends what is left, and stops.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(END));
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::warn!("the last spans did not reach the OTLP endpoint in time");
        }
    }
}

/// Where the endpoint takes traces.
fn traces_of(endpoint: &str) -> Result<Uri, TracesError> {
    let refused = || TracesError::Endpoint(without_user(endpoint));
    let base: Uri = endpoint.parse().map_err(|_| refused())?;
    let plain = base.query().is_none() && !endpoint.contains(['@', '#']);
    if !matches!(base.scheme_str(), Some("http" | "https")) || base.host().is_none() || !plain {
        return Err(refused());
    }
    format!("{}{PATH}", endpoint.trim_end_matches('/')).parse().map_err(|_| refused())
}

/// What was given, without what may be a password in it.
fn without_user(endpoint: &str) -> String {
    let host = endpoint.rsplit_once('@').map_or(endpoint, |(_, host)| host);
    host.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.name", "infrafabric"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .build()
}

type Connection = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Trusts what the computer trusts. Who sends without TLS needs no root certificates.
fn client(endpoint: &Uri) -> Result<Connection, TracesError> {
    let builder = HttpsConnectorBuilder::new();
    let schemes = if endpoint.scheme_str() == Some("https") {
        builder.try_with_platform_verifier().map_err(TracesError::Tls)?
    } else {
        let roots = RootCertStore::empty();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        builder.with_tls_config(config)
    };
    let connector = schemes.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// The HTTP client of the exporter.
#[derive(Debug)]
struct Collector {
    client: Connection,
    runtime: Handle,
    /// Whether the last exchange failed.
    failing: AtomicBool,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The exporter's thread has no runtime: the exchange runs on ours, timer and all, and the thread
        // waits.
        let exchange = exchange(self.client.clone(), request);
        let task = self.runtime.spawn(async { tokio::time::timeout(EXCHANGE, exchange).await });
        let answer = match task.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(late)) => Err(late.into()),
            Err(stopped) => Err(stopped.into()),
        };
        self.tell(&answer);
        answer
    }
}

impl Collector {
    /// Says once that spans do not arrive, and once that they do again.
    fn tell(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let failure = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(crate::run::chain(&**error)),
        };
        match (self.failing.swap(failure.is_some(), Ordering::AcqRel), failure) {
            (false, Some(error)) => {
                tracing::warn!(
                    error,
                    "spans do not reach the OTLP endpoint; nothing else waits for it"
                );
            }
            (true, None) => tracing::info!("spans reach the OTLP endpoint again"),
            _ => {}
        }
    }
}

async fn exchange(
    client: Connection,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let response = client.request(request.map(Full::new)).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_follows_the_endpoint() {
        let table = [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://otlp.example/tenant", "https://otlp.example/tenant/v1/traces"),
        ];
        for (endpoint, expected) in table {
            assert_eq!(traces_of(endpoint).expect(endpoint).to_string(), expected);
        }
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused_without_its_password() {
        let table = ["collector:4318", "ftp://collector", "http://", "http://c/?key=zebra"];
        for endpoint in table.into_iter().chain(["http://user:zebra@collector:4318", ""]) {
            let error = traces_of(endpoint).expect_err(endpoint).to_string();
            assert!(error.contains("--otlp-endpoint") && !error.contains("zebra"), "{error}");
        }
    }
}
