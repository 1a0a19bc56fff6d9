//! Going back to a better place: the new machine first, then the old one goes, whatever dies in between.

use infrafabric_world::FaultSpec;
use serde_json::{Value, json};

use crate::harness::{Setup, Stage, ready, shelf, web};

/// `web` at second, because first was away; it comes back now, and `web` may go back after a second.
async fn failed_over(stage: &mut Stage) {
    let outage = stage.fault(FaultSpec::new("shelf", "outage")).await;
    stage.apply(&shelf("shelf")).await;
    stage.account("first", "shelf", "north").await;
    stage.account("second", "linode", "eu-central").await;
    stage.reason("Provider", "first", "Unavailable").await;
    stage.reason("Provider", "second", "CredentialsVerified").await;
    let mut machine = web(&["first", "second"]);
    machine["spec"]["failover"]["failback"] = json!({"policy": "WhenHealthy", "after": "2s"});
    stage.apply(&machine).await;
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["provider"], "second");
    stage.world.clear_fault(outage).await.expect("cleared");
}

fn is_back(object: &Value) -> bool {
    let status = &object["status"];
    status["active"]["provider"] == "first"
        && status["retired"].is_null()
        && status["replacement"].is_null()
        && status["operation"].is_null()
        && ready(object)["status"] == "True"
}

/// One machine was made at each, and the one at second is gone.
async fn the_ledger_agrees(stage: &Stage) {
    let creations = stage.creations().await;
    let made: Vec<&str> = creations.iter().map(|made| made.definition.as_str()).collect();
    assert_eq!(made, ["linode", "shelf"]);
    let things = stage.things().await;
    assert_eq!(things.len(), 1, "{things:?}");
    assert_eq!(things[0].definition, "shelf");
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_one_is_made_first_and_the_old_one_goes() {
    let mut stage = Stage::hasty().await;
    failed_over(&mut stage).await;
    // While the new one is made, the one in use stays, and Ready with it.
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.held(hold).await;
    let machine = stage.get("CloudMachine", "web").await.expect("the machine");
    assert_eq!(machine["status"]["active"]["provider"], "second");
    assert_eq!(machine["status"]["operation"]["provider"], "first");
    assert_eq!(ready(&machine)["status"], "True");
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.until("CloudMachine", "web", "back at first", is_back).await;
    let note = stage.event("web", "FailedBack").await;
    assert!(note.contains("at first"), "{note}");
    assert!(stage.event("web", "Retired").await.contains("at second"));
    the_ledger_agrees(&stage).await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_the_operator_dies_it_goes_back_once() {
    // The points that an effect passes, and those where its end is written.
    let deaths = [
        "intent.status.before:1",
        "intent.witness.after:1",
        "send.before:1",
        "outcome.witness.before:1",
        "report.status.before:1",
        "report.status.before:2",
        "report.status.before:3",
        "retire.before:1",
        "retire.after:1",
    ];
    let mut stage = Stage::hasty().await;
    for (round, death) in deaths.into_iter().enumerate() {
        if round > 0 {
            stage = stage.next(Setup::default().arguments(&["--call-deadline=1"])).await;
            stage.launch().await;
        }
        failed_over(&mut stage).await;
        stage.crash();
        if stage.launch_to_die(death).await {
            for _ in 0..200 {
                if stage.operator.as_mut().is_none_or(|it| it.ended().is_some()) {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        stage.operator = None;
        stage.launch().await;
        stage.until("CloudMachine", "web", death, is_back).await;
        the_ledger_agrees(&stage).await;
        stage.delete("CloudMachine", "web").await;
        stage.gone("CloudMachine", "web").await;
        assert!(stage.things().await.is_empty(), "{death}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_on_the_way_back_leaves_nothing() {
    let mut stage = Stage::hasty().await;
    failed_over(&mut stage).await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.delete("CloudMachine", "web").await;
    stage.launch().await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    assert_eq!(stage.creations().await.len(), 2);
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_does_not_serve_after_all_changes_nothing() {
    let mut stage = Stage::hasty().await;
    stage.fault(FaultSpec::new("shelf", "402").on("machine.create")).await;
    failed_over(&mut stage).await;
    let refused = |object: &Value| object["status"]["attempts"][0]["class"] == "OutOfCredit";
    let machine = stage.until("CloudMachine", "web", "refused", refused).await;
    assert_eq!(machine["status"]["active"]["provider"], "second");
    assert_eq!(ready(&machine)["status"], "True");
    assert!(machine["status"]["operation"].is_null());
    assert_eq!(stage.things().await.len(), 1);
    assert_eq!(stage.asked("shelf", "machine.create").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_cannot_be_is_said() {
    let mut stage = Stage::hasty().await;
    failed_over(&mut stage).await;
    let mut machine = web(&["first", "second"]);
    machine["spec"]["failover"]["failback"] =
        json!({"policy": "InWindow", "after": "1s", "window": {"cron": "0 0 30 2 *"}});
    stage.apply(&machine).await;
    let said = |object: &Value| {
        let said = ready(object)["message"].as_str().unwrap_or_default().to_owned();
        said.contains("window.cron") && said.contains("never opens")
    };
    let machine = stage.until("CloudMachine", "web", "never opens", said).await;
    assert_eq!(ready(&machine)["status"], "True");
    let refusal = |failback: Value| {
        let mut machine = web(&["first"]);
        machine["metadata"]["name"] = "bad".into();
        machine["spec"]["failover"]["failback"] = failback;
        machine
    };
    let said = stage.refusal(&refusal(json!({"policy": "InWindow"}))).await;
    assert!(said.contains("window says when InWindow goes back"), "{said}");
    let mut cheapest = refusal(json!({"policy": "WhenHealthy"}));
    cheapest["spec"]["placement"] = "Cheapest".into();
    let said = stage.refusal(&cheapest).await;
    assert!(said.contains("failback goes with placement Ordered"), "{said}");
}
