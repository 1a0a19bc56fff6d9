//! One run: what it does by its plan, and what it finds.

use std::time::Duration;

use tokio::time::Instant;

use crate::faults::{Books, Kill, Kind, Life, Random, Tally, shown};
use crate::harness::{Setup, Stage};
use crate::operation::{Before, Operation, Unlawful};
use crate::person;
use crate::plan::Plan;

/// How often a look at the Provider is asked for, where it is.
const LOOK: Duration = Duration::from_secs(1);
/// How long a deletion is left without an answer.
const UNANSWERED: Duration = Duration::from_secs(2);
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
    // A person has no part in what goes wrong.
    if plan.has(Operation::Adopt) {
        for name in plan.names() {
            person::make(stage, plan.kind, &name).await;
        }
    }
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
    let mut random = Random::new(plan.seed ^ operation as u64);
    *tally.operations.entry(operation.to_string()).or_default() += 1;
    let before = Before::of(stage).await;
    operation.begin(stage, plan).await;
    life.start(stage).await;
    let begun = Instant::now();
    let (mut looked, mut looks, mut done) = (begun, 0_u64, None);
    loop {
        life.tend(stage, tally).await?;
        if operation.looks_at_provider() && looked.elapsed() > LOOK {
            (looked, looks) = (Instant::now(), looks + 1);
            let token = format!("{operation} {looks}");
            person::look_at_provider(stage, plan.kind, &token).await;
        }
        let machines = stage.list("CloudMachine").await;
        if operation.is_done(stage, &machines, plan).await {
            let since: &mut Instant = done.get_or_insert_with(Instant::now);
            if since.elapsed() >= operation.rest() {
                break;
            }
        } else {
            done = None;
        }
        if begun.elapsed() > operation.patience() {
            tally.stuck += machines.len() as u64;
            let seconds = operation.patience().as_secs();
            return Err(format!("{operation} did not end within {seconds} s"));
        }
        let asked = machines.iter().filter(|machine| person::is_asked(machine));
        for machine in asked.filter(|_| answers(operation, plan, begun)) {
            // Nobody answers at once, and nobody knows whether the operator lives.
            match random.below(8) {
                0..=4 => continue,
                5 => life.crash(stage, tally),
                _ => {}
            }
            tally.answered += u64::from(person::answer(stage, machine).await);
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
    match operation.holds(stage, plan, &before, &books).await {
        Ok(()) => Ok(()),
        Err(Unlawful::Leaks(all)) => {
            tally.leaks += all.len() as u64;
            Err(format!("after {operation} nobody knows of: {}", all.join("; ")))
        }
        Err(Unlawful::Wrong(all)) => {
            tally.duplicates += all.len() as u64;
            Err(format!("after {operation}: {}", all.join("; ")))
        }
    }
}

/// Whether a person answers at all: a deletion must wait for it.
fn answers(operation: Operation, plan: &Plan, begun: Instant) -> bool {
    match operation {
        Operation::Create => !plan.late,
        _ => plan.kind == Kind::None && begun.elapsed() > UNANSWERED,
    }
}
