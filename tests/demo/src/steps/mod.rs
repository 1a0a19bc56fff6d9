//! The six steps. Each makes something happen and then asks the providers' ledgers and the
//! Kubernetes API whether it did.

mod capacity;
mod crash;
mod definition;
mod end;
mod machine;
mod providers;

use infrafabric_crds::cloud_machine::State;
use infrafabric_crds::condition::{self, READY};
use infrafabric_crds::engine::Active;
use infrafabric_crds::{CloudMachine, Condition};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use crate::board::Board;
use crate::expect::{some, until};
use crate::failure::{Failure, asked};
use crate::ledger::Books;
use crate::manifests::{self, NAMESPACE, example};
use crate::stage::Stage;

/// Runs all steps; without the last one when everything shall be kept.
pub(crate) async fn run(stage: &mut Stage, board: &Board, keep: bool) -> Result<(), Failure> {
    board.line(&format!(
        "Kubernetes API {} and providers {} (sandbox), operator process {}",
        stage.api_url,
        stage.world_url,
        stage.operator_pid()
    ));
    providers::run(stage, board).await?;
    board.pause().await;
    machine::run(stage, board).await?;
    board.pause().await;
    crash::run(stage, board).await?;
    board.pause().await;
    capacity::run(stage, board).await?;
    board.pause().await;
    definition::run(stage, board).await?;
    if keep {
        return Ok(());
    }
    board.pause().await;
    end::run(stage, board).await
}

/// Applies the example's machine under another name.
async fn apply_machine(stage: &Stage, name: &str) -> Result<CloudMachine, Failure> {
    let path = example("cloud-machine/machine.yaml");
    for mut manifest in manifests::read(&path)? {
        manifest["metadata"]["name"] = name.into();
        manifests::apply(&stage.kube, manifest).await?;
    }
    get(stage, name).await
}

async fn get(stage: &Stage, name: &str) -> Result<CloudMachine, Failure> {
    stage.machines().get(name).await.map_err(asked(format!("get CloudMachine {name}")))
}

/// Waits until the Kubernetes API has the machine as Ready and Running for its newest generation.
async fn running(stage: &mut Stage, name: &str) -> Result<(CloudMachine, Active), Failure> {
    let machine = until(format!("CloudMachine {name} Running"), async || {
        stage.must_run()?;
        let machine = get(stage, name).await?;
        let status = machine.status.clone().unwrap_or_default();
        let ready = condition::find(&status.conditions, READY);
        let done = status.state == Some(State::Running)
            && ready.is_some_and(Condition::is_true)
            && Some(status.observed_generation) == machine.metadata.generation;
        let message = ready.map(|ready| ready.message.clone()).unwrap_or_default();
        Ok(if done { Ok(machine) } else { Err(format!("{:?}: {message}", status.state)) })
    })
    .await?;
    let active = machine.status.as_ref().and_then(|status| status.active.clone());
    Ok((machine, some(format!("status.active of {name}"), active)?))
}

/// The message of `Ready`.
fn message(machine: &CloudMachine) -> String {
    let status = machine.status.clone().unwrap_or_default();
    condition::find(&status.conditions, READY).map(|c| c.message.clone()).unwrap_or_default()
}

fn uid(machine: &CloudMachine) -> Result<String, Failure> {
    some(format!("UID of CloudMachine {}", machine.name_any()), machine.uid())
}

/// Waits for an Event about the machine; gives its note.
async fn event(stage: &Stage, machine: &CloudMachine, reason: &str) -> Result<String, Failure> {
    let api: Api<Event> = Api::namespaced(stage.kube.clone(), NAMESPACE);
    let uid = uid(machine)?;
    until(format!("Event {reason} about {}", machine.name_any()), async || {
        let list = api.list(&ListParams::default()).await.map_err(asked("list Events"))?;
        let about = list.items.into_iter().filter(|event| {
            event.regarding.as_ref().and_then(|object| object.uid.as_ref()) == Some(&uid)
        });
        let mut reasons = Vec::new();
        for event in about {
            if event.reason.as_deref() == Some(reason) {
                return Ok(Ok(event.note.unwrap_or_default()));
            }
            reasons.extend(event.reason);
        }
        Ok(Err(format!("Events there are: {}", reasons.join(", "))))
    })
    .await
}

/// The providers' books now.
async fn books(stage: &Stage) -> Result<Books, Failure> {
    Books::read(&stage.providers).await
}
