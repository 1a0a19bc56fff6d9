//! What is done to machines while the operator dies.

use std::fmt;

use infrafabric::fault_point::POINTS;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::faults::{Books, Kind, strangers};
use crate::harness::{Stage, ready, web};
use crate::plan::Plan;

/// An operation on all machines of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Delete => "delete",
        })
    }
}

impl Operation {
    /// The operations of a run, in their order.
    pub(crate) const LIFE: [Self; 2] = [Self::Create, Self::Delete];

    /// The fault points that it meets.
    pub(crate) fn points(self) -> Vec<&'static str> {
        let foreign: &[&str] = match self {
            Self::Create => &["release", "finalizer.remove"],
            Self::Delete => &["finalizer.add"],
        };
        let met = |point: &&str| !foreign.iter().any(|prefix| point.starts_with(prefix));
        POINTS.into_iter().filter(met).collect()
    }

    /// Asks for it, as a person does.
    pub(crate) async fn begin(self, stage: &Stage, plan: &Plan) {
        for name in plan.names() {
            match self {
                Self::Create => {
                    let mut machine = web(&[plan.kind.account()]);
                    machine["metadata"]["name"] = json!(name);
                    stage.apply(&machine).await;
                }
                Self::Delete => {
                    let api = stage.api("CloudMachine");
                    let deleted = api.delete(&name, &DeleteParams::default()).await;
                    deleted.expect("the machine is there");
                }
            }
        }
    }

    /// Whether all machines are as they were asked to be.
    pub(crate) fn is_done(self, machines: &[Value], plan: &Plan) -> bool {
        match self {
            Self::Create => {
                machines.len() as u64 == plan.machines
                    && machines.iter().all(|machine| runs(machine) || rests_unknown(machine, plan))
            }
            Self::Delete => machines.is_empty(),
        }
    }

    /// What the providers' books must say when it is done: each machine made once, or none left.
    pub(crate) async fn holds(self, stage: &Stage, books: &Books) -> Result<(), Unlawful> {
        let strange = strangers(stage).await.expect("a list");
        if !strange.is_empty() {
            return Err(Unlawful::Leaks(strange));
        }
        let times = |machine: &Value| match self {
            Self::Create if runs(machine) => books.creations(machine),
            Self::Create | Self::Delete => 1,
        };
        for machine in stage.list("CloudMachine").await {
            let name = machine["metadata"]["name"].to_string();
            let made = times(&machine);
            if made != 1 {
                return Err(Unlawful::Twice(vec![format!("{name} was made {made} times")]));
            }
        }
        Ok(())
    }
}

/// A law that was broken.
pub(crate) enum Unlawful {
    /// Something lives that no object knows.
    Leaks(Vec<String>),
    /// Something was made more than once, or never.
    Twice(Vec<String>),
}

fn runs(machine: &Value) -> bool {
    machine["status"]["state"] == "Running" && ready(machine)["status"] == "True"
}

/// Where nothing can be found again, the honest end of a doubt.
fn rests_unknown(machine: &Value, plan: &Plan) -> bool {
    let may_rest = match plan.kind {
        Kind::Key | Kind::Tag | Kind::Name => false,
    };
    may_rest && ready(machine)["reason"] == "OutcomeUnknown"
}
