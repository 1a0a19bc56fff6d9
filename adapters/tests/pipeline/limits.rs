//! Rate and breaker: who must wait is told so, and asks nobody.

use std::time::Duration;

use infrafabric_definition::Class;
use serde_json::json;

use crate::definitions::{Ledger, account, at, open, spec, want};
use crate::hostile::{Provider, Reply, json, with};

#[tokio::test]
async fn a_429_keeps_the_account_away_as_long_as_it_says() {
    let provider = Provider::start([with(429, &[("retry-after", "60")], "{}")]).await;
    let account = account(&provider.url);
    let error = account.verify().await.expect_err("refused");
    assert_eq!((error.class, error.sent), (Class::RateLimited, true));
    assert_eq!(error.retry_after, Some(Duration::from_mins(1)));
    let journal = Ledger::default();
    let error =
        account.clone().create_machine(&want(), "t", &journal).await.expect_err("too early");
    assert_eq!((error.class, error.sent), (Class::RateLimited, false));
    assert!(error.retry_after.expect("a time") > Duration::from_secs(50));
    assert_eq!(provider.requests().len(), 1);
    assert!(journal.lines().is_empty(), "no intent for what is not sent");
}

#[tokio::test]
async fn a_429_without_a_time_gets_one() {
    let provider = Provider::start([json(429, &json!({}))]).await;
    let error = account(&provider.url).verify().await.expect_err("refused");
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_time_in_the_body_counts_where_the_definition_says_so() {
    let mut spec = spec();
    spec["limits"] = json!({"retryAfter": "${body.parameters.retry_after}"});
    let refusal = json!({"ok": false, "parameters": {"retry_after": 35}});
    let provider = Provider::start([json(429, &refusal), json(429, &json!({}))]).await;
    let error = open(spec.clone(), at(&provider.url)).verify().await.expect_err("refused");
    assert_eq!(error.retry_after, Some(Duration::from_secs(35)));
    let error = open(spec, at(&provider.url)).verify().await.expect_err("refused");
    assert_eq!(error.retry_after, Some(Duration::from_secs(1)), "without one it gets one");
}

#[tokio::test]
async fn what_the_headers_leave_is_respected() {
    let mut spec = spec();
    spec["limits"] = json!({"requests": "1000/s", "remainingHeader": "RateLimit-Remaining",
        "resetHeader": "RateLimit-Reset"});
    let headers = [("ratelimit-remaining", "0"), ("ratelimit-reset", "90")];
    let provider = Provider::start([with(200, &headers, "{}")]).await;
    let account = open(spec, at(&provider.url));
    account.verify().await.expect("the last one");
    let error = account.verify().await.expect_err("none is left");
    assert_eq!((error.class, error.sent), (Class::RateLimited, false));
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_less_often() {
    let provider = Provider::start(vec![Reply::Lost; 20]).await;
    let account = account(&provider.url);
    let journal = Ledger::default();
    for token in ["1", "2", "3", "4", "5"] {
        let error = account.create_machine(&want(), token, &journal).await.expect_err("lost");
        assert_eq!((error.class, error.sent), (Class::Unknown, true));
    }
    let error = account.create_machine(&want(), "6", &journal).await.expect_err("not asked");
    assert_eq!((error.class, error.sent), (Class::Unavailable, false));
    assert!(error.retry_after.is_some() && error.message.starts_with("not asked"), "{error}");
    assert_eq!(provider.requests().len(), 5);
}
