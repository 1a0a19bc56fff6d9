//! The project's own client against simulated actions: every definition we ship that has some.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use infrafabric_adapters::account::{Account, Act};
use infrafabric_adapters::compile::{Compiled, Transport};
use infrafabric_adapters::contract::{self, ActionContract, Kind, ai, chat, payments, sip};
use infrafabric_adapters::error::AdapterError;
use infrafabric_adapters::registry::Registry;
use infrafabric_definition::Class;
use infrafabric_world::{FaultSpec, rehearse};
use serde_json::{Value, json};

use crate::account::{Open, open};
use crate::definitions::built_in;
use crate::harness::Harness;

/// Every built-in definition with actions.
fn shipped() -> Vec<Arc<Compiled>> {
    let names = Registry::built_in().names();
    let all = names.iter().map(|(name, _)| built_in(name));
    all.filter(|one| !one.actions.is_empty()).collect()
}

/// All of them at once.
async fn side_by_side<F>(all: impl Iterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    for one in all.map(tokio::spawn).collect::<Vec<_>>() {
        one.await.expect("all as it should be");
    }
}

/// The contract's actions that a definition declares.
fn declared(definition: &Compiled) -> Vec<&'static ActionContract> {
    let all = contract::of(definition.spec().domain).actions;
    all.iter().filter(|action| definition.actions.contains_key(action.name)).collect()
}

/// A simulated provider with an account that knows it.
struct Stage {
    world: Harness,
    account: Account,
    definition: Arc<Compiled>,
    count: AtomicUsize,
}

impl Stage {
    async fn of(definition: &Arc<Compiled>) -> Self {
        let world = Harness::start(vec![Arc::clone(definition)]).await;
        let account = open(&world, definition, None);
        let (definition, count) = (Arc::clone(definition), AtomicUsize::new(0));
        Self { world, account, definition, count }
    }

    fn name(&self) -> &str {
        self.definition.name()
    }

    /// An account that has not failed yet.
    fn fresh(&self) -> Account {
        open(&self.world, &self.definition, None)
    }

    async fn perform(
        &self,
        account: &Account,
        action: &str,
        id: &str,
    ) -> Result<Value, AdapterError> {
        let mut want = self.definition.example(action);
        if action == "buy" {
            // Nobody can have a number twice.
            let n = self.count.fetch_add(1, Ordering::Relaxed);
            want["number"] = json!(format!("+1415555{n:04}"));
        }
        self.wish(account, action, &want, id).await
    }

    async fn wish(
        &self,
        account: &Account,
        action: &str,
        want: &Value,
        id: &str,
    ) -> Result<Value, AdapterError> {
        let token = format!("token-{}", self.count.fetch_add(1, Ordering::Relaxed));
        let silent = |_: &str| {};
        let act = Act::new(&token, &Open).at(id).piecewise(&silent);
        account.perform(action, want, act).await
    }

    /// The identity of what an action is aimed at, made for it.
    async fn aim(&self, action: &ActionContract) -> Option<String> {
        let kind = action.does.aim()?;
        if kind == "collection" {
            let want = ai::CollectionWant {
                name: format!("if-{}", self.count.fetch_add(1, Ordering::Relaxed)),
                region: String::new(),
                dimensions: 3,
                metric: ai::Metric::Cosine,
                marks: Vec::new(),
            };
            let made = self.account.create::<ai::Collection>(&want, "token-c", &Open).await;
            return Some(made.expect("a collection").id);
        }
        let all = contract::of(self.definition.spec().domain).actions;
        let finds = |other: &&ActionContract| {
            other.does == contract::Does::Find(kind)
                && self.definition.actions.contains_key(other.name)
        };
        let creates = |other: &&ActionContract| {
            other.does == contract::Does::Make(kind)
                && self.definition.actions.contains_key(other.name)
        };
        let before = all.iter().find(|other| Some(other.name) == action.after).filter(creates);
        let maker = before.or_else(|| all.iter().find(creates)).expect("something makes one");
        let made = self.perform(&self.account, maker.name, "").await.expect("made");
        if let Some(finder) = all.iter().find(finds) {
            let found = self.perform(&self.account, finder.name, "").await.expect("found");
            let newest = found.as_array().and_then(|found| found.last());
            return Some(newest.expect("one")["id"].as_str().unwrap_or_default().to_owned());
        }
        Some(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// How many effects of an action there were.
    async fn effects(&self, action: &str) -> usize {
        let ledger = self.world.ledger().await;
        ledger.entries.iter().filter(|entry| entry.operation == action).count()
    }
}

#[tokio::test]
async fn every_action_gives_what_its_contract_says() {
    for definition in shipped() {
        let stage = Stage::of(&definition).await;
        let name = stage.name();
        stage.account.verify().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let done = rehearse(&stage.account, &Open).await;
        for one in &done {
            if let Err(error) = &one.result {
                panic!("{name} {}: {error}: {:?}", one.action, error.source);
            }
        }
        let ledger = stage.world.ledger().await;
        assert_eq!(ledger.unmatched, 0, "{name}: {:?}", ledger.unmatched_requests);
        for action in declared(&definition) {
            let given = done.iter().find(|one| one.action == action.name).expect("done");
            let given = given.result.as_ref().expect("a result");
            let rows = given.as_array().map_or(std::slice::from_ref(given), Vec::as_slice);
            for field in action.outputs.iter().filter(|field| field.required) {
                for row in rows {
                    assert!(row.get(field.name).is_some(), "{name} {}: {row}", action.name);
                    let word = (field.kind == Kind::State).then(|| row["state"].as_str());
                    let known = word.is_none_or(|s| s.is_some_and(|s| action.states.contains(&s)));
                    assert!(known, "{name} {}: {row}", action.name);
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_declared_is_refused_without_a_request() {
    for definition in shipped() {
        let stage = Stage::of(&definition).await;
        for action in contract::of(definition.spec().domain).actions {
            if !definition.actions.contains_key(action.name) {
                let refused = stage.perform(&stage.account, action.name, "1").await;
                let error = refused.expect_err("refused");
                assert_eq!((error.class, error.sent), (Class::Unsupported, false), "{error}");
            }
        }
        assert!(stage.world.ledger().await.requests.is_empty(), "{}", stage.name());
    }
}

/// A keyed action repeats nothing, what can be looked up is looked up, and anything else is `Unknown`.
#[tokio::test]
async fn a_lost_answer_is_the_effect_once_or_unknown() {
    side_by_side(shipped().into_iter().map(lost)).await;
}

async fn lost(definition: Arc<Compiled>) {
    let stage = Stage::of(&definition).await;
    for action in declared(&definition).into_iter().filter(|action| action.does.is_effect()) {
        let what = format!("{} {}", stage.name(), action.name);
        let id = stage.aim(action).await.unwrap_or_default();
        let before = stage.effects(action.name).await;
        let lost = FaultSpec::new(stage.name(), "lost").on(action.name).times(1);
        let fault = stage.world.client.set_fault(&lost).await.expect("set");
        let done = stage.perform(&stage.fresh(), action.name, &id).await;
        stage.world.client.clear_fault(fault).await.expect("cleared");
        let compiled = &definition.actions[action.name];
        match done {
            Ok(_) => assert!(compiled.keyed || compiled.call.resolve.is_some(), "{what}"),
            Err(error) => {
                assert_eq!(error.class, Class::Unknown, "{what}: {error}");
                assert!(!compiled.keyed && compiled.call.resolve.is_none(), "{what}: {error}");
            }
        }
        assert_eq!(stage.effects(action.name).await - before, 1, "{what}");
    }
}

/// What asks is class `Unavailable` when its answer is lost: it may be asked again.
#[tokio::test]
async fn faults_have_their_class_at_every_action() {
    side_by_side(shipped().into_iter().map(faulty)).await;
}

async fn faulty(definition: Arc<Compiled>) {
    let stage = Stage::of(&definition).await;
    let secrets = definition.sandbox.as_ref().expect("a sandbox").accepts.clone();
    for action in declared(&definition) {
        let id = stage.aim(action).await.unwrap_or_default();
        let effect = action.does.is_effect();
        let doubt = if effect { Class::Unknown } else { Class::Unavailable };
        for (fault, class) in [
            ("revoked", Class::Auth),
            ("429", Class::RateLimited),
            ("500", doubt),
            ("outage", doubt),
            ("garbage", doubt),
            ("truncated", doubt),
        ] {
            // Nobody is refused who shows no credentials, and no socket counts requests.
            let verify = definition.verify.as_ref();
            let socket = verify.is_some_and(|verify| verify.transport == Transport::Socket);
            if fault == "revoked" && secrets.is_empty() || fault == "429" && socket {
                continue;
            }
            let spec = FaultSpec::new(stage.name(), fault).on(action.name);
            let set = stage.world.client.set_fault(&spec).await.expect("set");
            let done = stage.perform(&stage.fresh(), action.name, &id).await;
            stage.world.client.clear_fault(set).await.expect("cleared");
            let what = format!("{} {} {fault}", stage.name(), action.name);
            let compiled = &definition.actions[action.name];
            match done {
                // What happened all the same was found by who looked.
                // A body that nobody needs, or that is empty, may be cut off.
                Ok(_) => {
                    let simulated = definition.sandbox.as_ref().expect("a sandbox");
                    let empty = simulated.actions[action.name].answer.body.is_none();
                    let needed = action.outputs.iter().any(|field| field.required);
                    let cut = fault == "truncated" && (empty || !needed);
                    assert!(compiled.call.resolve.is_some() || cut, "{what}");
                }
                Err(error) => {
                    assert_eq!(error.class, class, "{what}: {error}");
                    let text = format!("{error} {:?}", error.source);
                    let shown = secrets.values().find(|secret| text.contains(secret.as_str()));
                    assert!(shown.is_none(), "{what}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn wishes_that_the_contract_refuses_are_not_sent() {
    for definition in shipped() {
        let stage = Stage::of(&definition).await;
        for action in declared(&definition) {
            let example = definition.example(action.name);
            let mut bad = vec![(json!({"colour": "red"}), "unknown `colour`".to_owned())];
            for field in action.inputs.iter().filter(|field| field.required) {
                bad.push((json!({field.name: null}), format!("`{}` is missing", field.name)));
                bad.push((json!({field.name: {"a": 1}}), format!("`{}` is not", field.name)));
            }
            for (change, wanted) in bad {
                let mut want = example.clone();
                for (key, value) in change.as_object().expect("a map") {
                    want[key] = value.clone();
                }
                let refused = stage.wish(&stage.account, action.name, &want, "1").await;
                let error = refused.expect_err("refused");
                let what = format!("{} {}: {error}", stage.name(), action.name);
                assert_eq!((error.class, error.sent), (Class::Invalid, false), "{what}");
                assert!(error.message.contains(&wanted), "{what}");
            }
        }
        assert!(stage.world.ledger().await.requests.is_empty(), "{}", stage.name());
    }
}

#[tokio::test]
async fn a_message_longer_than_the_platform_allows_is_not_sent() {
    for name in ["telegram", "slack", "discord", "whatsapp-cloud", "line", "microsoft-teams"] {
        let stage = Stage::of(&built_in(name)).await;
        let mut want = stage.definition.example("send");
        want["text"] = json!("x".repeat(40_001));
        let error = stage.wish(&stage.account, "send", &want, "").await.expect_err("refused");
        assert_eq!((error.class, error.sent), (Class::Invalid, false), "{name}: {error}");
        assert!(error.message.contains("40001"), "{name}: {error}");
        want["text"] = json!("short");
        want["target"] = json!("nobody-knows-it");
        let error = stage.wish(&stage.fresh(), "send", &want, "").await.expect_err("refused");
        let known = matches!(error.class, Class::NotFound | Class::Invalid);
        assert!(known, "{name}: {error}");
    }
}

#[tokio::test]
async fn a_stream_comes_in_pieces_and_a_cut_one_is_in_doubt() {
    for name in ["openai", "anthropic", "litellm", "together-ai"] {
        let stage = Stage::of(&built_in(name)).await;
        let want: ai::Stream =
            serde_json::from_value(stage.definition.example("stream")).expect("a wish");
        let said = Mutex::new(Vec::new());
        let pieces = |piece: &str| said.lock().expect("one").push(piece.to_owned());
        let act = Act::new("token-s", &Open).piecewise(&pieces);
        let done = stage.account.act(&want, act).await;
        let done = done.unwrap_or_else(|error| panic!("{name}: {error}: {:?}", error.source));
        assert_eq!(done.text, "Yes.", "{name}");
        assert_eq!(said.lock().expect("one").as_slice(), ["Yes", "."], "{name}");
        assert_eq!((done.state, done.input_tokens), (ai::Finish::Complete, 14), "{name}");
        let cut = FaultSpec::new(name, "truncated").on("stream");
        stage.world.client.set_fault(&cut).await.expect("set");
        said.lock().expect("one").clear();
        let act = Act::new("token-t", &Open).piecewise(&pieces);
        let error = stage.fresh().act(&want, act).await.expect_err("cut off");
        assert_eq!(error.class, Class::Unknown, "{name}: {error}");
        // The first half of Anthropic's is the beginning of the message.
        let passed_on = !said.lock().expect("one").is_empty();
        assert!(passed_on || name == "anthropic", "{name}: what came was passed on");
    }
}

/// Money is taken in part and never given back twice.
#[tokio::test]
async fn payments_are_captured_in_part_and_never_refunded_beyond() {
    for name in ["stripe", "mollie"] {
        let stage = Stage::of(&built_in(name)).await;
        let account = &stage.account;
        let wish: payments::Charge =
            serde_json::from_value(stage.definition.example("authorize")).expect("a wish");
        let act = |token| Act::new(token, &Open);
        let held = account.act(&payments::Authorize(wish.clone()), act("t-1")).await;
        let held = held.unwrap_or_else(|error| panic!("{name}: {error}: {:?}", error.source));
        assert_eq!(held.state, payments::PaymentState::Authorized, "{name}");
        let currency = "EUR".to_owned();
        let capture = payments::Capture { amount: Some(1000), currency: currency.clone() };
        account.act(&capture, act("t-2").at(&held.id)).await.expect("captured");
        let again = account.act(&capture, act("t-3").at(&held.id)).await.expect_err("once");
        assert_eq!(again.class, Class::Conflict, "{name}: {again}");
        let refund = |amount| payments::Refund { amount, currency: currency.clone(), reason: None };
        for (amount, token) in [(600, "t-4"), (400, "t-5")] {
            let back = account.act(&refund(amount), act(token).at(&held.id)).await;
            assert_eq!(back.expect("refunded").amount, Some(amount), "{name}");
        }
        let more = account.act(&refund(1), act("t-6").at(&held.id)).await.expect_err("no more");
        assert!(matches!(more.class, Class::Conflict | Class::Invalid), "{name}: {more}");
        // The same attempt again is the same refund.
        account.act(&refund(400), act("t-5").at(&held.id)).await.expect("the first answer");
        let now = account.act(&payments::Sync {}, act("t-7").at(&held.id)).await.expect("there");
        assert_eq!((now.captured, now.refunded), (Some(1000), Some(1000)), "{name}");
        assert!(now.state.is_final(), "{name}");
        assert_eq!(stage.effects("refund").await, 2, "{name}");
        let mut card = stage.definition.example("charge");
        card["method"] = json!("4242 4242 4242 4242");
        let error = stage.wish(account, "charge", &card, "").await.expect_err("refused");
        assert_eq!((error.class, error.sent), (Class::Policy, false), "{name}: {error}");
        assert!(!error.to_string().contains("4242"), "{name}: {error}");
    }
}

/// A number is bought once however often the answer is lost.
#[tokio::test]
async fn a_number_is_bought_once() {
    for name in ["twilio", "telnyx", "voip-ms"] {
        let stage = Stage::of(&built_in(name)).await;
        let want: sip::Buy =
            serde_json::from_value(stage.definition.example("buy")).expect("a wish");
        let lost = FaultSpec::new(name, "lost").on("buy");
        stage.world.client.set_fault(&lost).await.expect("set");
        let bought = stage.account.act(&want, Act::new("t-1", &Open)).await;
        let bought = bought.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(bought.number.as_deref(), Some("+14155550123"), "{name}");
        assert_eq!(stage.effects("buy").await, 1, "{name}");
    }
}

#[tokio::test]
async fn a_trunk_holds_what_is_wanted_and_nothing_else() {
    for name in ["twilio", "telnyx"] {
        let stage = Stage::of(&built_in(name)).await;
        let uri = |n: u16| sip::Origination {
            uri: format!("sip:pbx-{n}.example.com:5060"),
            priority: n,
            weight: 10,
        };
        let mut want = sip::TrunkWant {
            name: "if-trunk".to_owned(),
            region: String::new(),
            access: Vec::new(),
            access_lists: Vec::new(),
            credential_lists: Vec::new(),
            origination: vec![uri(1), uri(2)],
            marks: vec!["if-abc".to_owned()],
        };
        let account = &stage.account;
        let made = account.create::<sip::Trunk>(&want, "t-1", &Open).await.expect("made");
        let settle = |token| Act::new(token, &Open).at(&made.id);
        let first = account.settle::<sip::Trunk>(&want, settle("t-2")).await.expect("settled");
        assert_eq!((first.made, first.removed), (2, 0), "{name}");
        let same = account.settle::<sip::Trunk>(&want, settle("t-3")).await.expect("settled");
        assert_eq!((same.made, same.removed), (0, 0), "{name}");
        want.origination = vec![uri(2), uri(3)];
        // One answer is lost: asked again, what happened is seen and nothing is done twice.
        let lost = FaultSpec::new(name, "lost").on("trunk.origination.create").times(1);
        stage.world.client.set_fault(&lost).await.expect("set");
        let doubt = account.settle::<sip::Trunk>(&want, settle("t-4")).await.expect_err("lost");
        assert_eq!(doubt.class, Class::Unknown, "{name}: {doubt}");
        let done = account.settle::<sip::Trunk>(&want, settle("t-4")).await.expect("settled");
        assert_eq!((done.made, done.removed), (0, 1), "{name}");
        let ledger = stage.world.ledger().await;
        let held = ledger.entries.iter().filter(|entry| entry.operation.contains("origination"));
        assert_eq!(held.count(), 4, "{name}: three were made and one removed");
    }
}

#[tokio::test]
async fn a_collection_finds_what_was_put_into_it() {
    let stage = Stage::of(&built_in("qdrant")).await;
    let id = "4f9e2b1c-0f5b-4f6e-9d5a-2f6b8c1d7e10";
    let want = ai::CollectionWant {
        name: "cues".to_owned(),
        region: String::new(),
        dimensions: 2,
        metric: ai::Metric::Dot,
        marks: Vec::new(),
    };
    let account = &stage.account;
    let made = account.create::<ai::Collection>(&want, "t-1", &Open).await.expect("made");
    let act = |token| Act::new(token, &Open).at(&made.id);
    let point =
        ai::Point { id: id.to_owned(), vector: vec![0.5, 0.5], payload: json!({"cue": "intro"}) };
    for token in ["t-2", "t-3"] {
        let upsert = ai::Upsert { points: vec![point.clone()] };
        account.act(&upsert, act(token)).await.expect("put");
    }
    let read = account.read::<ai::Collection>(&made.id, "").await.expect("read").expect("there");
    assert_eq!((read.points, read.dimensions), (Some(1), Some(2)));
    assert_eq!(read.state, ai::CollectionState::Ready);
    let query = ai::Query { vector: vec![0.5, 0.5], limit: 1 };
    let found = account.act(&query, act("t-4")).await.expect("found");
    assert_eq!(found.matches[0].id, id);
    assert_eq!(found.matches[0].payload["cue"], "intro");
    account.act(&ai::Forget { ids: vec![id.to_owned()] }, act("t-5")).await.expect("forgotten");
    let found = account.act(&query, act("t-6")).await.expect("found");
    assert!(found.matches.is_empty());
}

#[tokio::test]
async fn a_message_is_sent_changed_and_taken_back() {
    let stage = Stage::of(&built_in("discord")).await;
    let target = "1100000000000000001".to_owned();
    let wish = chat::Send {
        target: target.clone(),
        text: "Doors in 10".to_owned(),
        ..chat::Send::default()
    };
    let account = &stage.account;
    let sent = account.act(&wish, Act::new("t-1", &Open)).await.expect("sent");
    assert_eq!(sent.state, chat::MessageState::Accepted);
    // The same attempt again is the same message.
    let again = account.act(&wish, Act::new("t-1", &Open)).await.expect("sent");
    assert_eq!(again.id, sent.id);
    let act = |token| Act::new(token, &Open).at(&sent.id);
    let edit = chat::Edit { target: target.clone(), text: "Doors in 5".to_owned(), markup: None };
    account.act(&edit, act("t-2")).await.expect("changed");
    let gone = chat::Delete { target: target.clone() };
    for token in ["t-3", "t-4"] {
        account.act(&gone, act(token)).await.expect("gone, and gone already");
    }
    let receipt = account.act(&chat::Receipt { target }, act("t-5")).await.expect_err("gone");
    assert_eq!(receipt.class, Class::NotFound);
    assert_eq!(stage.effects("send").await, 1);
}
