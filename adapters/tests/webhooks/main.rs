//! Deliveries are told from forgeries as the vendors' documentation says, by data alone.

mod sdks;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::clock::SetClock;
use infrafabric_adapters::compile::{Compiled, parse};
use infrafabric_adapters::registry::Registry;
use infrafabric_adapters::webhook::{Delivery, WebhookError};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value as Json, json};

/// A vendor's way, a delivery that its documentation (or another implementation) signed, and when.
struct Case {
    name: &'static str,
    webhook: Json,
    secret: &'static str,
    now: i64,
    url: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    id: Option<&'static str>,
    kind: Option<&'static str>,
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const HOOK: &str = "https://hooks.example.com/a?b=1";

/// Slack, Twilio and Standard Webhooks: the examples of their documentation. Stripe, Meta and LINE:
/// signed with Python's `hmac`. Discord: the second vector of RFC 8032.
#[expect(clippy::too_many_lines, reason = "one table, one vendor a row")]
fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "slack",
            webhook: json!({"secret": ["hook"], "tolerance": "5m",
                "text": "v0:${headers['x-slack-request-timestamp']}:${body}",
                "signature": "${headers['x-slack-signature'].replace('v0=', '')}",
                "timestamp": "${headers['x-slack-request-timestamp']}", "kind": "${form.command}"}),
            secret: "8f742231b10e8888abcd99yyyzzz85a5",
            now: 1_531_420_700,
            url: HOOK,
            headers: &[
                ("x-slack-request-timestamp", "1531420618"),
                (
                    "x-slack-signature",
                    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                ),
                FORM,
            ],
            body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
            id: None,
            kind: Some("/webhook-collect"),
        },
        Case {
            name: "twilio",
            webhook: json!({"secret": ["hook"], "algorithm": "sha1", "encoding": "base64",
                "text": "${url + pairs(form).map(p, p.key + p.value).join('')}",
                "signature": "${headers['x-twilio-signature']}", "id": "${form.CallSid}"}),
            secret: "12345",
            now: 0,
            url: "https://mycompany.com/myapp.php?foo=1&bar=2",
            headers: &[("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), FORM],
            body: "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
            id: Some("CA1234567890ABCDE"),
            kind: None,
        },
        Case {
            name: "standard webhooks",
            webhook: json!({"secret": ["hook"], "encoding": "base64",
                "key": {"encoding": "base64", "prefix": "whsec_"},
                "text": "${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}",
                "signature": "${headers['webhook-signature'].split(' ').map(s, s.replace('v1,', ''))}",
                "timestamp": "${headers['webhook-timestamp']}", "id": "${headers['webhook-id']}"}),
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            now: 1_614_265_330,
            url: HOOK,
            headers: &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ],
            body: "{\"test\": 2432232314}",
            id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            kind: None,
        },
        Case {
            name: "stripe",
            webhook: json!({"secret": ["hook"],
                "text": "${fields(headers['stripe-signature']).t[0]}.${body}",
                "signature": "${fields(headers['stripe-signature']).v1}",
                "timestamp": "${fields(headers['stripe-signature']).t[0]}",
                "id": "${event.id}", "kind": "${event.type}"}),
            secret: "whsec_test_secret",
            now: 1_700_000_299,
            url: HOOK,
            headers: &[(
                "stripe-signature",
                "t=1700000000,v1=00,v1=02307e179dec7c16e9af12b9e961a270c4edcffa3996212c55c8a2952d49612f,v0=1",
            )],
            body: "{\"id\":\"evt_1\",\"type\":\"charge.refunded\"}",
            id: Some("evt_1"),
            kind: Some("charge.refunded"),
        },
        Case {
            name: "meta",
            webhook: json!({"secret": ["hook"],
                "signature": "${headers['x-hub-signature-256'].replace('sha256=', '')}",
                "kind": "${event.object}"}),
            secret: "app-s3cret",
            now: 0,
            url: HOOK,
            headers: &[(
                "x-hub-signature-256",
                "sha256=858d45b9f6d9113fa04ee87218522f77ecdd309116cdcf350af47d1bd874f8d7",
            )],
            body: "{\"object\":\"whatsapp\",\"text\":\"Grüße\"}",
            id: None,
            kind: Some("whatsapp"),
        },
        Case {
            name: "line",
            webhook: json!({"secret": ["hook"], "encoding": "base64",
                "signature": "${headers['x-line-signature']}", "id": "${event.events[0].webhookEventId}"}),
            secret: "line-s3cret",
            now: 0,
            url: HOOK,
            headers: &[("x-line-signature", "/E6rlYgO3kDFZdm2tiVXqlpM9zM1r7BqpG5zrtYr49o=")],
            body: "{\"events\":[{\"webhookEventId\":\"01H\"}]}",
            id: Some("01H"),
            kind: None,
        },
        Case {
            name: "discord",
            webhook: json!({"secret": ["hook"], "algorithm": "ed25519", "key": {"encoding": "hex"},
                "text": "${headers['x-signature-timestamp'] + body}",
                "signature": "${headers['x-signature-ed25519']}"}),
            secret: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            now: 0,
            url: HOOK,
            headers: &[
                ("x-signature-timestamp", ""),
                (
                    "x-signature-ed25519",
                    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
                ),
            ],
            body: "r",
            id: None,
            kind: None,
        },
        Case {
            name: "telegram",
            webhook: json!({"secret": ["hook"], "algorithm": "token",
                "signature": "${headers['x-telegram-bot-api-secret-token']}", "id": "${event.update_id}"}),
            secret: "tele-s3cret",
            now: 0,
            url: HOOK,
            headers: &[("x-telegram-bot-api-secret-token", "tele-s3cret")],
            body: "{\"update_id\":17}",
            id: Some("17"),
            kind: None,
        },
    ]
}

fn account(webhook: &Json, secrets: &[(&str, &str)], now: i64) -> Account {
    let path = format!("{}/../examples/bench/bench.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("readable");
    let (name, mut spec) = parse(&text, "bench.yaml").expect("parses");
    spec.webhook = Some(serde_json::from_value(webhook.clone()).expect("a webhook"));
    let compiled = Compiled::new(&name, spec).unwrap_or_else(|error| panic!("{error:?}"));
    let given = secrets.iter().chain(&[("token", "bench-token")]);
    let secrets: BTreeMap<_, _> =
        given.map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let now = chrono::DateTime::from_timestamp(now, 0).expect("a time");
    let clock = Arc::new(SetClock::at(now));
    let options = AccountOptions { secrets, clock, ..AccountOptions::default() };
    Account::open(Arc::new(compiled), options).expect("opens")
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    };
    headers.iter().map(pair).collect()
}

#[test]
fn what_a_vendor_signed_is_believed() {
    for case in cases() {
        let account = account(&case.webhook, &[("hook", case.secret)], case.now);
        let headers = map(case.headers);
        let delivery = Delivery { url: case.url, headers: &headers, body: case.body.as_bytes() };
        let event = account.verify_webhook(&delivery);
        let event = event.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(
            (event.id.as_deref(), event.kind.as_deref()),
            (case.id, case.kind),
            "{}",
            case.name
        );
    }
}

/// The built-in definitions say the same as the vendors' documentation.
#[test]
fn built_in_definitions_believe_what_their_vendors_signed() {
    let registry = Registry::built_in();
    let webhook = |name: &str| {
        let (compiled, _) = registry.get(name).expect("built in");
        let mut webhook = json!(compiled.spec().webhook);
        webhook["secret"] = json!(["hook"]);
        // The account is one of another domain.
        for key in ["as", "items"] {
            webhook.as_object_mut().expect("a map").remove(key);
        }
        webhook
    };
    for (vendor, name) in [
        ("slack", "slack"),
        ("twilio", "twilio"),
        ("standard webhooks", "openai"),
        ("stripe", "stripe"),
        ("meta", "whatsapp-cloud"),
        ("line", "line"),
        ("telegram", "telegram"),
    ] {
        let case = cases().into_iter().find(|case| case.name == vendor).expect(vendor);
        let account = account(&webhook(name), &[("hook", case.secret)], case.now);
        let headers = map(case.headers);
        let delivery = Delivery { url: case.url, headers: &headers, body: case.body.as_bytes() };
        let event = account.verify_webhook(&delivery);
        event.unwrap_or_else(|error| panic!("{name}: {error}"));
        let changed = format!("{}&x=1", case.body);
        let delivery = Delivery { body: changed.as_bytes(), ..delivery };
        assert!(account.verify_webhook(&delivery).is_err() || name == "telegram", "{name}");
    }
    // The key of RFC 8032's second vector.
    let seed: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&SEED[2 * i..2 * i + 2], 16).expect("hex")).collect();
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key");
    let hex = |bytes: &[u8]| {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect::<String>()
    };
    let (now, body) = (1_795_824_000_i64, r#"{"type":1,"id":"7","data":{"id":"8"}}"#);
    let (public, base64) = (key.public_key().as_ref(), base64::engine::general_purpose::STANDARD);
    for (name, public, text, header, time) in [
        (
            "discord",
            hex(public),
            format!("{now}{body}"),
            "x-signature-ed25519",
            "x-signature-timestamp",
        ),
        (
            "telnyx",
            base64.encode(public),
            format!("{now}|{body}"),
            "telnyx-signature-ed25519",
            "telnyx-timestamp",
        ),
    ] {
        let signed = key.sign(text.as_bytes());
        let signed = if name == "discord" { hex(signed.as_ref()) } else { base64.encode(signed) };
        let now_text = now.to_string();
        let headers = map(&[(header, signed.as_str()), (time, now_text.as_str())]);
        let delivery = Delivery { url: HOOK, headers: &headers, body: body.as_bytes() };
        for (late, good) in [(0, true), (1000, false)] {
            let account = account(&webhook(name), &[("hook", public.as_str())], now + late);
            let event = account.verify_webhook(&delivery);
            assert_eq!(event.is_ok(), good, "{name}: {event:?}");
        }
    }
}

/// RFC 8032, 7.1, test 2.
const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";

#[test]
fn what_is_forged_changed_unsigned_or_old_is_not() {
    for case in cases() {
        let secrets = [("hook", case.secret)];
        let account_ = account(&case.webhook, &secrets, case.now);
        let verify = |account: &Account, url: &str, headers: &[(&str, &str)], body: &str| {
            let headers = map(headers);
            account.verify_webhook(&Delivery { url, headers: &headers, body: body.as_bytes() })
        };
        let name = case.name;
        let other =
            account(&case.webhook, &[("hook", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx")], case.now);
        let refused = verify(&other, case.url, case.headers, case.body).expect_err(name);
        let malformed = matches!(refused, WebhookError::Key(_)) && name == "discord";
        let forged = matches!(refused, WebhookError::Forged);
        assert!(forged || malformed, "{name}: {refused}");
        let unsigned: Vec<_> = case
            .headers
            .iter()
            .copied()
            .filter(|(key, _)| !key.contains("sign") && !key.contains("token"))
            .collect();
        let refused = verify(&account_, case.url, &unsigned, case.body).expect_err(name);
        assert!(matches!(refused, WebhookError::Unsigned), "{name}: {refused}");
        // A shared token says nothing of the body.
        if name != "telegram" {
            let changed = format!("{}&x=1", case.body);
            let refused = verify(&account_, case.url, case.headers, &changed).expect_err(name);
            assert!(matches!(refused, WebhookError::Forged), "{name}: {refused}");
        }
        if case.now > 0 {
            for late in [-1000, 1000] {
                let account = account(&case.webhook, &secrets, case.now + late);
                let refused = verify(&account, case.url, case.headers, case.body).expect_err(name);
                assert!(matches!(refused, WebhookError::Stale { .. }), "{name}: {refused}");
            }
        }
        let none = account(&case.webhook, &[], case.now);
        let refused = verify(&none, case.url, case.headers, case.body).expect_err(name);
        assert!(refused.to_string().contains("`hook`"), "{name}: {refused}");
        assert!(!format!("{refused:?} {account_:?}").contains(case.secret), "{name}");
    }
}

#[test]
fn a_secret_is_changed_by_holding_both_for_a_while() {
    let case = cases().into_iter().find(|case| case.name == "stripe").expect("stripe");
    let mut webhook = case.webhook.clone();
    webhook["secret"] = json!(["next", "hook"]);
    let headers = map(case.headers);
    let delivery = Delivery { url: case.url, headers: &headers, body: case.body.as_bytes() };
    let both = account(&webhook, &[("next", "whsec_new"), ("hook", case.secret)], case.now);
    assert!(both.verify_webhook(&delivery).is_ok());
    let next = account(&webhook, &[("next", "whsec_new")], case.now);
    assert!(matches!(next.verify_webhook(&delivery), Err(WebhookError::Forged)));
}

/// An account of each vendor.
static ACCOUNTS: LazyLock<Vec<(Case, Account)>> = LazyLock::new(|| {
    let open = |case: Case| {
        let account = account(&case.webhook, &[("hook", case.secret)], case.now);
        (case, account)
    };
    cases().into_iter().map(open).collect()
});

proptest! {
    /// Nothing that somebody sends is believed, and nothing makes a verifier fall over.
    #[test]
    fn no_delivery_is_too_odd(
        which in 0..8_usize,
        value in "[ -~]{0,80}",
        body in proptest::collection::vec(any::<u8>(), 0..200),
        url in "[ -~]{0,60}",
    ) {
        let (case, account) = &ACCOUNTS[which];
        let names = case.headers.iter().map(|(name, _)| (*name, value.as_str()));
        let headers = map(&names.collect::<Vec<_>>());
        let delivery = Delivery { url: &url, headers: &headers, body: &body };
        prop_assert!(account.verify_webhook(&delivery).is_err());
    }
}
