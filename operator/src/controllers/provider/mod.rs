//! The Provider controller: proves credentials, and keeps the accounts that others use.

pub mod act;
pub mod decide;
pub mod observe;
pub mod report;
mod sweep;

use std::sync::Arc;

use infrafabric_crds::Provider;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use thiserror::Error;
use tracing::instrument;

use crate::context::Context;

/// Why a reconcile failed; it is tried again with a growing delay.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The decision could not be performed.
    #[error("act on the decision")]
    Act(#[source] act::ActError),
    /// The status could not be written.
    #[error("write the status")]
    Report(#[source] kube::Error),
}

/// Looks at a Provider once.
#[instrument(
    name = "reconcile",
    skip_all,
    fields(k8s.kind = "Provider", k8s.namespace = provider.namespace(), k8s.name = provider.name_any())
)]
pub async fn reconcile(
    provider: Arc<Provider>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    if context.own_writes.is_stale(&*provider) {
        return Ok(Action::requeue(std::time::Duration::from_millis(500)));
    }
    let observed = observe::observe(&provider, &context).await; // I/O
    let last = context.verified(&provider);
    let decision = decide::decide(&provider, &observed, last.as_ref()); // pure
    tracing::debug!(?decision, "decided");
    let released = decision == decide::Decision::Release;
    let acted =
        act::act(&provider, &observed, decision, &context).await.map_err(ReconcileError::Act)?; // I/O
    report::report(&provider, &observed, &acted, &context).await.map_err(ReconcileError::Report)?; // I/O
    if released {
        return Ok(Action::await_change());
    }
    let last = context.verified(&provider);
    let retry = last.filter(|last| last.failed.is_some()).map(|last| last.retry_at - observed.now);
    let wait = retry
        .filter(|wait| *wait > chrono::TimeDelta::zero())
        .map_or(decide::SECRET_TIME_TO_LIVE, |wait| wait.min(decide::SECRET_TIME_TO_LIVE));
    Ok(Action::requeue(wait.to_std().unwrap_or_default()))
}
