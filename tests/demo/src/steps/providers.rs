//! 1. Two Providers become Ready: their credentials were verified by an authenticated read.

use infrafabric_crds::condition::{self, READY};
use infrafabric_crds::provider::reason;

use super::books;
use crate::board::Board;
use crate::expect::{holds, same, until};
use crate::failure::{Failure, asked};
use crate::manifests::{apply_file, example};
use crate::stage::Stage;

pub(super) async fn run(stage: &mut Stage, board: &Board) -> Result<(), Failure> {
    board.step(1, "Two accounts: credentials are verified by an authenticated read");
    let before = books(stage).await?;
    for file in ["cloud-machine/credentials.yaml", "cloud-machine/providers.yaml"] {
        apply_file(&stage.kube, &example(file)).await?;
        board.tell(&format!("applied examples/{file}"));
    }
    for (name, definition) in [("do-main", "digitalocean"), ("linode-eu", "linode")] {
        ready(stage, name, reason::VERIFIED).await?;
        let asked = books(stage).await?.asked(definition, "verify");
        same(
            format!("`verify` reads of {definition} before"),
            &0,
            &before.asked(definition, "verify"),
        )?;
        holds(format!("`verify` reads of {definition}"), asked > 0, "some", "0")?;
        board.proved(&format!(
            "{name} is Ready; the ledger of {definition} has {asked} authenticated read of the account"
        ));
    }
    Ok(())
}

/// Waits until the Provider's Ready has the reason, of its newest generation; gives the message.
pub(super) async fn ready(stage: &mut Stage, name: &str, reason: &str) -> Result<String, Failure> {
    until(format!("Provider {name} {reason}"), async || {
        stage.must_run()?;
        let provider = stage.accounts().get(name).await;
        let provider = provider.map_err(asked(format!("get Provider {name}")))?;
        let status = provider.status.unwrap_or_default();
        let current = Some(status.observed_generation) == provider.metadata.generation;
        Ok(match condition::find(&status.conditions, READY) {
            Some(ready) if current && ready.reason == reason => Ok(ready.message.clone()),
            Some(ready) => Err(format!("{}: {}", ready.reason, ready.message)),
            None => Err("it has no condition Ready".to_owned()),
        })
    })
    .await
}
