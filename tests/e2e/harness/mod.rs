//! What a test stands on: an API server, providers, an operator, and polls with deadlines.

mod api;
mod http;
mod manifests;
mod operator;
mod stage;
mod truth;
mod world;

pub(crate) use api::{condition, ready};
pub(crate) use http::request;
pub(crate) use manifests::{
    cloud, documents, example, manifest_files, provider, secret, shelf, web,
};
#[allow(unused_imports, reason = "the suites that let the operator die use it")]
pub(crate) use operator::Operator;
pub(crate) use stage::{Setup, Stage};
#[allow(unused_imports, reason = "the suites that let the operator die use it")]
pub(crate) use truth::BY_HAND;

use std::time::{Duration, Instant};

/// How long a test waits for what must happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// How long a test watches that nothing happens.
pub(crate) const QUIET: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(20);

/// Polls until `look` gives something; none when the time is over.
pub(crate) async fn poll<T>(
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
