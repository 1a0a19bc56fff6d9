//! Faults: what clients see of them, and what really happened.

mod harness;

use std::time::{Duration, Instant};

use embedded_kube_api::{FaultSpec, Server};
use futures::{StreamExt, TryStreamExt};
use harness::{own_with_widgets, refusal, widget};
use kube::Client;
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

fn fault(server: &Server, spec: Value) {
    let spec: FaultSpec = serde_json::from_value(spec).expect("a fault");
    server.set_fault(spec).expect("it is set");
}

#[tokio::test]
async fn conflicts_overload_and_errors_strike_before_or_after_the_effect() {
    let (server, _, widgets) = own_with_widgets().await;
    let create = |name: &str| {
        let (widgets, object) = (widgets.clone(), widget(name, json!({"size": 1})));
        async move { widgets.create(&PostParams::default(), &object).await }
    };
    create("a").await.expect("nothing is disturbed yet");

    fault(
        &server,
        json!({"fault": "conflict", "verb": "patch", "resource": "widgets", "count": 1}),
    );
    let patch = Patch::Merge(json!({"spec": {"size": 2}}));
    let conflict = widgets.patch("a", &PatchParams::default(), &patch).await;
    let (code, reason, message) = refusal(conflict);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.contains("widgets.example.com \"a\""), "{message}");
    let patched = widgets.patch("a", &PatchParams::default(), &patch).await.expect("once is once");
    assert_eq!(patched.data["spec"]["size"], 2);

    fault(
        &server,
        json!({"fault": "error", "code": 500, "verb": "create", "when": "after", "count": 1}),
    );
    let (code, ..) = refusal(create("b").await);
    assert_eq!(code, 500);
    widgets.get("b").await.expect("the effect happened, the answer lied");

    fault(&server, json!({"fault": "reset", "verb": "create", "when": "after", "count": 1}));
    let lost = create("c").await.expect_err("no answer");
    assert!(!matches!(lost, kube::Error::Api(_)), "{lost}");
    widgets.get("c").await.expect("the effect happened, the answer was lost");
    fault(&server, json!({"fault": "reset", "verb": "create", "count": 1}));
    create("d").await.expect_err("no answer");
    assert!(widgets.get_opt("d").await.expect("it answers").is_none(), "nothing happened");

    fault(
        &server,
        json!({"fault": "slow", "by": "200ms", "verb": "get", "name": "a", "for": "1m"}),
    );
    let begun = Instant::now();
    widgets.get("b").await.expect("b is not concerned");
    assert!(begun.elapsed() < Duration::from_millis(200));
    widgets.get("a").await.expect("it is slow, and answers");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    server.shutdown().await;
}

/// Asks the admin API as any client with the token can.
async fn admin(
    client: &Client,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder().method(method).uri(path).body(body);
    client.request(request.expect("a request")).await
}

#[tokio::test]
async fn the_admin_api_sets_lists_and_clears() {
    let (server, client, widgets) = own_with_widgets().await;
    // kube-rs itself waits as long as it is told to, and asks again.
    let spec = json!({"fault": "too-many", "retryAfter": 1, "verb": "list", "count": 1});
    admin(&client, "POST", "/debug/faults", &spec).await.expect("it is set");
    let begun = Instant::now();
    widgets.list(&ListParams::default()).await.expect("the second time it answers");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());

    let spec = json!({"fault": "conflict", "resource": "widgets.example.com", "verb": "create"});
    let set = admin(&client, "POST", "/debug/faults", &spec).await.expect("it is set");
    let refused = widgets.create(&PostParams::default(), &widget("a", json!({"size": 1}))).await;
    assert_eq!(refusal(refused).0, 409);
    let listed = admin(&client, "GET", "/debug/faults", &Value::Null).await.expect("a list");
    let wanted = json!({"fault": "conflict", "resource": "widgets.example.com",
        "verb": "create", "id": set["id"], "hits": 1});
    assert_eq!(listed["faults"], json!([wanted]));
    let path = format!("/debug/faults/{}", set["id"]);
    admin(&client, "DELETE", &path, &Value::Null).await.expect("it is cleared");
    let made = widgets.create(&PostParams::default(), &widget("a", json!({"size": 1}))).await;
    made.expect("nothing is disturbed any more");

    let (code, _, message) = refusal(admin(&client, "DELETE", &path, &Value::Null).await);
    assert_eq!(code, 404, "{message}");
    let wrong = admin(&client, "POST", "/debug/faults", &json!({"fault": "gremlin"})).await;
    let (code, _, message) = refusal(wrong);
    assert!(code == 400 && message.contains("drop-watches"), "{message}");
    server.shutdown().await;
}

#[tokio::test]
async fn watches_end_come_late_and_expire() {
    let (server, _, widgets) = own_with_widgets().await;
    let first = widgets.create(&PostParams::default(), &widget("a", json!({"size": 1}))).await;
    let version = first.expect("a is made").metadata.resource_version.expect("a version");

    let stream = widgets.watch(&WatchParams::default(), &version).await.expect("a watch");
    fault(&server, json!({"fault": "late-events", "by": "300ms", "resource": "widgets"}));
    let begun = Instant::now();
    widgets
        .create(&PostParams::default(), &widget("b", json!({"size": 1})))
        .await
        .expect("b is made");
    let mut stream = stream.boxed();
    let event = stream.try_next().await.expect("no error").expect("an event");
    assert!(matches!(event, WatchEvent::Added(_)), "{event:?}");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());

    server.clear_faults(None);
    fault(&server, json!({"fault": "drop-watches"}));
    let end = tokio::time::timeout(harness::PATIENCE, stream.try_next()).await.expect("it ends");
    assert!(end.expect("no error").is_none());

    fault(&server, json!({"fault": "expire"}));
    let mut stream =
        widgets.watch(&WatchParams::default(), &version).await.expect("a watch").boxed();
    let event = stream.try_next().await.expect("no error").expect("an event");
    assert!(matches!(&event, WatchEvent::Error(status) if status.code == 410), "{event:?}");
    server.shutdown().await;
}
