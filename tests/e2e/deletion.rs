//! Deletion: the object goes when the machine is gone, and nothing is created on the way.

use std::time::Duration;

use infrafabric_world::{Effect, FaultSpec};
use serde_json::json;

use crate::harness::{Setup, Stage, poll, web};

const BLINK: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_waits_until_the_machine_is_gone() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let hold = stage.fault(FaultSpec::new("shelf", "503").on("machine.delete")).await;
    stage.delete("CloudMachine", "web").await;
    stage.met(hold, 1).await;
    let vanished =
        poll(BLINK, async || stage.get("CloudMachine", "web").await.is_none().then_some(()));
    assert_eq!(vanished.await, None, "the machine still runs");
    assert_eq!(stage.things().await.len(), 1);
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    assert_eq!(stage.creations().await.len(), 1, "deletion never creates");
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_while_the_create_is_held_leaves_nothing() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.delete("CloudMachine", "web").await;
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty(), "{:?}", stage.things().await);
    assert_eq!(stage.creations().await.len(), 1);
}

/// The operator dies while the create is held, and the object is deleted before it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_after_a_crash_finds_what_was_made() {
    let mut stage = Stage::hasty().await;
    stage.shelf_account().await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_faults().await.expect("cleared");
    stage.delete("CloudMachine", "web").await;
    stage.launch().await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty(), "{:?}", stage.things().await);
    let effects = stage.ledger().await.entries;
    assert_eq!(effects.iter().filter(|entry| entry.effect == Effect::Create).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_of_the_absent_succeeds() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let id = stage.things().await[0].id.clone();
    stage.remove_thing("shelf", "bench-token", &id).await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert_eq!(stage.creations().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphan_stays() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let mut machine = web(&["first"]);
    machine["spec"]["deletionPolicy"] = json!("Orphan");
    stage.apply(&machine).await;
    stage.running("web").await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert_eq!(stage.things().await.len(), 1);
    assert_eq!(stage.asked("shelf", "machine.delete").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detaching_does_not_touch_the_provider() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    stage.fault(FaultSpec::new("shelf", "outage")).await;
    let detach = json!({"metadata": {"annotations": {"infrafabric.io/detach": "true"}}});
    stage.merge("CloudMachine", "web", detach).await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert_eq!(stage.things().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provider_and_secret_are_held_while_a_machine_needs_them() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    stage.delete("Secret", "first").await;
    stage.delete("Provider", "first").await;
    let held = stage.reason("Provider", "first", "InUse").await;
    let message = crate::harness::ready(&held)["message"].to_string();
    assert!(message.contains("CloudMachine web"), "{message}");
    assert!(stage.get("Secret", "first").await.is_some());
    stage.delete("CloudMachine", "web").await;
    for (kind, name) in [("CloudMachine", "web"), ("Provider", "first"), ("Secret", "first")] {
        stage.gone(kind, name).await;
    }
    assert!(stage.things().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_namespace_goes_machine_first() {
    let stage = Stage::with(Setup::default()).await;
    stage.two_accounts().await;
    stage.apply(&web(&["first", "second"])).await;
    stage.running("web").await;
    // The deletion is refused for a while: who needs what can be seen.
    let refused = stage.fault(FaultSpec::new("digitalocean", "503").on("machine.delete")).await;
    stage.delete("Namespace", &stage.namespace.clone()).await;
    stage.met(refused, 1).await;
    assert!(stage.get("CloudMachine", "web").await.is_some());
    assert!(stage.get("Provider", "first").await.is_some());
    assert!(stage.get("Secret", "first").await.is_some(), "the token is still needed");
    stage.world.clear_fault(refused).await.expect("cleared");
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    for kind in ["Provider", "Secret"] {
        for name in ["first", "second"] {
            stage.gone(kind, name).await;
        }
    }
    stage.gone("Namespace", &stage.namespace.clone()).await;
    assert_eq!(stage.creations().await.len(), 1);
}
