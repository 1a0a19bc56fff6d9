//! Every fault, as a client meets it and as the ledger tells it.

use std::time::Duration;

use infrafabric_definition::Span;
use infrafabric_world::{Delivery, FaultSpec};
use serde_json::{Value, json};

use crate::definitions::quay;
use crate::harness::{Answer, Harness, eventually, quay_box};

async fn start(fault: FaultSpec) -> Harness {
    let world = Harness::start(vec![quay()]).await;
    world.client.set_fault(&fault).await.expect("set");
    world
}

fn fault(name: &str) -> FaultSpec {
    FaultSpec::new("quay", name).on("machine.create").times(1)
}

fn span(text: &str) -> Span {
    text.into()
}

async fn try_make(world: &Harness, name: &str) -> Result<Answer, hyper::Error> {
    world.try_ask("POST", "/p/quay/boxes", "quay-token", quay_box(name)).await
}

async fn deliveries(world: &Harness) -> Vec<Delivery> {
    world.ledger().await.entries.iter().map(|entry| entry.answer).collect()
}

#[tokio::test]
async fn an_outage_closes_the_connection_and_does_nothing() {
    let world = start(fault("outage")).await;
    assert!(try_make(&world, "web").await.is_err());
    assert!(deliveries(&world).await.is_empty());
    assert_eq!(world.make("web").await.status, 201);
    let worded = FaultSpec { status: Some(503), ..fault("outage") };
    world.client.set_fault(&worded).await.expect("set");
    assert_eq!(world.make("db1").await.status, 503);
    assert_eq!(world.ledger().await.entries.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect() {
    let world = start(fault("lost")).await;
    assert!(try_make(&world, "web").await.is_err());
    assert_eq!(deliveries(&world).await, [Delivery::Lost]);
    let listed = world.quay("GET", "/boxes?tag=if-mark", Value::Null).await.json();
    assert_eq!(listed["boxes"][0]["name"], "web");
}

#[tokio::test]
async fn a_held_answer_waits_for_its_release() {
    let world = start(fault("hold")).await;
    let asked = try_make(&world, "web");
    let released = async {
        eventually("the answer is held", async || {
            deliveries(&world).await == [Delivery::Held]
                && world.client.faults().await.is_ok_and(|faults| faults[0].held == 1)
        })
        .await;
        // The effect is there for everybody while its answer waits.
        assert_eq!(world.quay("GET", "/boxes/box-1", Value::Null).await.status, 200);
        assert_eq!(world.client.release(None).await.expect("released"), 1);
    };
    let (answer, ()) = tokio::join!(asked, released);
    assert_eq!(answer.expect("answered").status, 201);
    assert_eq!(deliveries(&world).await, [Delivery::Delivered]);
    assert_eq!(world.make("db1").await.status, 201);
}

#[tokio::test]
async fn a_held_answer_is_lost_with_its_client_and_goes_out_when_the_fault_ends() {
    let world = start(fault("hold")).await;
    let held = async || {
        eventually("held", async || deliveries(&world).await.contains(&Delivery::Held)).await;
    };
    tokio::select! {
        _ = try_make(&world, "web") => panic!("answered"),
        () = held() => {}
    }
    eventually("lost", async || deliveries(&world).await == [Delivery::Lost]).await;

    world
        .client
        .set_fault(&FaultSpec { lasts: Some(span("50ms")), ..fault("hold") })
        .await
        .expect("set");
    assert_eq!(try_make(&world, "db1").await.expect("answered").status, 201);

    world.client.set_fault(&fault("hold")).await.expect("set");
    let cleared = async {
        held().await;
        world.client.clear_faults().await.expect("cleared");
    };
    let (answer, ()) = tokio::join!(try_make(&world, "last"), cleared);
    assert_eq!(answer.expect("answered").status, 201);
}

#[tokio::test]
async fn statuses_are_answered_in_the_providers_form_without_effect() {
    for (name, retry_after) in [("429", Some(7)), ("429", None), ("402", None), ("500", None)] {
        let world = start(FaultSpec { retry_after, ..fault(name) }).await;
        let answer = world.make("web").await;
        assert_eq!(answer.status.to_string(), name);
        assert_eq!(answer.json()["status"], answer.status);
        let header = answer.headers.get("retry-after").map(|value| value.to_str().expect("text"));
        assert_eq!(header, retry_after.map(|_| "7"));
        assert!(deliveries(&world).await.is_empty());
    }
    let world = start(FaultSpec { effect: Some(true), ..fault("500") }).await;
    assert_eq!(world.make("web").await.status, 500);
    assert_eq!(deliveries(&world).await, [Delivery::Replaced]);
    let world = start(FaultSpec { retry_after: Some(1), ..fault("503") }).await;
    assert_eq!(world.make("web").await.headers["retry-after"], "1");
}

#[tokio::test]
async fn broken_answers_come_after_the_effect() {
    for (name, effects) in
        [("truncated", 1), ("noid", 1), ("huge", 1), ("garbage", 0), ("redirect", 0)]
    {
        let world = start(fault(name)).await;
        let answer = world.make("web").await;
        assert_eq!(deliveries(&world).await, vec![Delivery::Replaced; effects], "{name}");
        match name {
            "truncated" => {
                assert_eq!(answer.status, 201);
                assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
                assert!(answer.text().starts_with("{\"box\":"));
            }
            "noid" => assert_eq!((answer.status, answer.json()), (200, json!({}))),
            "huge" => assert_eq!((answer.status, answer.body.len()), (200, 20_000_000)),
            "garbage" => {
                assert_eq!(
                    (answer.status, &answer.headers["content-type"]),
                    (200, &"text/html".parse().expect("value"))
                );
                assert!(answer.text().contains("<html>"));
            }
            _ => {
                assert_eq!(answer.status, 302);
                assert_eq!(answer.headers["location"], "http://elsewhere.invalid/");
            }
        }
    }
    let world = start(FaultSpec { bytes: Some(64), ..fault("huge") }).await;
    let answer = world.make("web").await;
    assert_eq!(answer.body.len(), 64);
    assert!(answer.json()["padding"].is_string());
}

#[tokio::test]
async fn lists_lag_while_reads_do_not() {
    let lag = FaultSpec { by: Some(span("5s")), ..FaultSpec::new("quay", "lag") };
    let world = start(lag).await;
    world.make("web").await;
    let listed = async || {
        let body = world.quay("GET", "/boxes", Value::Null).await.json();
        body["boxes"].as_array().expect("list").len()
    };
    assert_eq!(listed().await, 0);
    assert_eq!(world.quay("GET", "/boxes/box-1", Value::Null).await.status, 200);
    world.advance(Duration::from_millis(4_999));
    assert_eq!(listed().await, 0);
    world.advance(Duration::from_millis(1));
    assert_eq!(listed().await, 1);
}

#[tokio::test]
async fn capacity_is_gone_where_the_fault_says() {
    let capacity = FaultSpec {
        region: Some("north".into()),
        size: Some("s1".into()),
        left: Some(1),
        ..FaultSpec::new("quay", "capacity")
    };
    let world = start(capacity).await;
    let place = async |name: &str, region: &str, size: &str| {
        let body = json!({"name": name, "where": {"region": region}, "size": size});
        world.quay("POST", "/boxes", body).await.status
    };
    assert_eq!(place("one", "north", "s1").await, 201);
    assert_eq!(place("two", "north", "s1").await, 503);
    assert_eq!(place("three", "north", "s2").await, 201);
    assert_eq!(place("four", "south", "s1").await, 201);
    assert_eq!(world.ledger().await.entries.len(), 3);
}

#[tokio::test]
async fn a_quota_counts_the_living() {
    let world = start(FaultSpec { n: Some(1), ..FaultSpec::new("quay", "quota") }).await;
    assert_eq!(world.make("web").await.status, 201);
    let over = world.make("db1").await;
    assert_eq!((over.status, &over.json()["message"]), (422, &json!("box limit")));
    world.quay("DELETE", "/boxes/box-1", Value::Null).await;
    assert_eq!(world.make("db1").await.status, 201);
}

#[tokio::test]
async fn revoked_credentials_and_late_answers() {
    let world = start(FaultSpec::new("quay", "revoked").on("verify")).await;
    let answer = world.quay("GET", "/me", Value::Null).await;
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("unauthorized")));
    assert_eq!(world.make("web").await.status, 201);

    let slow = FaultSpec { delay: Some(span("1h")), ..fault("slow") };
    world.client.set_fault(&slow).await.expect("set");
    let effect = async || world.ledger().await.entries.len() == 2;
    tokio::select! {
        _ = try_make(&world, "db1") => panic!("answered at once"),
        () = eventually("the effect", effect) => {}
    }
    eventually("lost", async || deliveries(&world).await[1] == Delivery::Lost).await;
    let slow = FaultSpec { delay: Some(span("20ms")), ..fault("slow") };
    world.client.set_fault(&slow).await.expect("set");
    assert_eq!(world.make("last").await.status, 201);
}

#[tokio::test]
async fn a_fault_ends_by_time_and_meets_only_its_operations() {
    let world =
        start(FaultSpec { lasts: Some(span("30s")), ..FaultSpec::new("quay", "503").on("*.list") })
            .await;
    assert_eq!(world.make("web").await.status, 201);
    assert_eq!(world.quay("GET", "/boxes", Value::Null).await.status, 503);
    world.advance(Duration::from_secs(30));
    assert_eq!(world.quay("GET", "/boxes", Value::Null).await.status, 200);
    assert!(world.client.faults().await.expect("faults").is_empty());
}
