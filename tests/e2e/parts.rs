//! Clouds whose machines are made of several things, or take their time: nothing is left behind.

use infrafabric_world::{Effect, FaultSpec};
use serde_json::{Value, json};

use crate::harness::{Setup, Stage, cloud, provider, secret, web};

/// A copy of Azure whose list is not late, so that tests need not wait a minute.
fn prompt_azure() -> Value {
    let mut manifest = cloud("azure");
    manifest["metadata"]["name"] = json!("prompt");
    manifest["spec"]["objects"]["machine"]["identity"]["lag"] = json!("200ms");
    manifest
}

fn stage_setup() -> Setup {
    let setup = Setup { definitions: vec![prompt_azure()], ..Setup::default() };
    setup.arguments(&["--call-deadline=1"])
}

async fn account(stage: &Stage, definition: &str) {
    let values = json!({
        "clientId": "11111111-2222-3333-4444-555555555555", "clientSecret": "sandbox-client-secret",
    });
    stage.apply(&secret("first", &values)).await;
    let mut provider = provider("first", definition, "westeurope");
    provider["spec"]["parameters"] = json!({"tenant": "sandbox", "subscription": "sandbox"});
    stage.apply(&provider).await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
}

/// Every effect had its own intent in the log.
async fn witnessed(stage: &Stage) {
    let entries = stage.witnessed(&stage.running_operator().serving);
    for happened in stage.ledger().await.entries {
        let intents = entries.iter().filter(|entry| entry.verb == happened.operation);
        assert!(intents.count() > 0, "no intent of {}", happened.operation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_of_parts_comes_and_goes_whole() {
    let stage = Stage::with(stage_setup()).await;
    account(&stage, "azure").await;
    stage.apply(&web(&["first"])).await;
    let machine = stage.running("web").await;
    assert_eq!(stage.things().await.len(), 5);
    // A list shows no address; a read does, once.
    let addresses = machine["status"]["addresses"].as_array().expect("addresses").len();
    assert_eq!(addresses, 2, "{machine}");
    let name = machine["status"]["active"]["externalId"].as_str().expect("an id").to_owned();
    assert!(name.starts_with(&format!("{}-web-", stage.namespace)), "{name}");
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    let ledger = stage.ledger().await.entries;
    let order = |effect| -> Vec<String> {
        let of = ledger.iter().filter(|entry| entry.effect == effect);
        of.map(|entry| entry.operation.clone()).collect()
    };
    let (made, mut removed) = (order(Effect::Create), order(Effect::Delete));
    removed.reverse();
    let removed: Vec<String> = removed.iter().map(|one| one.replace("delete", "create")).collect();
    assert_eq!(made, removed);
    witnessed(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_a_crash_cut_is_finished_by_the_next_process() {
    let mut stage = Stage::with(stage_setup()).await;
    stage.apply(&prompt_azure()).await;
    account(&stage, "prompt").await;
    let hold = stage.fault(FaultSpec::new("prompt", "hold").on("machine.create.nic")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_fault(hold).await.expect("cleared");
    assert_eq!(stage.things().await.len(), 4);
    stage.launch().await;
    stage.running("web").await;
    assert_eq!(stage.things().await.len(), 5);
    let machines = stage.creations().await;
    let machines = machines.iter().filter(|entry| entry.operation == "machine.create");
    assert_eq!(machines.count(), 1);
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    witnessed(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_goes_with_the_object() {
    let mut stage = Stage::with(stage_setup()).await;
    stage.apply(&prompt_azure()).await;
    account(&stage, "prompt").await;
    let hold = stage.fault(FaultSpec::new("prompt", "hold").on("machine.create.address")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_fault(hold).await.expect("cleared");
    assert_eq!(stage.things().await.len(), 3);
    stage.delete("CloudMachine", "web").await;
    stage.launch().await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    assert!(stage.event("web", "NothingFound").await.contains("is removed"));
    assert!(stage.events("web").await.iter().all(|(reason, _)| reason != "Adopted"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_a_crash_cut_leaves_nothing() {
    let mut stage = Stage::with(stage_setup()).await;
    stage.apply(&prompt_azure()).await;
    account(&stage, "prompt").await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let hold = stage.fault(FaultSpec::new("prompt", "hold").on("machine.delete.address")).await;
    stage.delete("CloudMachine", "web").await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_fault(hold).await.expect("cleared");
    // The machine itself is gone, and not all of what it stood on.
    assert!(!stage.things().await.is_empty());
    stage.launch().await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_part_stays_where_there_is_no_capacity() {
    let stage = Stage::with(stage_setup()).await;
    account(&stage, "azure").await;
    stage.account("second", "digitalocean", "fra1").await;
    stage.fault(FaultSpec::new("azure", "capacity")).await;
    stage.apply(&web(&["first", "second"])).await;
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["provider"], "second");
    assert_eq!(machine["status"]["attempts"][0]["class"], "Capacity");
    let things = stage.things().await;
    assert_eq!(things.len(), 1, "{things:?}");
    assert_eq!(things[0].definition, "digitalocean");
}

/// A cloud that answers every change with an operation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_are_waited_for() {
    let stage = Stage::start().await;
    let file = cloud("google-cloud");
    let accepts = &file["spec"]["sandbox"]["accepts"];
    stage.apply(&secret("first", accepts)).await;
    let mut provider = provider("first", "google-cloud", "europe-west1-b");
    provider["spec"]["parameters"] = json!({"project": "sandbox"});
    stage.apply(&provider).await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    assert!(stage.asked("google-cloud", "machine.create.wait").await > 0);
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    stage.witness_fits_the_ledger().await;
}
