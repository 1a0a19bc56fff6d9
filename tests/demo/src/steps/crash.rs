//! 3. The operator is killed between the provider's effect and its own record of it.

use infrafabric_world::{Delivery, FaultSpec, LedgerEntry};
use kube::ResourceExt;

use super::{apply_machine, books, event, get, running, uid};
use crate::board::Board;
use crate::expect::{holds, one, same, some, until};
use crate::failure::{Failure, world};
use crate::stage::Stage;

pub(super) async fn run(stage: &mut Stage, board: &Board) -> Result<(), Failure> {
    board.step(3, "SIGKILL between the provider's effect and the operator's record of it");
    let hold = FaultSpec::new("digitalocean", "hold").on("machine.create");
    let fault = stage.providers.set_fault(&hold).await.map_err(world)?;
    board.tell("from now on digitalocean makes the machine and keeps its answer back");
    let machine = apply_machine(stage, "api").await?;
    let uid = uid(&machine)?;
    let made = held(stage, &uid).await?;
    board.tell(&format!("the ledger of digitalocean has machine {}; its answer is held", made.id));

    let pid = stage.kill_operator()?;
    board.tell(&format!("SIGKILL to the operator, process {pid}"));
    let status = get(stage, "api").await?.status.unwrap_or_default();
    same("status.active of api after the kill", &None, &status.active)?;
    let intent = some("status.operation of api after the kill", status.operation)?;
    same("verb of the intent", &"create", &intent.verb.as_str())?;
    board.proved("its status holds the intent and no machine: only the provider knows");

    stage.providers.clear_fault(fault).await.map_err(world)?;
    let pid = stage.restart_operator().await?;
    board.tell(&format!("the operator starts again, process {pid}"));
    let (machine, active) = running(stage, "api").await?;
    let (_, lives) = books(stage).await?.only("api", &uid)?;
    same("the machine that lives and the one that was made", &made.id, &lives.id)?;
    same("status.active.externalId of api", &lives.id, &active.external_id)?;
    let note = event(stage, &machine, "Adopted").await?;
    let named = note.contains(&lives.id);
    holds("note of the Event Adopted", named, &format!("a note with {}", lives.id), &note)?;
    board.proved(&format!(
        "the ledger has exactly one machine for {}, {}, and status.active has it",
        machine.name_any(),
        lives.id
    ));
    board.proved(&format!("Event Adopted: {note}"));
    Ok(())
}

/// Waits for the effect whose answer is held.
async fn held(stage: &mut Stage, uid: &str) -> Result<LedgerEntry, Failure> {
    until("a creation for api with its answer held", async || {
        stage.must_run()?;
        let books = books(stage).await?;
        let made: Vec<LedgerEntry> = books.created_for(uid).into_iter().cloned().collect();
        if made.is_empty() {
            return Ok(Err("the ledger has no creation for it".to_owned()));
        }
        let made = one("creations for api", made)?;
        let stands = format!("its answer is {:?}", made.answer);
        Ok(if made.answer == Delivery::Held { Ok(made) } else { Err(stands) })
    })
    .await
}
