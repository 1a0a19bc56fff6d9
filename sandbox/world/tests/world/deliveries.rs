//! What simulated providers deliver: believed, read in the contract's words, and not believed twice.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use infrafabric_adapters::account::Account;
use infrafabric_adapters::clock::Clock as _;
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::contract::{self, chat, payments, sip};
use infrafabric_adapters::registry::Registry;
use infrafabric_adapters::webhook::{Delivery, Event, WebhookError};
use infrafabric_definition::{Domain, Proof};
use infrafabric_world::{Delivered, deliveries};
use serde_json::Value;

use crate::account::open;
use crate::definitions::built_in;
use crate::harness::Harness;

fn shipped() -> Vec<Arc<Compiled>> {
    let names = Registry::built_in().names();
    let all = names.iter().map(|(name, _)| built_in(name));
    all.filter(|one| one.spec().webhook.is_some()).collect()
}

fn headers(one: &Delivered) -> HeaderMap {
    let pair = |(name, value): &(String, String)| {
        let name: HeaderName = name.parse().expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    };
    one.headers.iter().map(pair).collect()
}

async fn receive(account: &Account, one: &Delivered) -> Result<Event, WebhookError> {
    let headers = headers(one);
    account.receive(&Delivery { url: &one.url, headers: &headers, body: one.body.as_bytes() }).await
}

/// Whether everything that is wanted is there.
fn has(there: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(wanted) => wanted.iter().all(|(key, value)| has(&there[key], value)),
        wanted => there == wanted,
    }
}

#[tokio::test]
async fn every_delivery_is_believed_once_and_says_what_its_contract_knows() {
    for definition in shipped() {
        let name = definition.name();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let account = open(&world, &definition, None);
        let all = deliveries(&definition, world.clock.now()).expect("signed");
        assert!(!all.is_empty(), "{name} delivers nothing: spec.sandbox.webhook");
        for (i, one) in all.iter().enumerate() {
            let what = format!("{name}, delivery {i}");
            let event = receive(&account, one).await.unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(!event.repeated, "{what}");
            let reply = event.reply.as_ref().map(|reply| reply.body.as_str());
            assert_eq!(reply, one.reply.as_deref(), "{what}");
            assert!(event.events.len() >= one.gives.len(), "{what}: {:?}", event.events);
            for (there, wanted) in event.events.iter().zip(&one.gives) {
                assert!(has(there, wanted), "{what}: {there} has not {wanted}");
            }
            typed(&definition, &event, &what);
            let again = receive(&account, one).await.expect("genuine");
            assert_eq!(again.repeated, one.reply.is_none(), "{what}: it came before");
            account.forget_delivery(&again);
            let again = receive(&account, one).await.expect("genuine");
            assert!(!again.repeated, "{what}: nobody acted on it");
        }
    }
}

/// The contract's types read them too.
fn typed(definition: &Compiled, event: &Event, what: &str) {
    let count = match definition.spec().domain {
        Domain::Chat => event.typed::<chat::ChatEvent>().map(|all| all.len()),
        Domain::Payments => event.typed::<payments::PaymentEvent>().map(|all| all.len()),
        Domain::Sip => event.typed::<sip::SipEvent>().map(|all| all.len()),
        _ => Ok(event.events.len()),
    };
    assert_eq!(count.unwrap_or_else(|error| panic!("{what}: {error}")), event.events.len());
}

/// Every kind that a definition maps is shown by one of its deliveries.
#[test]
fn every_kind_that_is_mapped_is_delivered() {
    for definition in shipped() {
        let name = definition.name();
        let Some(events) = contract::of(definition.spec().domain).events else { continue };
        let webhook = definition.spec().webhook.as_ref().expect("a webhook");
        let kinds = match webhook.outputs.get("kind").map(|kind| &kind.0) {
            Some(Value::Object(map)) => {
                map.iter().filter(|(key, _)| *key != "of").map(|(_, ours)| ours.clone()).collect()
            }
            Some(one) => vec![one.clone()],
            None => panic!("{name}: its deliveries have no `as`"),
        };
        let simulated = definition.spec().sandbox.as_ref().and_then(|s| s.webhook.as_ref());
        let simulated = simulated.unwrap_or_else(|| panic!("{name}: no simulated deliveries"));
        let shown = |kind: &Value| {
            let given = simulated.deliveries.iter().flat_map(|one| &one.gives);
            given.into_iter().any(|given| given.0["kind"] == *kind)
        };
        for kind in kinds.iter().filter(|kind| events.kinds.iter().any(|known| kind == known)) {
            assert!(shown(kind), "{name}: no delivery gives {kind}");
        }
    }
}

#[tokio::test]
async fn what_was_changed_or_is_old_is_not_believed() {
    for definition in shipped() {
        let name = definition.name();
        let world = Harness::start(vec![Arc::clone(&definition)]).await;
        let account = open(&world, &definition, None);
        let spec = definition.spec().webhook.as_ref().expect("a webhook");
        let all = deliveries(&definition, world.clock.now()).expect("signed");
        for (i, one) in all.iter().enumerate() {
            let what = format!("{name}, delivery {i}");
            // Neither a shared token nor a signed one says anything of the body.
            let covered =
                !matches!(spec.algorithm, Proof::Token | Proof::Jwt) && one.method == "POST";
            if covered {
                let more = if one.body.starts_with('{') { " " } else { "&x=1" };
                let changed = Delivered { body: format!("{}{more}", one.body), ..one.clone() };
                let error = receive(&account, &changed).await.expect_err("changed");
                assert!(matches!(error, WebhookError::Forged), "{what}: {error}");
            }
            if one.method == "POST" {
                let bare = Delivered { headers: one.headers[..1].to_vec(), ..one.clone() };
                let error = receive(&account, &bare).await.expect_err("unsigned");
                let unsigned = matches!(error, WebhookError::Unsigned | WebhookError::Undated);
                assert!(unsigned, "{what}: {error}");
            }
        }
        if spec.timestamp.is_some() || spec.algorithm == Proof::Jwt {
            world.advance(Duration::from_hours(2));
            let error = receive(&account, &all[0]).await.expect_err("old");
            assert!(matches!(error, WebhookError::Stale { .. }), "{name}: {error}");
        }
    }
}
