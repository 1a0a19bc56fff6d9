//! The one place that sends.

use std::error::Error as _;
use std::sync::LazyLock;
use std::time::Duration;

use http::header::HeaderMap;
use tokio::time::Instant;

use super::answer::{self, Body};
use super::call::Events;

/// How long it may take to reach the provider.
const CONNECT: Duration = Duration::from_secs(5);
/// Shorter than what load balancers keep, so that an effect rarely goes out on a connection that
/// the other side is closing.
const IDLE: Duration = Duration::from_secs(20);

/// One client for the whole process: one pool of connections, one set of root certificates.
static CLIENT: LazyLock<Result<reqwest::Client, reqwest::Error>> = LazyLock::new(client);

/// What came back.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) struct SendFailure {
    /// Whether the request may have reached the provider.
    pub(crate) sent: bool,
    /// What happened, without URL.
    pub(crate) reason: String,
    /// The step beneath.
    pub(crate) source: Option<reqwest::Error>,
}

/// An empty request for the client, to be authenticated.
pub(crate) fn prepare(request: &super::request::Request) -> reqwest::Request {
    let mut prepared = reqwest::Request::new(request.method.clone(), request.url.clone());
    prepared.headers_mut().clone_from(&request.headers);
    if !request.body.is_empty() {
        *prepared.body_mut() = Some(request.body.clone().into());
    }
    prepared
}

/// Sends a request and reads its answer, at most `limit` bytes of it, until the deadline; `events` sees
/// those of a stream as they come.
pub(crate) async fn send(
    request: reqwest::Request,
    limit: usize,
    deadline: Instant,
    events: Option<&Events<'_>>,
) -> Result<Received, SendFailure> {
    let client = CLIENT.as_ref().map_err(|error| SendFailure {
        sent: false,
        reason: format!("set up TLS: {}", innermost(error)),
        source: None,
    })?;
    #[expect(clippy::disallowed_methods, reason = "the one place that sends")]
    let exchange = client.execute(request);
    let response = match tokio::time::timeout_at(deadline, exchange).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failure(error)),
        Err(_) => {
            let reason = "no answer in time".to_owned();
            return Err(SendFailure { sent: true, reason, source: None });
        }
    };
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    // A refusal is no stream, whatever was asked for.
    let events = events.filter(|_| (200..300).contains(&status));
    let body = answer::read(response, limit, deadline, events).await;
    Ok(Received { status, headers, body })
}

fn failure(error: reqwest::Error) -> SendFailure {
    let error = error.without_url();
    let sent = !(error.is_connect() || error.is_builder());
    let step = if sent { "the connection ended before the answer" } else { "connect" };
    SendFailure { sent, reason: format!("{step}: {}", innermost(&error)), source: Some(error) }
}

/// The text of the deepest cause, which is the one that says something.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = deeper.to_string();
        cause = deeper.source();
    }
    text
}

/// Trusts what the computer trusts (`rustls-platform-verifier`), because companies have
/// authorities of their own and lists baked into a binary grow old. A computer without any root
/// certificate can still speak plain HTTP to a sandbox on loopback; HTTPS then fails by name.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Somebody else may have installed it, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder().build().or_else(|error| {
        tracing::warn!(error = %innermost(&error), "no root certificates: HTTPS will fail");
        builder().tls_certs_only([]).build()
    })
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("infrafabric/", env!("CARGO_PKG_VERSION")))
        // Credentials never follow a redirect, and neither does an effect.
        .redirect(reqwest::redirect::Policy::none())
        // What is repeated is the pipeline's decision, after the permit was asked again.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_without_root_certificates_still_has_a_client() {
        client().expect("a client, which installs the crypto provider");
        builder().tls_certs_only([]).build().expect("a client for plain HTTP");
    }
}
