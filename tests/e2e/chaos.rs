//! The operator dies again and again while many machines are made and deleted: the providers' own
//! ledger holds each of them once, and none in the end.

use std::collections::BTreeMap;

use infrafabric_world::{Effect, FaultSpec};
use serde_json::{Value, json};

use crate::harness::{SOON, Stage, poll, web};

const MACHINES: usize = 8;
const DEATHS: u64 = 4;

fn machine(index: usize) -> Value {
    let mut machine = web(&["first"]);
    machine["metadata"]["name"] = json!(format!("m{index}"));
    machine
}

/// Creations that are answered in each of the ways that leave doubt.
async fn trouble(stage: &Stage) {
    let create = |fault: &str| FaultSpec::new("shelf", fault).on("machine.create");
    stage.fault(create("lost").times(1)).await;
    stage.fault(FaultSpec { effect: Some(true), ..create("500").times(1) }).await;
    stage.fault(FaultSpec { effect: Some(true), ..create("garbage").times(1) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_each_machine_is_made_once() {
    let mut stage = Stage::hasty().await;
    stage.shelf_account().await;
    trouble(&stage).await;
    for index in 0..MACHINES {
        stage.apply(&machine(index)).await;
    }
    for death in 1..=DEATHS {
        // Each death comes after one more creation, wherever the operator is by then.
        let made = async || (stage.creations().await.len() as u64 >= death * 2).then_some(());
        poll(SOON, made).await.expect("machines are made");
        stage.crash();
        stage.launch().await;
    }
    for index in 0..MACHINES {
        stage.running(&format!("m{index}")).await;
    }
    let mut by_name = BTreeMap::<String, usize>::new();
    for entry in stage.creations().await {
        *by_name.entry(entry.name.unwrap_or_default()).or_default() += 1;
    }
    assert_eq!(by_name.len(), MACHINES, "{by_name:?}");
    assert!(by_name.values().all(|times| *times == 1), "{by_name:?}");
    stage.witness_fits_the_ledger().await;

    for index in 0..MACHINES {
        stage.delete("CloudMachine", &format!("m{index}")).await;
    }
    stage.crash();
    stage.launch().await;
    for index in 0..MACHINES {
        stage.gone("CloudMachine", &format!("m{index}")).await;
    }
    assert!(stage.things().await.is_empty());
    let deleted = stage.ledger().await.entries;
    let deleted = deleted.iter().filter(|entry| entry.effect == Effect::Delete).count();
    assert_eq!(deleted, MACHINES);
    stage.witness_fits_the_ledger().await;
}
