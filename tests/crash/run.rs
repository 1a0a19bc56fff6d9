//! One run: what it does by its plan, and what it finds.

use std::time::Duration;

use tokio::time::Instant;

use crate::faults::{Books, Kill, Life, Tally, shown};
use crate::harness::{Setup, Stage};
use crate::operation::{Operation, Unlawful};
use crate::plan::Plan;

/// How long an operation may take with all its deaths and waits.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(100);

/// Runs it, on the API server of an earlier run if there is one; what was counted, and why it failed, or
/// the stage for the next run.
pub(crate) async fn run(plan: Plan, earlier: Option<Stage>) -> (Tally, Result<Stage, String>) {
    let setup = Setup {
        definitions: vec![plan.kind.definition()],
        built_in: false,
        ..Setup::default().arguments(&["--call-deadline=500ms"])
    };
    let mut stage = match earlier {
        Some(earlier) => earlier.next(setup).await,
        None => Stage::empty(setup).await,
    };
    let mut tally = Tally::default();
    let done = live(&mut stage, &plan, &mut tally).await;
    tally.read_log(&std::fs::read_to_string(stage.log_path()).unwrap_or_default());
    let done = match done {
        Ok(()) => Ok(stage),
        Err(why) => Err(format!("{why}\n{}", shown(&stage).await)),
    };
    (tally, done)
}

async fn live(stage: &mut Stage, plan: &Plan, tally: &mut Tally) -> Result<(), String> {
    for trouble in &plan.troubles {
        stage.fault(trouble.clone()).await;
    }
    plan.kind.apply(stage).await;
    for (operation, deaths) in &plan.deaths {
        perform(stage, plan, *operation, deaths, tally).await?;
    }
    if stage.operator.is_none() {
        stage.launch().await;
    }
    tally.lost = Books::of(stage).await.lost();
    stage.witness_fits_the_ledger().await;
    Ok(())
}

/// One operation with its deaths, and what it must leave behind.
async fn perform(
    stage: &mut Stage,
    plan: &Plan,
    operation: Operation,
    deaths: &[Kill],
    tally: &mut Tally,
) -> Result<(), String> {
    let mut life = Life::new(deaths.iter().cloned());
    operation.begin(stage, plan).await;
    life.start(stage).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        life.tend(stage, tally).await?;
        let machines = stage.list("CloudMachine").await;
        if operation.is_done(&machines, plan) {
            break;
        }
        if Instant::now() > deadline {
            tally.stuck += machines.len() as u64;
            return Err(format!("{operation} did not end within {} s", PATIENCE.as_secs()));
        }
        tokio::time::sleep(PAUSE).await;
    }
    // What is at rest may die too. The next operation is asked for while nobody listens.
    life.tend(stage, tally).await?;
    life.crash(stage, tally);
    let books = Books::of(stage).await;
    let twice = books.duplicates();
    if !twice.is_empty() {
        tally.duplicates += twice.len() as u64;
        return Err(format!("made twice: {}", twice.join("; ")));
    }
    match operation.holds(stage, &books).await {
        Ok(()) => Ok(()),
        Err(Unlawful::Leaks(all)) => {
            tally.leaks += all.len() as u64;
            Err(format!("after {operation} nobody knows of: {}", all.join("; ")))
        }
        Err(Unlawful::Twice(all)) => {
            tally.duplicates += all.len() as u64;
            Err(format!("after {operation}: {}", all.join("; ")))
        }
    }
}
