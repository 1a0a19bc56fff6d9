//! Deliveries that the vendors' own SDKs signed, or believe (`make_webhooks.py`), against the built-in
//! definitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::registry::Registry;
use infrafabric_adapters::webhook::{Delivery, WebhookError, verify};
use serde::Deserialize;

/// What another key or hash signs than the one that the definition knows: a beta of Twilio's.
const UNKNOWN: [&str; 1] = ["shared key, HMAC-SHA256"];

#[derive(Clone, Deserialize)]
struct Signed {
    vendor: String,
    about: String,
    url: String,
    headers: BTreeMap<String, String>,
    body: String,
    secrets: BTreeMap<String, String>,
    at: i64,
}

impl Signed {
    fn judge(&self, definition: &Compiled) -> Result<(), WebhookError> {
        let pair = |(name, value): (&String, &String)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        };
        let headers: HeaderMap = self.headers.iter().map(pair).collect();
        let secrets = self.secrets.iter();
        let secrets = secrets.map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        let now = DateTime::from_timestamp(self.at, 0).expect("a time");
        let delivery = Delivery { url: &self.url, headers: &headers, body: self.body.as_bytes() };
        verify(definition, &secrets, None, &delivery, now).map(drop)
    }
}

fn all() -> Vec<(Signed, Arc<Compiled>)> {
    let registry = Registry::built_in();
    let all: Vec<Signed> = serde_json::from_str(include_str!("webhooks.json")).expect("reads");
    let built_in = |vendor: &str| registry.get(vendor).expect("built in").0;
    all.into_iter().map(|one| (one.clone(), built_in(&one.vendor))).collect()
}

#[test]
fn what_the_vendors_sdks_believe_is_believed() {
    let mut refused = Vec::new();
    let all = all();
    assert!(all.len() > 120);
    for (one, definition) in &all {
        if let Err(error) = one.judge(definition) {
            refused.push(format!("{} {}: {error}", one.vendor, one.about));
        }
    }
    let unknown = |text: &&String| !UNKNOWN.iter().any(|known| text.contains(known));
    let wrong: Vec<&String> = refused.iter().filter(unknown).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(refused.len(), UNKNOWN.len(), "what is known to be refused is no more: {refused:?}");
}

#[test]
fn any_change_of_what_they_signed_is_refused() {
    for (one, definition) in all() {
        if one.judge(&definition).is_err() {
            continue;
        }
        let what = format!("{} {}", one.vendor, one.about);
        let form = one.headers.get("content-type").is_some_and(|kind| kind.contains("form"));
        let more = if form { "&Body=x" } else { " {\"Body\":\"x\"}" };
        let longer = Signed { body: format!("{}{more}", one.body), ..one.clone() };
        assert!(longer.judge(&definition).is_err(), "{what}: a longer body");
        if !one.body.is_empty() {
            let empty = Signed { body: String::new(), ..one.clone() };
            assert!(empty.judge(&definition).is_err(), "{what}: no body");
        }
        for (key, secret) in &one.secrets {
            let mut other = one.clone();
            let changed: String = secret.chars().rev().collect();
            other.secrets.insert(key.clone(), changed);
            let same = other.secrets == one.secrets;
            assert!(same || other.judge(&definition).is_err(), "{what}: another secret");
        }
    }
}

/// Who saw one form with its signature puts the form's text behind the address and sends a body of his
/// own, which no signature covers.
#[test]
fn a_form_that_was_moved_into_the_address_covers_no_body() {
    let all = all();
    let (one, definition) = all
        .iter()
        .find(|(one, _)| one.vendor == "twilio" && one.about.contains("address with a query"))
        .expect("there is one");
    let pairs: BTreeMap<String, String> =
        form_urlencoded::parse(one.body.as_bytes()).into_owned().collect();
    let text: String = pairs.iter().flat_map(|(key, value)| [key.as_str(), value]).collect();
    for (kind, body) in [
        (Some("application/json"), "{\"MessageStatus\":\"delivered\"}"),
        (Some("text/plain"), "anything"),
        (None, "anything"),
        (None, ""),
    ] {
        let mut moved =
            Signed { url: format!("{}{text}", one.url), body: body.to_owned(), ..one.clone() };
        moved.headers.remove("content-type");
        moved.headers.extend(kind.map(|kind| ("content-type".to_owned(), kind.to_owned())));
        let judged = moved.judge(definition);
        // Without a body it says nothing that was not signed.
        assert_eq!(judged.is_ok(), body.is_empty(), "{kind:?} {body}: {judged:?}");
    }
}
