//! Many at once.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::definitions::quay;
use crate::harness::Harness;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_make_each_thing_once() {
    let world = Harness::start(vec![quay()]).await;
    let names: Vec<String> = (0..200).map(|i| format!("box{}", i % 100)).collect();
    let world = &world;
    let asked = names.iter().map(|name| async move {
        let answer = world.quay("POST", "/boxes", json!({"name": name})).await;
        (answer.status, answer.json()["box"]["id"].clone())
    });
    let answers = join_all(asked).await;
    let made: HashSet<String> =
        answers.iter().filter(|(status, _)| *status == 201).map(|(_, id)| id.to_string()).collect();
    assert_eq!(made.len(), 100);
    assert_eq!(answers.iter().filter(|(status, _)| *status == 409).count(), 100);
    assert_eq!(world.ledger().await.entries.len(), 100);
    let listed = world.quay("GET", "/boxes", Value::Null).await;
    assert_eq!(listed.headers["x-total"], "100");
}
