//! What a call brings along: reads before it, the end of what it began, and the parts of a thing.

use infrafabric_definition::{Class, Scope};
use serde_json::{Value as Json, json};

use crate::definitions::{Ledger, at, open, spec, thing, want};
use crate::hostile::{Provider, Reply, json, with};

fn lines(provider: &Provider) -> Vec<String> {
    provider.requests().into_iter().map(|request| request.line).collect()
}

/// A create that only begins, and an operation that ends.
fn begun() -> Json {
    let mut spec = spec();
    spec["objects"]["machine"]["create"]["wait"] = json!({
        "get": "/jobs/${body.work}", "done": "body.state == 'done'",
        "failed": "has(body.error)", "every": "40ms",
    });
    spec["errors"][1] = json!({"when": "body.error.code == 'SOLD_OUT'", "class": "Capacity"});
    spec
}

fn accepted() -> Reply {
    json(202, &json!({"thing": thing("7", "new"), "work": "w 1"}))
}

#[tokio::test]
async fn what_was_begun_is_asked_after_until_it_ends() {
    let provider = Provider::start([
        accepted(),
        json(200, &json!({"state": "going"})),
        json(503, &json!({"message": "a moment"})),
        json(200, &json!({"state": "done"})),
    ])
    .await;
    let journal = Ledger::default();
    let account = open(begun(), at(&provider.url));
    let made = account.create_machine(&want(), "t", &journal).await.expect("made");
    assert_eq!(made.id, "7");
    let asked = "GET /jobs/w%201";
    // A read that fails is repeated by itself.
    assert_eq!(lines(&provider), ["POST /things", asked, asked, asked]);
    let lines = journal.lines();
    assert_eq!(lines.first().map(String::as_str), Some("intent machine.create t"));
    assert_eq!(lines.last().map(String::as_str), Some("outcome None 202 7"));
    assert_eq!(journal.intents().len(), 1, "asking is no effect");
}

#[tokio::test]
async fn an_operation_that_ends_in_error_is_a_failure_although_all_answers_are_200() {
    for (error, class, scope) in [
        (json!({"code": "SOLD_OUT", "message": "none left"}), Class::Capacity, Scope::Offering),
        (json!({"code": "ODD", "message": "none left"}), Class::Unavailable, Scope::Region),
    ] {
        let ended = json!({"state": "done", "error": error});
        let provider = Provider::start([accepted(), json(200, &ended)]).await;
        let journal = Ledger::default();
        let account = open(begun(), at(&provider.url));
        let error = account.create_machine(&want(), "t", &journal).await.expect_err("failed");
        assert_eq!((error.class, error.scope, error.sent), (class, scope, true), "{error}");
        assert_eq!(error.message, "none left");
        assert_eq!(journal.lines().last(), Some(&format!("outcome {class} 200")));
    }
}

#[tokio::test]
async fn an_operation_whose_end_nobody_knows_is_in_doubt() {
    // Who asks may not ask; what is asked for is not there; it does not end.
    let replies = [
        vec![json(403, &json!({"message": "no"}))],
        vec![json(404, &json!({"message": "no"}))],
        (0..40).map(|_| json(200, &json!({"state": "going"}))).collect(),
    ];
    for replies in replies {
        let mut spec = begun();
        spec["objects"]["machine"]["create"]["wait"]["within"] = json!("300ms");
        let provider = Provider::start(std::iter::once(accepted()).chain(replies)).await;
        let journal = Ledger::default();
        let account = open(spec, at(&provider.url));
        let error = account.create_machine(&want(), "t", &journal).await.expect_err("in doubt");
        assert_eq!((error.class, error.sent), (Class::Unknown, true), "{error}");
        assert_eq!(journal.lines().last().map(String::as_str), Some("outcome Unknown"));
    }
}

#[tokio::test]
async fn who_may_no_longer_act_stops_waiting() {
    let provider = Provider::start([accepted(), json(200, &json!({"state": "going"}))]).await;
    let journal = Ledger::permitting(2);
    let account = open(begun(), at(&provider.url));
    let error = account.create_machine(&want(), "t", &journal).await.expect_err("stopped");
    assert_eq!(error.class, Class::Unknown);
    assert_eq!(lines(&provider).len(), 2);
}

#[tokio::test]
async fn the_provider_says_when_to_ask_and_where() {
    let mut spec = spec();
    spec["objects"]["machine"]["delete"]["wait"] =
        json!({"get": "${headers['x-work']}", "done": "status != 202", "every": "10s"});
    let there = "https://api.bench.test/v1/work?id=1";
    let begun = || with(202, &[("x-work", there), ("retry-after", "0")], "");
    let provider = Provider::start([begun(), begun(), with(204, &[], "")]).await;
    let account = open(spec.clone(), at(&provider.url));
    let start = std::time::Instant::now();
    account.delete_machine("7", "", "t", &Ledger::default()).await.expect("deleted");
    assert!(start.elapsed() < std::time::Duration::from_secs(2), "its pace, not ours");
    let asked = "GET /work?id=1";
    assert_eq!(lines(&provider), ["DELETE /things/7", asked, asked]);
    // Nothing to wait for: no address, or nothing there to delete.
    for reply in [with(204, &[], ""), json(404, &json!({"message": "gone"}))] {
        let provider = Provider::start([reply]).await;
        let account = open(spec.clone(), at(&provider.url));
        account.delete_machine("7", "", "t", &Ledger::default()).await.expect("deleted");
        assert_eq!(lines(&provider).len(), 1);
    }
    // Credentials go to no other host.
    let elsewhere = with(202, &[("x-work", "https://elsewhere.test/work")], "");
    let provider = Provider::start([elsewhere]).await;
    let account = open(spec, at(&provider.url));
    let error = account.delete_machine("7", "", "t", &Ledger::default()).await.expect_err("no");
    assert_eq!((error.class, lines(&provider).len()), (Class::Unknown, 1), "{error}");
}

#[tokio::test]
async fn reads_before_a_request_give_what_it_needs() {
    let mut spec = spec();
    let read = &mut spec["objects"]["machine"]["read"];
    read["steps"] = json!([
        {"name": "plugs", "get": "/plugs?of=${id}", "item": "${body.plugs}"},
        {"name": "card", "get": "/cards/${steps.plugs[0].card}", "item": "${body}"},
    ]);
    spec["objects"]["machine"]["as"]["addresses"] = json!(
        "${[steps.?card.?ip.orValue('')].filter(ip, ip != '').map(ip, {'ip': ip, 'public': true})}"
    );
    let shown = || json(200, &json!({"thing": thing("7", "active")}));
    let plugs = |plugs: Json| json(200, &json!({ "plugs": plugs }));
    let provider = Provider::start([
        plugs(json!([{"card": "c/1"}])),
        json(200, &json!({"ip": "192.0.2.9"})),
        shown(),
        // No plug: the second read has no address and is left out. A card that is gone: the same.
        plugs(json!([])),
        shown(),
        plugs(json!([{"card": "c2"}])),
        json(404, &json!({"message": "gone"})),
        shown(),
        json(403, &json!({"message": "not for you"})),
    ])
    .await;
    let account = open(spec, at(&provider.url));
    let read = account.read_machine("7", "").await.expect("read").expect("there");
    assert_eq!(read.addresses[0].ip, "192.0.2.9");
    for _ in 0..2 {
        let read = account.read_machine("7", "").await.expect("read").expect("there");
        assert_eq!(read.addresses, []);
    }
    let error = account.read_machine("7", "").await.expect_err("refused");
    assert_eq!((error.class, error.operation.as_str()), (Class::Auth, "machine.read.plugs"));
    let lines = lines(&provider);
    assert_eq!(lines[..3], ["GET /plugs?of=7", "GET /cards/c%2F1", "GET /things/7"]);
    assert_eq!(lines[3..5], ["GET /plugs?of=7", "GET /things/7"]);
}

/// A thing of three: a room, a rack in it, and the thing.
fn rack() -> Json {
    let mut spec = spec();
    let machine = &mut spec["objects"]["machine"];
    machine["identity"] = json!({"find": "name", "lag": "1s", "key": true});
    machine["parts"] = json!([
        {"name": "room", "create": {"put": "/rooms/${want.name}", "item": "${body}"},
         "delete": {"delete": "/rooms/${id}"}},
        {"name": "rack", "create": {"put": "/racks/${want.name}", "json": {"room": "${parts.room.key}"}},
         "delete": {"delete": "/racks/${id}"}},
    ]);
    let create = machine["create"].as_object_mut().expect("a map");
    create.remove("post");
    create.insert("put".to_owned(), json!("/things/${want.name}"));
    machine["as"]["name"] = json!("${item.name}");
    spec
}

#[tokio::test]
async fn parts_are_made_in_order_and_removed_in_reverse() {
    let provider = Provider::start([
        json(201, &json!({"key": "k1"})),
        json(200, &json!({})),
        json(201, &json!({"thing": thing("web", "new")})),
        with(204, &[], ""),
        json(404, &json!({"message": "gone"})),
        with(204, &[], ""),
    ])
    .await;
    let journal = Ledger::default();
    let account = open(rack(), at(&provider.url));
    assert!(account.has_parts());
    account.create_machine(&want(), "t", &journal).await.expect("made");
    assert_eq!(lines(&provider), ["PUT /rooms/web", "PUT /racks/web", "PUT /things/web"]);
    assert_eq!(provider.requests()[1].body, r#"{"room":"k1"}"#);
    account.delete_machine("web", "", "u", &journal).await.expect("deleted");
    assert_eq!(
        lines(&provider)[3..],
        ["DELETE /things/web", "DELETE /racks/web", "DELETE /rooms/web"]
    );
    let intents: Vec<String> = journal.intents().into_iter().map(|i| i.operation).collect();
    let (made, removed) = intents.split_at(3);
    assert_eq!(made, ["machine.create.room", "machine.create.rack", "machine.create"]);
    assert_eq!(removed, ["machine.delete", "machine.delete.rack", "machine.delete.room"]);
}

#[tokio::test]
async fn what_a_refused_creation_made_is_removed_again() {
    let refused = || json(422, &json!({"message": "the limit is reached"}));
    let gone = || with(204, &[], "");
    // The thing itself is refused: all three are removed, the thing too, which may be half there.
    let provider = Provider::start([
        json(201, &json!({})),
        json(201, &json!({})),
        refused(),
        gone(),
        gone(),
        gone(),
    ])
    .await;
    let account = open(rack(), at(&provider.url));
    let error = account.create_machine(&want(), "t", &Ledger::default()).await;
    assert_eq!(error.expect_err("refused").class, Class::Quota);
    assert_eq!(
        lines(&provider)[3..],
        ["DELETE /things/web", "DELETE /racks/web", "DELETE /rooms/web"]
    );
    // The first part is refused: nothing was made and nothing is touched.
    let provider = Provider::start([refused()]).await;
    let account = open(rack(), at(&provider.url));
    let error = account.create_machine(&want(), "t", &Ledger::default()).await;
    assert_eq!((error.expect_err("refused").class, lines(&provider).len()), (Class::Quota, 1));
    // It cannot be removed: the caller must not go on as if nothing were left.
    let provider =
        Provider::start([json(201, &json!({})), refused(), json(409, &json!({"message": "busy"}))])
            .await;
    let account = open(rack(), at(&provider.url));
    let error = account.create_machine(&want(), "t", &Ledger::default()).await;
    let error = error.expect_err("left");
    assert_eq!(error.class, Class::Unknown);
    assert!(error.message.contains("not removed yet") && error.message.contains("busy"), "{error}");
}

#[tokio::test]
async fn a_part_in_doubt_is_repeated_and_then_left_alone() {
    // A PUT says the same when it is repeated.
    let provider = Provider::start([
        Reply::Lost,
        json(200, &json!({})),
        json(200, &json!({})),
        json(201, &json!({"thing": thing("web", "new")})),
    ])
    .await;
    let account = open(rack(), at(&provider.url));
    account.create_machine(&want(), "t", &Ledger::default()).await.expect("made");
    assert_eq!(lines(&provider)[..2], ["PUT /rooms/web", "PUT /rooms/web"]);
    // Nobody knows how the last one ended: nothing is removed.
    let mut replies = vec![json(201, &json!({})), json(200, &json!({}))];
    replies.extend((0..8).map(|_| Reply::Lost));
    let provider = Provider::start(replies).await;
    let account = open(rack(), at(&provider.url));
    let error = account.create_machine(&want(), "t", &Ledger::default()).await;
    assert_eq!(error.expect_err("in doubt").class, Class::Unknown);
    assert!(lines(&provider).iter().all(|line| line.starts_with("PUT")), "{:?}", lines(&provider));
}
