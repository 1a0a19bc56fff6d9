//! The admin API.

use infrafabric_world::{
    ClientError, FAULTS, FaultSpec, StartError, World, WorldClient, WorldOptions,
};
use serde_json::{Value, json};

use crate::definitions::{quay, quay_manifest};
use crate::harness::Harness;

fn refusal<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (u16, String) {
    match result {
        Err(ClientError::Refused { status, reason }) => (status, reason),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn faults_are_set_shown_and_taken_back() {
    let world = Harness::start(vec![quay()]).await;
    let id = world.client.set_fault(&FaultSpec::new("quay", "503").times(2)).await.expect("set");
    assert_eq!(world.quay("GET", "/me", Value::Null).await.status, 503);
    let shown = world.client.faults().await.expect("faults");
    assert_eq!((shown[0].id, shown[0].met, shown[0].spec.count), (id, 1, Some(2)));
    world.client.clear_fault(id).await.expect("cleared");
    assert_eq!(world.quay("GET", "/me", Value::Null).await.status, 200);
    assert_eq!(refusal(world.client.clear_fault(id).await).0, 404);
    world.client.set_fault(&FaultSpec::new("", "500")).await.expect("set");
    world.client.clear_faults().await.expect("cleared");
    assert!(world.client.faults().await.expect("faults").is_empty());
}

#[tokio::test]
async fn what_the_admin_api_does_not_know_is_refused_by_name() {
    let world = Harness::start(vec![quay()]).await;
    let (status, reason) = refusal(world.client.set_fault(&FaultSpec::new("quay", "fire")).await);
    assert_eq!(status, 400);
    assert!(FAULTS.iter().all(|fault| reason.contains(fault.name)), "{reason}");
    let fault = FaultSpec { by: Some("3s".into()), ..FaultSpec::new("quay", "hold") };
    let (status, reason) = refusal(world.client.set_fault(&fault).await);
    assert!(status == 400 && reason.contains("takes no `by`"), "{reason}");
    let (status, reason) = refusal(world.client.set_fault(&FaultSpec::new("nope", "hold")).await);
    assert!(status == 400 && reason.contains("`nope`"), "{reason}");
    for (method, path, expected) in [
        ("GET", "/_world/ledger?since=x", 400),
        ("GET", "/_world/ledger?definitoin=quay", 400),
        ("GET", "/_world/nothing", 404),
        ("POST", "/_world/faults", 400),
        ("GET", "/_world", 200),
    ] {
        let answer = world.send(method, path, &[], "").await.expect("answers");
        assert_eq!(answer.status, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_definition_given_at_run_time_is_served_and_its_next_version_keeps_its_things() {
    let world = Harness::start(Vec::new()).await;
    assert_eq!(world.quay("GET", "/me", Value::Null).await.status, 404);
    let mut manifest = quay_manifest();
    world.client.add_definition(&manifest).await.expect("added");
    assert_eq!(world.make("web").await.status, 201);
    manifest["spec"]["sandbox"]["verify"]["body"] = json!({"me": "newer"});
    world.client.add_definition(&manifest).await.expect("replaced");
    assert_eq!(world.quay("GET", "/me", Value::Null).await.json(), json!({"me": "newer"}));
    assert_eq!(world.quay("GET", "/boxes/box-1", Value::Null).await.status, 200);
    assert_eq!(world.make("db1").await.json()["box"]["id"], "box-2");

    manifest["spec"]["sandbox"]["verify"]["body"] = json!("${1 +}");
    let (status, reason) = refusal(world.client.add_definition(&manifest).await);
    assert!(status == 400 && reason.contains("spec.sandbox.verify.body"), "{reason}");
    manifest["spec"]["sandbox"] = Value::Null;
    let (status, reason) = refusal(world.client.add_definition(&manifest).await);
    assert!(status == 400 && reason.contains("no sandbox section"), "{reason}");
    manifest["kind"] = json!("Pod");
    assert_eq!(refusal(world.client.add_definition(&manifest).await).0, 400);
}

#[tokio::test]
async fn accounts_see_only_their_own_and_have_their_own_quota() {
    let world = Harness::start(vec![quay()]).await;
    let second = world.client.add_account("quay", &[("token", "second")], Some(1)).await;
    let second = second.expect("added");
    let make = async |token: &str, name: &str| {
        world.ask("POST", "/p/quay/boxes", token, json!({"name": name})).await
    };
    assert_eq!(make("quay-token", "web").await.status, 201);
    assert_eq!(make("second", "web").await.status, 201);
    let over = make("second", "more").await;
    assert_eq!((over.status, &over.json()["code"]), (422, &json!("limit")));
    assert_eq!(make("quay-token", "more").await.status, 201);
    let read = world.ask("GET", "/p/quay/boxes/box-1", "second", Value::Null).await;
    assert_eq!(read.status, 404);
    let things = world.client.things(None).await.expect("things");
    let theirs: Vec<_> = things.iter().filter(|thing| thing.account == second).collect();
    assert_eq!((things.len(), theirs.len(), theirs[0].id.as_str()), (3, 1, "box-2"));
    let again = world.client.add_account("quay", &[("token", "second")], Some(2)).await;
    assert_eq!(again.expect("found"), second);
    assert_eq!(make("second", "more").await.status, 201);
    assert_eq!(refusal(world.client.add_account("quay", &[("key", "x")], None).await).0, 400);
}

#[tokio::test]
async fn a_world_is_only_for_loopback_and_stops_listening() {
    let public = WorldOptions { listen: ([192, 0, 2, 1], 0).into(), ..WorldOptions::default() };
    assert!(matches!(World::start(public).await, Err(StartError::NotLoopback(_))));
    let world = World::start(WorldOptions::default()).await.expect("starts");
    let client = WorldClient::from_url(&format!("{}/", world.url())).expect("a URL");
    assert!(client.faults().await.is_ok());
    world.shutdown().await;
    assert!(matches!(client.faults().await, Err(ClientError::Connect { .. })));
    assert!(matches!(WorldClient::from_url("example"), Err(ClientError::Url(_))));
}
