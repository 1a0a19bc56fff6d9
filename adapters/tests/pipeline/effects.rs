//! What must hold for everything that changes the world.

use std::time::Duration;

use infrafabric_adapters::account::AccountOptions;
use infrafabric_definition::Class;
use serde_json::json;

use crate::definitions::{Ledger, account, at, keyed, open, spec, thing, want};
use crate::hostile::{Provider, Reply, json, with};

#[tokio::test]
async fn lost_answer_never_repeats_an_effect() {
    // First over a fresh connection, then over one that was used before: clients like to repeat those.
    let provider =
        Provider::start([Reply::Lost, json(200, &json!({})), Reply::Lost, Reply::Lost]).await;
    let account = account(&provider.url);
    let journal = Ledger::default();
    let error = account.create_machine(&want(), "t-1", &journal).await.expect_err("lost");
    assert_eq!((error.class, error.sent), (Class::Unknown, true));
    account.verify().await.expect("verified");
    let error = account.create_machine(&want(), "t-2", &journal).await.expect_err("lost");
    assert_eq!((error.class, error.sent), (Class::Unknown, true));
    let error = account.delete_machine("7", "", "t-3", &journal).await.expect_err("lost");
    assert_eq!((error.class, error.sent), (Class::Unknown, true));
    let requests = provider.requests();
    let lines: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(lines, ["POST /things", "GET /account", "POST /things", "DELETE /things/7"]);
    assert_eq!(journal.lines().iter().filter(|line| *line == "outcome Unknown").count(), 2);
}

#[tokio::test]
async fn a_keyed_effect_is_repeated_with_the_same_bytes_and_one_intent() {
    let made = json(202, &json!({"thing": thing("7", "new")}));
    let provider = Provider::start([Reply::Lost, with(502, &[], "<html>bad gateway"), made]).await;
    let journal = Ledger::default();
    let account = open(keyed(), at(&provider.url));
    account.create_machine(&want(), "t-1", &journal).await.expect("made");
    let bodies: Vec<String> = provider.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0] && body.contains("t-1")), "{bodies:?}");
    let lines = ["intent machine.create t-1", "permit", "permit", "permit", "outcome None 202 7"];
    assert_eq!(journal.lines(), lines);
}

#[tokio::test]
async fn a_doubt_is_not_ended_by_a_later_refusal() {
    let refusal = json(400, &json!({"message": "no"}));
    let provider = Provider::start([Reply::Lost, refusal]).await;
    let account = open(keyed(), at(&provider.url));
    let journal = Ledger::default();
    let error = account.create_machine(&want(), "t", &journal).await.expect_err("in doubt");
    assert_eq!((error.class, error.sent, provider.requests().len()), (Class::Unknown, true, 2));
}

#[tokio::test]
async fn nothing_leaves_without_an_intent() {
    let provider = Provider::start([]).await;
    let journal = Ledger::changed();
    let account = account(&provider.url);
    let error = account.create_machine(&want(), "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::Conflict, false));
    let error = account.delete_machine("7", "", "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::Conflict, false));
    assert!(provider.requests().is_empty() && journal.lines().is_empty());
}

#[tokio::test]
async fn a_forbidden_permit_sends_nothing() {
    let provider = Provider::start([]).await;
    let journal = Ledger::permitting(0);
    let account = account(&provider.url);
    let error = account.create_machine(&want(), "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::Policy, false));
    assert!(error.message.contains("the lease is lost"), "{error}");
    assert!(provider.requests().is_empty());
    assert_eq!(journal.lines(), ["intent machine.create t", "outcome Policy"]);
}

#[tokio::test]
async fn a_permit_is_asked_before_every_sending() {
    let provider = Provider::start([Reply::Lost]).await;
    let journal = Ledger::permitting(1);
    let account = open(keyed(), at(&provider.url));
    let error = account.create_machine(&want(), "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::Unknown, true), "the first may have arrived");
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn the_intent_holds_the_request_as_published_and_no_credential() {
    let journal = Ledger::default();
    for _ in 0..2 {
        let provider = Provider::start([json(202, &json!({"thing": thing("7", "new")}))]).await;
        account(&provider.url).create_machine(&want(), "t", &journal).await.expect("made");
    }
    let requests: Vec<String> = (journal.intents().into_iter())
        .map(|intent| String::from_utf8(intent.request).expect("text"))
        .collect();
    assert!(requests[0].starts_with("POST https://api.bench.test/v1/things\n{\"name\""));
    assert_eq!(requests[0], requests[1], "the digest is the same at another port");
    assert!(!requests[0].contains("s3cr3t"));
}

#[tokio::test]
async fn success_that_says_nothing_is_in_doubt() {
    let html =
        with(200, &[("content-type", "text/html")], "<html><body>Please log in</body></html>");
    let cut = with(201, &[], r#"{"thing": {"id": "7", "st"#);
    let half =
        Reply::Raw(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"thing\"".to_vec());
    let flood = Reply::Flood { bytes: 20_000_000, announced: true };
    for (reply, says) in [
        (html, "an HTML page"),
        (cut, "JSON that ends early"),
        (half, "cut off"),
        (flood, "20000000 bytes"),
        (json(200, &json!({"thing": {}})), "without an identity"),
        (json(200, &json!({})), "without an identity"),
        (with(200, &[], ""), "without an identity"),
    ] {
        let provider = Provider::start([reply]).await;
        let journal = Ledger::default();
        let error = account(&provider.url).create_machine(&want(), "t", &journal).await;
        let error = error.expect_err(says);
        assert_eq!((error.class, error.sent), (Class::Unknown, true), "{error}");
        assert!(error.message.contains(says), "{error}");
        assert_eq!(provider.requests().len(), 1, "{says}");
    }
}

#[tokio::test]
async fn the_server_failing_leaves_an_effect_in_doubt() {
    for status in [500, 502, 503, 504] {
        let provider = Provider::start([json(status, &json!({"message": "oops"}))]).await;
        let journal = Ledger::default();
        let error = account(&provider.url).create_machine(&want(), "t", &journal).await;
        let error = error.expect_err("failed");
        assert_eq!((error.class, provider.requests().len()), (Class::Unknown, 1), "{status}");
    }
}

#[tokio::test]
async fn a_late_answer_leaves_an_effect_in_doubt() {
    let provider = Provider::start([Reply::Silence]).await;
    let options = AccountOptions { timeout: Duration::from_millis(300), ..at(&provider.url) };
    let account = open(spec(), options);
    let error = account.create_machine(&want(), "t", &Ledger::default()).await.expect_err("late");
    assert_eq!((error.class, error.sent), (Class::Unknown, true));
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn what_never_left_is_not_in_doubt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let journal = Ledger::default();
    let error = account(&url).create_machine(&want(), "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::Unavailable, false));
    assert!(error.message.contains("127.0.0.1") && error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_failed_handshake_is_not_in_doubt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let journal = Ledger::default();
    let error = account(&url).create_machine(&want(), "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::Unavailable, false), "{error}");
    server.abort();
}

#[tokio::test]
async fn an_id_cannot_leave_its_place_in_the_path() {
    let provider = Provider::start([json(204, &json!(""))]).await;
    let account = account(&provider.url);
    let journal = Ledger::default();
    for id in ["..", "."] {
        let error = account.delete_machine(id, "", "t", &journal).await.expect_err("refused");
        assert_eq!((error.class, error.sent), (Class::Invalid, false), "{id}");
    }
    assert!(provider.requests().is_empty() && journal.lines().is_empty());
    account.delete_machine("../x?y#z", "", "t", &journal).await.expect("encoded");
    assert_eq!(provider.requests()[0].line, "DELETE /things/..%2Fx%3Fy%23z");
}
