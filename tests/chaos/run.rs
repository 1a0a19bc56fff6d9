//! Follows one timeline, lets everything settle, and finds out whether the laws held.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::{Books, Kind, Life, Tally, shown, strangers};
use crate::harness::{Operator, Setup, Stage, ready, web};
use crate::timeline::{Act, Timeline};

/// How long everything may take to settle once nothing fails any more: failures are remembered ever longer.
const PATIENCE: Duration = Duration::from_secs(150);
const PAUSE: Duration = Duration::from_millis(100);

/// Runs it; what was counted, and why it failed.
pub(crate) async fn run(timeline: Timeline) -> (Tally, Result<(), String>) {
    let setup = Setup {
        definitions: Kind::FOUND.map(Kind::definition).into(),
        built_in: false,
        ..Setup::default().arguments(&["--call-deadline=500ms"])
    };
    let mut stage = Stage::empty(setup).await;
    let mut tally = Tally::default();
    let done = live(&mut stage, &timeline, &mut tally).await;
    tally.read_log(&std::fs::read_to_string(stage.log_path()).unwrap_or_default());
    let done = match done {
        Ok(()) => Ok(()),
        Err(why) => Err(format!("{why}\n{}", shown(&stage).await)),
    };
    (tally, done)
}

async fn live(stage: &mut Stage, timeline: &Timeline, tally: &mut Tally) -> Result<(), String> {
    for kind in Kind::FOUND {
        kind.apply(stage).await;
    }
    let mut life = Life::new([]);
    life.may_end = true;
    life.start(stage).await;
    let begun = Instant::now();
    for (at, act) in &timeline.acts {
        while begun.elapsed() < *at {
            life.tend(stage, tally).await?;
            tokio::time::sleep(at.saturating_sub(begun.elapsed()).min(PAUSE)).await;
        }
        perform(stage, act, &mut life, tally).await;
    }

    stage.world.clear_faults().await.expect("cleared");
    stage.server().clear_faults(None);
    // Nothing fails from here on, so nothing may end by itself.
    life.crash(stage, tally);
    life.may_end = false;
    life.start(stage).await;
    settle(stage, "all run", tally, |machines| machines.iter().all(is_settled)).await?;
    lawful(stage, tally).await?;
    for machine in stage.list("CloudMachine").await {
        delete(stage, machine["metadata"]["name"].as_str().expect("a name")).await;
    }
    settle(stage, "all are gone", tally, <[Value]>::is_empty).await?;
    lawful(stage, tally).await?;
    tally.lost = Books::of(stage).await.lost();
    stage.witness_fits_the_ledger().await;
    Ok(())
}

async fn perform(stage: &mut Stage, act: &Act, life: &mut Life, tally: &mut Tally) {
    match act {
        Act::Apply { name, at } => {
            let at: Vec<&str> = at.iter().map(|kind| kind.account()).collect();
            let mut machine = web(&at);
            machine["metadata"]["name"] = json!(name);
            // The API server may be ill; a person would try again.
            while stage.try_apply(&machine).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Act::Delete { name } => delete(stage, name).await,
        Act::Provider(fault) => drop(stage.fault(fault.clone()).await),
        Act::Api(fault) => {
            stage.server().set_fault(fault.clone()).expect("the fault is known");
        }
        Act::Kill(kill) => {
            life.crash(stage, tally);
            *life = Life::new([kill.clone()]);
            life.may_end = true;
            life.start(stage).await;
        }
    }
}

async fn delete(stage: &Stage, name: &str) {
    loop {
        match stage.api("CloudMachine").delete(name, &DeleteParams::default()).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 => return,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// What was deleted while everything failed may still be on its way out.
fn is_settled(machine: &Value) -> bool {
    machine["metadata"]["deletionTimestamp"].is_null()
        && machine["status"]["state"] == "Running"
        && ready(machine)["status"] == "True"
}

async fn settle(
    stage: &mut Stage,
    what: &str,
    tally: &mut Tally,
    settled: impl Fn(&[Value]) -> bool,
) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let machines = stage.list("CloudMachine").await;
        if settled(&machines) {
            return Ok(());
        }
        if Instant::now() > deadline {
            tally.stuck += machines.iter().filter(|machine| !is_settled(machine)).count() as u64;
            return Err(format!("not within {} s: {what}", PATIENCE.as_secs()));
        }
        let ended = stage.operator.as_mut().and_then(Operator::ended);
        if let Some(status) = ended {
            return Err(format!("the operator ended by itself: {status}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Nothing was made beside something of the same object, and nothing lives that no object knows.
async fn lawful(stage: &Stage, tally: &mut Tally) -> Result<(), String> {
    let books = Books::of(stage).await;
    let mut twice = books.duplicates();
    for machine in stage.list("CloudMachine").await {
        let made = books.creations(&machine);
        if made != 1 {
            twice.push(format!("{} was made {made} times", machine["metadata"]["name"]));
        }
    }
    if !twice.is_empty() {
        tally.duplicates += twice.len() as u64;
        return Err(format!("made twice: {}", twice.join("; ")));
    }
    let strange = strangers(stage).await.expect("a list");
    if !strange.is_empty() {
        tally.leaks += strange.len() as u64;
        return Err(format!("nobody knows of: {}", strange.join("; ")));
    }
    Ok(())
}
