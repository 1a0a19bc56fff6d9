//! Secrets: checked at the door, and seen nowhere behind it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::error::AdapterError;
use infrafabric_definition::Class;
use serde_json::json;

use crate::definitions::{Ledger, SECRET, account, at, open, spec, want};
use crate::hostile::{Provider, json, with};

fn everything(error: &AdapterError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let _ = write!(text, " {deeper} {deeper:?}");
        cause = deeper.source();
    }
    text
}

#[tokio::test]
async fn no_secret_in_errors_or_debug() {
    let base64 = base64::engine::general_purpose::STANDARD.encode(SECRET);
    let echo = format!("token {SECRET} or {base64} in Bearer {SECRET} is bad");
    let id = format!("r-{SECRET}");
    let body = json!({"message": echo, "code": SECRET, "request_id": id});
    let replies = [
        json(401, &body),
        with(400, &[("x-request-id", &id)], format!("plain {SECRET}")),
        with(307, &[("location", &format!("https://{SECRET}.example/"))], ""),
        json(409, &body),
    ];
    let provider = Provider::start(replies).await;
    let account = account(&provider.url);
    for _ in 0..3 {
        let text = everything(&account.verify().await.expect_err("refused"));
        assert!(!text.contains(SECRET) && !text.contains(&base64), "{text}");
    }
    let error = account.create_machine(&want(), "t", &Ledger::default()).await;
    let text = everything(&error.expect_err("refused"));
    assert!(!text.contains(SECRET) && text.contains("[secret]"), "{text}");
    let secrets = BTreeMap::from([("token".to_owned(), SECRET.into())]);
    let options = AccountOptions { secrets, ..at(&provider.url) };
    let text = format!("{account:?} {options:?}");
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn no_secret_of_any_scheme_in_errors_or_debug() {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{SECRET}:{SECRET}"));
    for auth in [
        json!({"scheme": "basic", "secret": ["token", "password"]}),
        json!({"scheme": "header", "name": "X-Token", "prefix": "Token ", "secret": ["token"]}),
        json!({"scheme": "query", "name": "key", "secret": ["token"]}),
        json!({"scheme": "ovh", "secret": ["token", "password", "consumer"]}),
    ] {
        let mut spec = spec();
        spec["auth"] = auth.clone();
        let secrets = ["token", "password", "consumer"].map(|key| (key.to_owned(), SECRET.into()));
        let there = format!("/account?key={SECRET}");
        let replies = [
            json(401, &json!({"message": format!("{SECRET} or {pair} is bad at {there}")})),
            with(307, &[("location", &there)], ""),
            with(200, &[], format!("<html>{SECRET}")),
        ];
        let provider = Provider::start(replies).await;
        let options = AccountOptions { secrets: secrets.into(), ..at(&provider.url) };
        let account = open(spec, options);
        let mut texts = vec![format!("{account:?}")];
        for _ in 0..4 {
            // The last one finds nobody there.
            texts.push(everything(&account.verify().await.expect_err("refused")));
        }
        for text in texts {
            assert!(!text.contains(SECRET) && !text.contains(&pair), "{auth}: {text}");
        }
        let sent = provider.requests();
        assert!(sent.len() >= 3, "{auth}: {} requests", sent.len());
    }
}

#[tokio::test]
async fn a_newline_at_the_end_is_never_sent() {
    let provider = Provider::start([json(200, &json!({}))]).await;
    let secrets = BTreeMap::from([("token".to_owned(), "abcd\n".into())]);
    let account = open(spec(), AccountOptions { secrets, ..at(&provider.url) });
    account.verify().await.expect("verified");
    assert_eq!(provider.requests()[0].header("authorization"), Some("Bearer abcd"));
}

#[test]
fn what_cannot_be_used_is_refused_by_its_name() {
    let definition = serde_json::from_value(spec()).expect("a definition");
    let definition = Arc::new(Compiled::new("bench", definition).expect("compiles"));
    let refusal = |options| Account::open(Arc::clone(&definition), options).expect_err("refused");
    for value in [None, Some(""), Some("ab\ncd"), Some("pä")] {
        let secrets = value.map(|value| ("token".to_owned(), value.into())).into_iter().collect();
        let error = refusal(AccountOptions { secrets, ..AccountOptions::default() });
        assert_eq!((error.class, error.sent), (Class::Auth, false));
        assert!(error.message.contains("`token`"), "{error}");
    }
    let secrets = || BTreeMap::from([("token".to_owned(), SECRET.into())]);
    let endpoint = Some("https://user:pass@proxy".to_owned());
    let error =
        refusal(AccountOptions { secrets: secrets(), endpoint, ..AccountOptions::default() });
    assert_eq!(error.class, Class::Invalid);
    let parameters = BTreeMap::from([("nope".to_owned(), "x".to_owned())]);
    let error =
        refusal(AccountOptions { secrets: secrets(), parameters, ..AccountOptions::default() });
    assert!(error.message.contains("`nope`"), "{error}");
}
