//! Crashes and lost answers: exactly one machine, whatever happens.

use infrafabric_definition::Span;
use infrafabric_world::{Delivery, FaultSpec};

use serde_json::{Value, json};

use crate::harness::{Setup, Stage, condition, provider, ready, secret, shelf, web};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_twice_is_one() {
    let mut stage = Stage::start().await;
    stage.two_accounts().await;
    let hold = stage.fault(FaultSpec::new("digitalocean", "hold").on("machine.create")).await;
    stage.apply(&web(&["first", "second"])).await;
    stage.held(hold).await;
    stage.crash();
    let before = stage.get("CloudMachine", "web").await.expect("the machine");
    assert_eq!(before["status"]["operation"]["verb"], "create", "the intent came first");
    assert!(before["status"]["active"].is_null(), "the answer never came");
    stage.world.clear_faults().await.expect("cleared");

    stage.launch().await;
    let machine = stage.running("web").await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1, "{creations:?}");
    assert_eq!(machine["status"]["active"]["externalId"], creations[0].id.as_str());
    assert_eq!(machine["status"]["active"]["provider"], "first");
    assert!(machine["status"]["operation"].is_null());
    assert!(stage.event("web", "Adopted").await.contains(&creations[0].id));
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answer_never_repeats_an_effect() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    stage.fault(FaultSpec::new("digitalocean", "lost").on("machine.create")).await;
    stage.apply(&web(&["first", "second"])).await;
    let machine = stage.running("web").await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1, "{creations:?}");
    assert_eq!(creations[0].answer, Delivery::Lost);
    assert_eq!(machine["status"]["active"]["externalId"], creations[0].id.as_str());
    stage.witness_fits_the_ledger().await;
}

/// `web` as it is in the end when the operator dies after the provider made it.
async fn killed_while_creating(stage: &mut Stage) -> Value {
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_fault(hold).await.expect("cleared");
    stage.launch().await;
    stage.running("web").await
}

/// A provider without tags: what nobody heard of is found by the name that was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_without_tags_is_searched_by_name() {
    let mut nameless = shelf("shelf");
    let machine = &mut nameless["spec"]["objects"]["machine"];
    machine["identity"]["find"] = "name".into();
    machine["create"]["json"].as_object_mut().expect("a body").remove("tags");
    machine["list"]["get"] = "/machines?limit=1000&page=${cursor}".into();
    machine["as"].as_object_mut().expect("outputs").remove("marks");
    let setup = Setup { definitions: vec![nameless.clone()], ..Setup::default() };
    let mut stage = Stage::with(setup.arguments(&["--call-deadline=1"])).await;
    stage.apply(&nameless).await;
    stage.account("first", "shelf", "north").await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
    let mut other = web(&["first"]);
    other["metadata"]["name"] = "web-2".into();
    stage.apply(&other).await;
    stage.running("web-2").await;
    let machine = killed_while_creating(&mut stage).await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 2, "{creations:?}");
    assert_eq!(machine["status"]["active"]["externalId"], creations[1].id.as_str());
    assert!(stage.event("web", "Adopted").await.contains(&creations[1].id));
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    stage.delete("CloudMachine", "web-2").await;
    stage.gone("CloudMachine", "web-2").await;
    assert!(stage.things().await.is_empty());
}

/// The list does not show the machine when the operator comes back: it waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_lags_is_waited_for() {
    let mut late = shelf("shelf");
    late["spec"]["objects"]["machine"]["identity"]["lag"] = "1s".into();
    let setup = Setup { definitions: vec![late.clone()], ..Setup::default() };
    let mut stage = Stage::with(setup.arguments(&["--call-deadline=1"])).await;
    stage.apply(&late).await;
    stage.account("first", "shelf", "north").await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
    let lag = FaultSpec { by: Some(Span("1s".to_owned())), ..FaultSpec::new("shelf", "lag") };
    stage.fault(lag.on("machine.list")).await;
    let machine = killed_while_creating(&mut stage).await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1, "{creations:?}");
    assert_eq!(machine["status"]["active"]["externalId"], creations[0].id.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_made_is_made_once_more() {
    let stage = Stage::hasty().await;
    stage.shelf_account().await;
    let outage = FaultSpec::new("shelf", "outage").on("machine.create").times(1);
    let outage = stage.fault(outage).await;
    stage.apply(&web(&["first"])).await;
    stage.met(outage, 1).await;
    stage.reason("CloudMachine", "web", "OutcomeUnknown").await;
    let machine = stage.running("web").await;
    assert_eq!(stage.creations().await.len(), 1);
    assert_eq!(stage.asked("shelf", "machine.create").await, 2);
    assert_eq!(machine["status"]["attempts"][0]["class"], "Unavailable");
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_found_are_listed_and_none_is_touched() {
    let mut stage = Stage::start().await;
    stage.shelf_account().await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    stage.crash();
    stage.world.clear_faults().await.expect("cleared");
    let second = stage.second_thing("shelf", "bench-token").await;
    stage.launch().await;
    let machine = stage.reason("CloudMachine", "web", "SeveralFound").await;
    let message = ready(&machine)["message"].as_str().expect("a message").to_owned();
    let first = &stage.creations().await[0].id;
    assert!(message.contains(first.as_str()) && message.contains(&second), "{message}");
    assert_eq!(condition(&machine, "Stalled")["status"], "True");
    assert_eq!(stage.things().await.len(), 2, "none was deleted");

    stage.remove_thing("shelf", "bench-token", &second).await;
    let touched = serde_json::json!({"metadata": {"annotations": {"infrafabric.io/reconcile-requested-at": "now"}}});
    stage.merge("CloudMachine", "web", touched).await;
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["externalId"], first.as_str());
}

/// Where the provider honours the token, the same create is sent again and is one machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyed_create_is_repeated_and_is_one() {
    let stage = Stage::start().await;
    let keys = json!({"accessKeyId": "AKIASANDBOX000000000", "secretAccessKey": "sandbox-secret-access-key"});
    stage.apply(&secret("first", &keys)).await;
    stage.apply(&provider("first", "aws", "eu-central-1")).await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
    stage.fault(FaultSpec::new("aws", "lost").on("machine.create").times(1)).await;
    stage.apply(&web(&["first"])).await;
    let machine = stage.running("web").await;
    assert_eq!(stage.asked("aws", "machine.create").await, 2, "asked again with the same token");
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1, "{creations:?}");
    assert_eq!(machine["status"]["active"]["externalId"], creations[0].id.as_str());
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    stage.witness_fits_the_ledger().await;
}
