//! 6. Everything is deleted; all ledgers are empty, and the witness log verifies.

use std::collections::BTreeMap;

use infrafabric::witness::{self, Phase};
use infrafabric_world::{Effect, LedgerEntry};

use super::books;
use crate::board::Board;
use crate::expect::{holds, same};
use crate::failure::Failure;
use crate::ledger::{Books, uid_of};
use crate::manifests::delete_all;
use crate::stage::Stage;

pub(super) async fn run(stage: &mut Stage, board: &Board) -> Result<(), Failure> {
    board.step(6, "Everything is deleted, and the log of all that happened verifies");
    let machines = delete_all(&stage.machines(), "CloudMachine").await?;
    let providers = delete_all(&stage.accounts(), "Provider").await?;
    let definitions = delete_all(&stage.definitions(), "ProviderDefinition").await?;
    let secrets = delete_all(&stage.secrets(), "Secret").await?;
    stage.must_run()?;
    board.proved(&format!(
        "the Kubernetes API has none of {machines} CloudMachines, {providers} Providers, {definitions} ProviderDefinition, {secrets} Secrets left"
    ));

    let books = books(stage).await?;
    holds("living things", books.living.is_empty(), "none", &format!("{:?}", books.living))?;
    let unmatched = format!("{:?}", books.unmatched);
    holds("requests that no provider knows", books.unmatched.is_empty(), "none", &unmatched)?;
    let made = once_each(&books, Effect::Create)?;
    let deleted = once_each(&books, Effect::Delete)?;
    let (made, deleted) = (made.into_keys(), deleted.into_keys());
    let (made, deleted) = (made.collect::<Vec<_>>(), deleted.collect::<Vec<_>>());
    same("things that were made and things that were deleted", &made, &deleted)?;
    same("things that were made and machines that were applied", &machines, &made.len())?;
    board.proved(&format!(
        "all ledgers are empty: {} machines made, {} deleted, each once",
        made.len(),
        deleted.len()
    ));

    let status = stage.stop_operator().await?;
    same("how the operator ended after SIGTERM", &"exit status: 0", &status.as_str())?;
    let dir = stage.witness_dir();
    let report = witness::verify(&dir, &stage.verifier);
    let report = report.map_err(|source| Failure::Verify { source })?;
    intents(stage, &books)?;
    board.proved(&format!(
        "the witness log verifies: {} entries, root {}; each of the {} effects has its intent",
        report.entries,
        report.root,
        books.effects.len()
    ));
    board.line("\nAll six steps hold.");
    Ok(())
}

/// The effects of a kind by what they were done to; done twice is a difference.
fn once_each(books: &Books, effect: Effect) -> Result<BTreeMap<String, &LedgerEntry>, Failure> {
    let mut all = BTreeMap::new();
    for entry in books.effects.iter().filter(|entry| entry.effect == effect) {
        let thing = format!("{} {}", entry.definition, entry.id);
        let before = all.insert(thing.clone(), entry);
        holds(format!("{effect:?} of {thing}"), before.is_none(), "once", "twice")?;
    }
    Ok(all)
}

/// Every effect in the ledgers has an intent in the log, for the object whose marks it carries.
fn intents(stage: &Stage, books: &Books) -> Result<(), Failure> {
    let mut written: Vec<(String, String)> = Vec::new();
    let read = |source| Failure::Read { source };
    for entry in witness::read(&stage.witness_dir()).map_err(read)? {
        let (_, entry) = entry.map_err(read)?;
        if entry.phase == Phase::Intent {
            written.push((entry.object.uid, entry.verb));
        }
    }
    let made = once_each(books, Effect::Create)?;
    for effect in &books.effects {
        let thing = format!("{} {}", effect.definition, effect.id);
        // A deletion carries no marks: they are those of the creation.
        let marks = made.get(&thing).map(|made| made.marks.as_slice()).unwrap_or_default();
        let uid = uid_of(marks).unwrap_or_default();
        let found = written.iter().any(|(of, verb)| of == uid && *verb == effect.operation);
        let expected = format!("{} for object {uid}", effect.operation);
        holds(format!("intent of the effect on {thing}"), found, &expected, "none")?;
    }
    Ok(())
}
