//! The CloudMachine controller.

pub mod act;
mod count;
pub mod decide;
pub mod drift;
mod effect;
mod expiry;
pub mod failback;
pub mod observe;
mod power;
pub mod report;
pub mod size;
mod want;

use std::sync::Arc;
use std::time::Duration;

use infrafabric_crds::CloudMachine;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use thiserror::Error;
use tracing::instrument;

use crate::context::Context;
use crate::fault_point::fault_point;

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

/// Looks at a machine once.
#[instrument(
    name = "reconcile",
    skip_all,
    fields(k8s.kind = "CloudMachine", k8s.namespace = machine.namespace(), k8s.name = machine.name_any())
)]
pub async fn reconcile(
    machine: Arc<CloudMachine>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    if context.own_writes.is_stale(&*machine) {
        // The event of our own write is on its way.
        return Ok(Action::requeue(Duration::from_millis(500)));
    }
    fault_point("reconcile.before");
    let observed = observe::observe(&machine, &context).await; // I/O
    fault_point("reconcile.observed");
    let decision = decide::decide(&machine, &observed); // pure
    let again_at = again(&machine, &decision, &observed);
    let creates = matches!(decision, decide::Decision::Create { .. });
    tracing::debug!(?decision, "decided");
    let acted =
        act::act(&machine, &observed, decision, &context).await.map_err(ReconcileError::Act)?; // I/O
    fault_point("reconcile.acted");
    report::report(&machine, &observed, &acted, &context).await.map_err(ReconcileError::Report)?; // I/O
    if creates && acted.is_superseded() {
        // Another object tries there; mostly what becomes of that wakes this one.
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    Ok(again_at)
}

/// When to look again if no event comes before.
fn again(
    machine: &CloudMachine,
    decision: &decide::Decision,
    observed: &observe::Observed,
) -> Action {
    let at = match decision {
        decide::Decision::Hold(hold) => {
            let expiry = expiry::again_at(machine, observed.now);
            hold.again_at.into_iter().chain(expiry).min()
        }
        // What is refused in the same words changes nothing.
        decide::Decision::Repeat(_)
        | decide::Decision::Change { .. }
        | decide::Decision::Forget(_)
        | decide::Decision::Retire { .. }
        | decide::Decision::Take { .. } => Some(observed.now + chrono::TimeDelta::seconds(5)),
        // What was done changes the object, and that event is the next look.
        _ => None,
    };
    match at {
        Some(at) => {
            let wait = (at - observed.now).to_std().unwrap_or_default();
            Action::requeue(wait.max(Duration::from_millis(50)))
        }
        None => Action::await_change(),
    }
}
