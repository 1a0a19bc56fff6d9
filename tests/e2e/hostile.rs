//! Providers that answer nonsense to a create: shown, and never two machines.

use infrafabric_world::FaultSpec;

use crate::harness::{Stage, web};

const BOUND: u64 = 100 * 1024 * 1024;

/// The nonsense comes once, before or after the effect; in the end one machine runs.
async fn one_machine(fault: &str, effect: bool) {
    let stage = Stage::hasty().await;
    stage.shelf_account().await;
    let fault = FaultSpec { effect: Some(effect), ..FaultSpec::new("shelf", fault) };
    let fault = stage.fault(fault.on("machine.create").times(1)).await;
    stage.apply(&web(&["first"])).await;
    stage.met(fault, 1).await;
    let note = stage.event("web", "OutcomeUnknown").await;
    assert!(note.len() > 20 && note.len() <= 1000, "{note}");
    assert!(!note.contains("<html"), "no page in an event: {note}");
    let machine = stage.running("web").await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1, "{creations:?}");
    assert_eq!(stage.things().await.len(), 1);
    assert_eq!(machine["status"]["active"]["externalId"], creations[0].id.as_str());
    let tries = if effect { 1 } else { 2 };
    assert_eq!(stage.asked("shelf", "machine.create").await, tries);
    let peak = stage.running_operator().memory_peak();
    assert!(peak < BOUND, "{peak} bytes at the highest");
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_instead_of_an_answer() {
    one_machine("garbage", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_and_no_machine() {
    one_machine("garbage", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_answer() {
    one_machine("truncated", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn success_without_an_id() {
    one_machine("noid", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_another_host() {
    one_machine("redirect", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes() {
    one_machine("huge", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_after_the_effect() {
    one_machine("500", true).await;
}
