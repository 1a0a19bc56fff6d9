//! The machine's life against a provider that behaves.

use infrafabric_adapters::contract::cloud::MachineState;
use infrafabric_definition::Class;
use serde_json::json;

use crate::definitions::{self, Ledger, account, thing, want};
use crate::hostile::{Provider, json};

#[tokio::test]
async fn a_machine_is_made_read_listed_and_deleted() {
    let provider = Provider::start([
        json(200, &json!({"account": {}})),
        json(202, &json!({"thing": thing("7", "new")})),
        json(200, &json!({"thing": thing("7", "active")})),
        json(200, &json!({"things": [thing("7", "active")], "next": "https://api.bench.test/v1/things?mark=m&page=2"})),
        json(200, &json!({"things": [thing("8", "odd")], "next": ""})),
        json(204, &json!("")),
    ])
    .await;
    let account = account(&provider.url);
    let journal = Ledger::default();
    account.verify().await.expect("verified");
    let made = account.create_machine(&want(), "t-1", &journal).await.expect("made");
    assert_eq!((made.id.as_str(), made.state), ("7", MachineState::Creating));
    let read = account.read_machine("7", "").await.expect("read").expect("there");
    assert_eq!((read.state, read.addresses[0].ip.as_str()), (MachineState::Running, "192.0.2.7"));
    let listed = account.list_machines("m", "").await.expect("listed");
    assert_eq!(listed.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["7", "8"]);
    assert_eq!(listed[1].state, MachineState::Unknown);
    account.delete_machine("7", "", "t-2", &journal).await.expect("deleted");
    let requests = provider.requests();
    let lines: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /account",
            "POST /things",
            "GET /things/7",
            "GET /things?mark=m",
            "GET /things?mark=m&page=2",
            "DELETE /things/7",
        ]
    );
    for request in &requests {
        assert_eq!(request.header("authorization"), Some("Bearer s3cr3t-t0ken"));
        let agent = concat!("infrafabric/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
    }
    let body = r#"{"name":"web","region":"fra","marks":["m","u"]}"#;
    assert_eq!(requests[1].body, body);
    assert_eq!(
        journal.lines(),
        [
            "intent machine.create t-1",
            "permit",
            "outcome None 202 7",
            "intent machine.delete t-2",
            "permit",
            "outcome None 204 7",
        ]
    );
}

#[tokio::test]
async fn delete_of_the_absent_succeeds() {
    let provider = Provider::start([json(404, &json!({"message": "not found"}))]).await;
    let journal = Ledger::default();
    account(&provider.url).delete_machine("7", "", "t", &journal).await.expect("gone is gone");
    assert_eq!(journal.lines().last().expect("an outcome"), "outcome None 404 7");
}

#[tokio::test]
async fn reading_the_absent_is_none() {
    let provider = Provider::start([json(404, &json!({"message": "not found"}))]).await;
    assert!(account(&provider.url).read_machine("7", "").await.expect("read").is_none());
}

#[tokio::test]
async fn what_is_not_declared_is_refused_before_any_byte_leaves() {
    let provider = Provider::start([]).await;
    let account = account(&provider.url);
    assert_eq!(
        account.capabilities(),
        [
            "machine.create",
            "machine.delete",
            "machine.list",
            "machine.read",
            "sizes.list",
            "verify",
        ]
    );
    let error = account.images("fra").await.expect_err("not declared");
    assert_eq!((error.class, error.sent), (Class::Unsupported, false));
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn rows_without_their_columns_are_left_out_and_counted() {
    let provider = Provider::start([json(
        200,
        &json!({"sizes": [
            {"slug": "a", "vcpus": 1, "memory": 1024, "price": 0.006}, {"slug": "b"},
        ]}),
    )])
    .await;
    let metrics = std::sync::Arc::default();
    let account = definitions::counted(&provider.url, &metrics);
    let sizes = account.sizes("fra").await.expect("listed");
    assert_eq!(sizes.iter().map(|size| size.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(metrics.skipped_rows(), 1);
    let series = metrics.snapshot();
    assert_eq!((series[0].labels.path.as_str(), series[0].labels.class), ("/sizes", "Ok"));
}
