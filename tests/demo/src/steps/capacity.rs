//! 4. The preferred provider runs out of capacity: the next machine goes to the second one.

use infrafabric_definition::Class;
use infrafabric_world::FaultSpec;

use super::{apply_machine, books, event, message, running, uid};
use crate::board::Board;
use crate::expect::{holds, same, some};
use crate::failure::{Failure, world};
use crate::stage::Stage;

pub(super) async fn run(stage: &mut Stage, board: &Board) -> Result<(), Failure> {
    board.step(4, "The preferred provider has no capacity: the next machine goes elsewhere");
    let before = books(stage).await?.asked("digitalocean", "machine.create");
    let none_left = FaultSpec::new("digitalocean", "capacity");
    let fault = stage.providers.set_fault(&none_left).await.map_err(world)?;
    board.tell("from now on digitalocean has no capacity");
    apply_machine(stage, "worker").await?;
    let (machine, active) = running(stage, "worker").await?;
    stage.providers.clear_fault(fault).await.map_err(world)?;

    let books = books(stage).await?;
    let asked = books.asked("digitalocean", "machine.create") - before;
    holds("creations that digitalocean was asked for", asked > 0, "some", "0")?;
    let (made, lives) = books.only("worker", &uid(&machine)?)?;
    same("provider that made worker", &"linode", &made.definition.as_str())?;
    same("provider in status", &"linode-eu", &active.provider.as_str())?;
    same("status.active.externalId of worker", &lives.id, &active.external_id)?;

    let attempts = machine.status.clone().unwrap_or_default().attempts;
    let attempt = some("status.attempts[0] of worker", attempts.into_iter().next())?;
    same("class of the attempt", &Class::Capacity, &attempt.class)?;
    same("provider of the attempt", &"do-main", &attempt.provider.as_str())?;
    let message = message(&machine);
    holds("message of Ready", message.contains("do-main"), "a text that names do-main", &message)?;
    let note = event(stage, &machine, "CandidateFailed").await?;
    holds("note of the Event", note.contains("do-main"), "a text that names do-main", &note)?;

    board.proved(&format!(
        "digitalocean refused ({asked} request); the ledger of linode has machine {}, no other has one",
        lives.id
    ));
    board.proved(&format!("status.attempts[0]: {} {}", attempt.class, attempt.message));
    board.proved(&format!("Ready: {message}"));
    board.proved(&format!("Event CandidateFailed: {note}"));
    Ok(())
}
