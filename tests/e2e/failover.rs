//! The class of a failure decides who is asked next.

use infrafabric_definition::Span;
use infrafabric_world::FaultSpec;

use crate::harness::{Setup, Stage, condition, ready, web};

/// `first` cannot create by the fault: the machine runs at `second`, and why is said everywhere.
async fn goes_on_at_once(fault: FaultSpec, class: &str) {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    for name in ["first", "second"] {
        stage.reason("Provider", name, "CredentialsVerified").await;
    }
    stage.fault(fault).await;
    stage.apply(&web(&["first", "second"])).await;
    let machine = stage.running("web").await;
    let status = &machine["status"];
    assert_eq!(status["active"]["provider"], "second");
    let attempt = &status["attempts"][0];
    assert_eq!((&attempt["provider"], &attempt["class"]), (&"first".into(), &class.into()));
    assert!(attempt["until"].is_string() && attempt["message"].is_string(), "{attempt}");
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("not at first") && message.contains(class), "{message}");
    let note = stage.event("web", "CandidateFailed").await;
    assert!(note.contains("first") && note.contains(class), "{note}");
    assert_eq!(stage.asked("digitalocean", "machine.create").await, 1, "asked once, then left");
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1);
    assert_eq!(creations[0].definition, "linode");
    stage.witness_fits_the_ledger().await;
}

fn create(fault: &str) -> FaultSpec {
    FaultSpec::new("digitalocean", fault).on("machine.create")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_capacity_goes_to_the_next_at_once() {
    goes_on_at_once(create("capacity"), "Capacity").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_goes_to_the_next_at_once() {
    goes_on_at_once(FaultSpec { n: Some(0), ..create("quota") }, "Quota").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_credentials_go_to_the_next_at_once() {
    goes_on_at_once(create("revoked"), "Auth").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credit_goes_to_the_next_at_once() {
    goes_on_at_once(create("402"), "OutOfCredit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unavailable_is_waited_for_then_left() {
    let stage = Stage::with(Setup::default().arguments(&["--call-deadline=2"])).await;
    let outage = stage.fault(FaultSpec::new("digitalocean", "outage")).await;
    stage.two_accounts().await;
    stage.reason("Provider", "first", "Unavailable").await;
    stage.reason("Provider", "second", "CredentialsVerified").await;
    let mut machine = web(&["first", "second"]);
    machine["spec"]["failover"]["after"] = "3s".into();
    stage.apply(&machine).await;
    let waits = |object: &serde_json::Value| {
        let message = ready(object)["message"].as_str().unwrap_or_default().to_owned();
        message.contains("first: not ready") && object["status"]["state"] == "Pending"
    };
    stage.until("CloudMachine", "web", "waiting for first", waits).await;
    assert_eq!(stage.asked("linode", "machine.create").await, 0, "it waits first");
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["provider"], "second");
    assert_eq!(stage.asked("digitalocean", "machine.create").await, 0);
    // It stays there when the first comes back.
    stage.world.clear_fault(outage).await.expect("cleared");
    stage.reason("Provider", "first", "CredentialsVerified").await;
    assert_eq!(stage.creations().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_are_blocked_the_reasons_stand_and_it_recovers() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    let after = |definition| FaultSpec {
        retry_after: Some(11),
        ..FaultSpec::new(definition, "429").on("machine.create").times(1)
    };
    let capacity = FaultSpec::new("linode", "capacity").on("machine.create");
    stage.fault(capacity).await;
    stage.fault(FaultSpec { lasts: Some(Span("10s".to_owned())), ..after("digitalocean") }).await;
    for name in ["first", "second"] {
        stage.reason("Provider", name, "CredentialsVerified").await;
    }
    // The one that has no capacity first; then the one that says when to come again.
    stage.apply(&web(&["second", "first"])).await;
    let blocked = |object: &serde_json::Value| {
        let message = ready(object)["message"].as_str().unwrap_or_default().to_owned();
        ready(object)["reason"] == "NoCandidate"
            && message.contains("second:")
            && message.contains("first:")
    };
    let machine = stage.until("CloudMachine", "web", "blocked everywhere", blocked).await;
    assert_eq!(machine["status"]["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(condition(&machine, "Reconciling")["status"], "True");
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["provider"], "first");
    assert_eq!(stage.creations().await.len(), 1);
}
