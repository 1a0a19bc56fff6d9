//! A JSON provider with bearer tokens.

use std::time::Duration;

use infrafabric_world::{Delivery, Effect};
use serde_json::{Value, json};

use crate::definitions::{built_in, quay};
use crate::harness::{Harness, quay_box};

#[tokio::test]
async fn a_thing_is_created_read_listed_and_deleted_through_its_phases() {
    let world = Harness::start(vec![quay()]).await;
    let made = world.make("web").await;
    assert_eq!(made.status, 201);
    assert_eq!(made.headers["location"], "/boxes/box-1");
    assert_eq!(made.headers["content-type"], "application/json");
    assert_eq!(made.headers["date"], "Sun, 22 Nov 2026 12:00:00 GMT");
    let item = &made.json()["box"];
    assert_eq!(item["id"], "box-1");
    assert_eq!(item["state"], "new");
    assert_eq!(item["region"], "north");
    assert_eq!(item["created"], "2026-11-22T12:00:00Z");
    let state = async || {
        world.quay("GET", "/boxes/box-1", Value::Null).await.json()["box"]["state"].clone()
    };
    world.advance(Duration::from_millis(9_999));
    assert_eq!(state().await, "new");
    world.advance(Duration::from_millis(1));
    assert_eq!(state().await, "up");
    let shown = world.client.things(Some("quay")).await.expect("things");
    assert_eq!((shown[0].state.as_str(), shown[0].vendor_state.as_str()), ("Running", "up"));
    assert_eq!((shown[0].name.as_deref(), shown[0].marks.len()), (Some("web"), 2));

    let deleted = world.quay("DELETE", "/boxes/box-1", Value::Null).await;
    assert_eq!((deleted.status, &deleted.json()["state"]), (202, &json!("going")));
    assert_eq!(world.quay("DELETE", "/boxes/box-1", Value::Null).await.status, 202);
    assert_eq!(state().await, "going");
    world.advance(Duration::from_secs(10));
    assert_eq!(state().await, "gone");
    world.advance(Duration::from_mins(10));
    assert_eq!(world.quay("GET", "/boxes/box-1", Value::Null).await.status, 404);
    assert_eq!(world.quay("DELETE", "/boxes/box-1", Value::Null).await.status, 404);
    assert!(world.client.things(None).await.expect("things").is_empty());
    world.world.shutdown().await;
}

#[tokio::test]
async fn the_ledger_holds_exactly_the_effects() {
    let world = Harness::start(vec![quay()]).await;
    world.make("web").await;
    world.make("web").await;
    world.make("db1").await;
    world.quay("DELETE", "/boxes/box-1", Value::Null).await;
    world.quay("DELETE", "/boxes/box-1", Value::Null).await;
    world.quay("DELETE", "/boxes/box-9", Value::Null).await;
    world.quay("GET", "/boxes", Value::Null).await;
    let ledger = world.ledger().await;
    let effects: Vec<_> =
        ledger.entries.iter().map(|e| (e.seq, e.effect, e.id.as_str(), e.status)).collect();
    let expected = [
        (1, Effect::Create, "box-1", 201),
        (2, Effect::Create, "box-2", 201),
        (3, Effect::Delete, "box-1", 202),
    ];
    assert_eq!(effects, expected);
    let first = &ledger.entries[0];
    assert_eq!((first.operation.as_str(), first.answer), ("machine.create", Delivery::Delivered));
    assert_eq!((first.name.as_deref(), first.region.as_deref()), (Some("web"), Some("north")));
    assert_eq!(first.marks, ["if-mark", "extra"]);
    assert_eq!(first.request["user_data"], "[left out]");
    assert!(!serde_json::to_string(&ledger).expect("json").contains("quay-token"));
    let counts = &ledger.requests["quay"];
    assert_eq!((counts["machine.create"], counts["machine.delete"]), (3, 3));
    assert_eq!((counts["machine.list"], ledger.unmatched), (1, 0));
    let newer = world.client.ledger(Some("quay"), 2).await.expect("ledger");
    assert_eq!(newer.entries.len(), 1);
    assert!(world.client.ledger(Some("other"), 0).await.expect("ledger").entries.is_empty());
}

#[tokio::test]
async fn pages_and_filters_list_everything_once() {
    let world = Harness::start(vec![quay()]).await;
    for name in ["one", "two", "three", "four", "five"] {
        world.make(name).await;
    }
    world.quay("POST", "/boxes", json!({"name": "foreign", "tags": ["theirs"]})).await;
    let mut names = Vec::new();
    let mut page = json!(1);
    while !page.is_null() {
        let path = format!("/boxes?tag=if-mark&page={page}");
        let answer = world.quay("GET", &path, Value::Null).await;
        assert_eq!(answer.headers["x-total"], "5");
        let body = answer.json();
        assert_eq!(body["pages"], 3);
        names.extend(body["boxes"].as_array().expect("list").iter().map(|b| b["name"].clone()));
        page = body["next"].clone();
    }
    assert_eq!(names, ["one", "two", "three", "four", "five"]);
    let beyond = world.quay("GET", "/boxes?tag=if-mark&page=9", Value::Null).await.json();
    assert_eq!((&beyond["boxes"], beyond.get("next")), (&json!([]), None));
    let none = world.quay("GET", "/boxes?tag=nobody", Value::Null).await.json();
    assert_eq!((&none["boxes"], &none["pages"]), (&json!([]), &json!(1)));
}

#[tokio::test]
async fn refusals_have_the_providers_form() {
    let world = Harness::start(vec![quay()]).await;
    let short = world.make("ab").await;
    assert_eq!((short.status, &short.json()["message"]), (422, &json!("name is too short")));
    world.make("web").await;
    let twice = world.make("web").await;
    assert_eq!((twice.status, &twice.json()["code"]), (409, &json!("conflict")));
    let wrong = world.ask("GET", "/p/quay/me", "nobody", Value::Null).await;
    assert_eq!((wrong.status, &wrong.json()["status"]), (401, &json!(401)));
    let none = world.send("GET", "/p/quay/me", &[], "").await.expect("answers");
    assert_eq!(none.status, 401);
    let headers = [("authorization", "Bearer quay-token"), ("content-type", "application/json")];
    let broken =
        world.send("POST", "/p/quay/boxes", &headers, "{\"name\":").await.expect("answers");
    assert_eq!(broken.status, 400);
    assert_eq!(world.quay("GET", "/me", Value::Null).await.json(), json!({"me": true}));
    assert_eq!(
        world.quay("GET", "/regions", Value::Null).await.json()["regions"][0]["name"],
        "north"
    );
}

#[tokio::test]
async fn what_no_operation_answers_is_counted() {
    let world = Harness::start(vec![quay()]).await;
    assert_eq!(world.quay("GET", "/sizes", Value::Null).await.status, 404);
    assert_eq!(world.quay("PATCH", "/boxes/box-1", Value::Null).await.status, 404);
    assert_eq!(world.ask("GET", "/p/nobody/x", "t", Value::Null).await.status, 404);
    assert_eq!(world.ask("GET", "/elsewhere", "t", Value::Null).await.status, 404);
    let ledger = world.ledger().await;
    assert_eq!(ledger.unmatched, 4);
    let requests: Vec<_> =
        ledger.unmatched_requests.iter().map(|r| (r.method.as_str(), r.path.as_str())).collect();
    assert_eq!(requests[..2], [("GET", "/sizes"), ("PATCH", "/boxes/box-1")]);
    assert_eq!(world.client.ledger(Some("quay"), 0).await.expect("ledger").unmatched, 2);
}

#[tokio::test]
async fn a_repeated_key_is_one_effect_and_another_request_under_it_is_refused() {
    let world = Harness::start(vec![quay()]).await;
    let send = async |name: &str, key: &str| {
        let headers = [
            ("authorization", "Bearer quay-token"),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = quay_box(name).to_string();
        world.send("POST", "/p/quay/boxes", &headers, body).await.expect("answers")
    };
    let (first, again) = (send("web", "k1").await, send("web", "k1").await);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    assert_eq!(send("db1", "k1").await.status, 409);
    assert_eq!(send("db1", "k2").await.json()["box"]["id"], "box-2");
    let ledger = world.ledger().await;
    assert_eq!(ledger.entries.len(), 2);
    assert_eq!(ledger.entries[0].token.as_deref(), Some("k1"));
}

#[tokio::test]
async fn digitalocean_answers_as_its_definition_reads() {
    let world = Harness::start(vec![built_in("digitalocean")]).await;
    let ask = async |method: &str, path: &str, body: Value| {
        world.ask(method, &format!("/p/digitalocean{path}"), "dop_v1_sandbox", body).await
    };
    assert_eq!(ask("GET", "/v2/account", Value::Null).await.status, 200);
    let body = json!({"name": "web", "region": "nyc3", "size": "s-2vcpu-4gb",
                      "image": "ubuntu-24-04-x64", "tags": ["if-mark"]});
    let made = ask("POST", "/v2/droplets", body).await;
    assert_eq!(made.status, 202, "{}", made.text());
    let id = made.json()["droplet"]["id"].as_i64().expect("a number");
    assert_eq!(made.json()["droplet"]["status"], "new");
    world.advance(Duration::from_secs(10));
    let read = ask("GET", &format!("/v2/droplets/{id}"), Value::Null).await.json();
    assert_eq!(read["droplet"]["status"], "active");
    assert_eq!(read["droplet"]["networks"]["v4"][0]["type"], "public");
    let listed = ask("GET", "/v2/droplets?tag_name=if-mark&per_page=200", Value::Null).await.json();
    assert_eq!(listed["meta"]["total"], 1);
    assert_eq!(listed["links"]["pages"].get("next"), None);
    assert_eq!(ask("DELETE", &format!("/v2/droplets/{id}"), Value::Null).await.status, 204);
    let gone = ask("GET", &format!("/v2/droplets/{id}"), Value::Null).await;
    assert_eq!(gone.status, 404);
    let sizes = ask("GET", "/v2/sizes?per_page=200", Value::Null).await.json();
    assert!(sizes["sizes"].as_array().is_some_and(|sizes| !sizes.is_empty()));
    assert_eq!(world.ledger().await.unmatched, 0);
}

#[tokio::test]
async fn linode_filters_by_header_and_keeps_labels_unique() {
    let world = Harness::start(vec![built_in("linode")]).await;
    let token = "linode-sandbox-token";
    let body = |label: &str, tag: &str| {
        json!({"label": label, "region": "us-east", "type": "g6-standard-2",
               "image": "linode/ubuntu24.04", "authorized_keys": ["ssh-ed25519 AAAA"], "tags": [tag]})
    };
    let path = "/p/linode/linode/instances";
    let made = world.ask("POST", path, token, body("web-1", "ours")).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(world.ask("POST", path, token, body("web-2", "theirs")).await.status, 200);
    assert_eq!(world.ask("POST", path, token, body("web-1", "ours")).await.status, 400);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-filter", r#"{"tags":"ours"}"#)];
    let query = format!("{path}?page=1&page_size=500");
    let listed = world.send("GET", &query, &headers, "").await.expect("answers").json();
    assert_eq!((&listed["results"], &listed["data"][0]["label"]), (&json!(1), &json!("web-1")));
    assert_eq!(world.ledger().await.entries.len(), 2);
}
