//! 5. A provider that the binary does not know is applied to the running operator as a manifest.

use infrafabric_crds::provider::reason;

use super::{books, providers, running, uid};
use crate::board::Board;
use crate::expect::same;
use crate::failure::{Failure, world};
use crate::manifests::{apply, apply_file, example, read};
use crate::stage::Stage;

pub(super) async fn run(stage: &mut Stage, board: &Board) -> Result<(), Failure> {
    board.step(5, "A provider that the binary does not know, as a manifest");
    let pid = stage.operator_pid();
    apply_file(&stage.kube, &example("provider-definition/provider.yaml")).await?;
    let refused = providers::ready(stage, "hetzner", reason::UNKNOWN_TYPE).await?;
    board.proved(&format!("without it: {refused}"));

    let path = example("provider-definition/hetzner.yaml");
    for manifest in read(&path)? {
        // The simulated provider answers by the same file.
        stage.providers.add_definition(&manifest).await.map_err(world)?;
        apply(&stage.kube, manifest).await?;
    }
    board.tell("applied examples/provider-definition/hetzner.yaml");
    providers::ready(stage, "hetzner", reason::VERIFIED).await?;
    apply_file(&stage.kube, &example("provider-definition/machine.yaml")).await?;
    let (machine, active) = running(stage, "by-hand").await?;

    let books = books(stage).await?;
    let (made, lives) = books.only("by-hand", &uid(&machine)?)?;
    same("provider that made by-hand", &"hetzner", &made.definition.as_str())?;
    same("status.active.externalId of by-hand", &lives.id, &active.external_id)?;
    same("state at the provider", &"Running", &lives.state.as_str())?;
    same("the operator's process", &pid, &stage.operator_pid())?;
    stage.must_run()?;
    board.proved(&format!(
        "the ledger of hetzner has machine {}; the operator was not restarted",
        lives.id
    ));
    Ok(())
}
