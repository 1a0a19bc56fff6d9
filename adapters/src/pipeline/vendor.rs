//! What vendors say in their answers beyond the result: messages, codes, request ids, times.

use std::time::Duration;

use chrono::{DateTime, Utc};
use infrafabric_definition::Limits;
use serde_json::Value as Json;

use super::answer::Answer;
use super::rate::Learnt;

const MESSAGES: [&str; 17] = [
    "/message",
    "/Message",
    "/error/message",
    "/error/errors/0/message",
    "/error_description",
    "/errors/0/reason",
    "/errors/0/message",
    "/errors/0/detail",
    "/Errors/Error/Message",
    "/Error/Message",
    "/detail",
    "/description",
    "/reason",
    "/comment",
    "/status/error",
    "/title",
    "/error",
];

const CODES: [&str; 13] = [
    "/code",
    "/Code",
    "/error/errors/0/code",
    "/error/errors/0/reason",
    "/error/code",
    "/error/type",
    "/errors/0/code",
    "/Errors/Error/Code",
    "/Error/Code",
    "/error_code",
    "/type",
    "/error",
    "/id",
];

const REQUEST_ID_HEADERS: [&str; 9] = [
    "x-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "request-id",
    "x-ms-request-id",
    "opc-request-id",
    "x-correlation-id",
    "x-trace-id",
    "cf-ray",
];

const REQUEST_IDS: [&str; 5] =
    ["/request_id", "/requestId", "/RequestId", "/RequestID", "/meta/request_id"];

/// The vendor's sentence in the body of an error.
pub(crate) fn message(answer: &Answer) -> Option<String> {
    let whole = answer.body.as_str().filter(|text| !text.is_empty());
    whole.map(ToOwned::to_owned).or_else(|| first(&answer.body, &MESSAGES))
}

/// The vendor's code in the body of an error.
pub(crate) fn code(answer: &Answer) -> Option<String> {
    first(&answer.body, &CODES)
}

/// The vendor's id of the exchange.
pub(crate) fn request_id(answer: &Answer) -> Option<String> {
    let header = REQUEST_ID_HEADERS.iter().find_map(|name| answer.headers.get(name)?.as_str());
    header.map(ToOwned::to_owned).or_else(|| first(&answer.body, &REQUEST_IDS))
}

/// The first of the places that holds text or a number, below the root element or not.
fn first(body: &Json, places: &[&str]) -> Option<String> {
    let root = body.as_object().filter(|map| map.len() == 1).and_then(|map| map.values().next());
    let text = |value: &Json| match value {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    [Some(body), root]
        .into_iter()
        .flatten()
        .find_map(|body| places.iter().find_map(|place| body.pointer(place).and_then(text)))
}

/// The provider's time.
pub(crate) fn date(answer: &Answer) -> Option<DateTime<Utc>> {
    http_date(header(answer, "date")?)
}

/// What the answer says about the rate, by the common headers and the definition's.
pub(crate) fn learnt(answer: &Answer, limits: Option<&Limits>, now: DateTime<Utc>) -> Learnt {
    let now = date(answer).unwrap_or(now);
    let named = |name: Option<&infrafabric_definition::Text>| {
        header(answer, &name?.as_str().to_ascii_lowercase())
    };
    let remaining = limits.and_then(|limits| named(limits.remaining_header.as_ref()));
    let reset = limits.and_then(|limits| named(limits.reset_header.as_ref()));
    Learnt {
        refused: answer.status == 429,
        retry_after: header(answer, "retry-after").and_then(|text| retry_after(text, now)),
        remaining: remaining.and_then(|text| text.trim().parse().ok()),
        reset: reset.and_then(|text| reset_after(text, now)),
    }
}

/// Seconds, as a number or as text.
pub(crate) fn said_seconds(value: &Json) -> Option<Duration> {
    seconds(&crate::compile::plain(value))
}

/// How long the provider asks to wait.
pub(crate) fn pause(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    learnt(answer, None, now).retry_after
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.as_str()
}

/// Seconds from now, or an HTTP date.
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    seconds(text).or_else(|| (http_date(text)? - now).max(chrono::TimeDelta::zero()).to_std().ok())
}

/// Seconds from now, or seconds since 1970: no rate counts for thirty years.
fn reset_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    const EPOCH: u64 = 1_000_000_000;
    let span = seconds(text)?;
    if span.as_secs() < EPOCH {
        return Some(span);
    }
    let now = u64::try_from(now.timestamp()).ok()?;
    Some(span.saturating_sub(Duration::from_secs(now)))
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: Json, headers: Json) -> Answer {
        Answer { status: 400, headers, body, ..Answer::default() }
    }

    #[test]
    fn every_vendor_is_understood() {
        for (body, expected_message, expected_code) in [
            (
                json!({"id": "unauthorized", "message": "Unable to authenticate you"}),
                "Unable to authenticate you",
                Some("unauthorized"),
            ),
            (
                json!({"errors": [{"field": "label", "reason": "Label must be unique"}]}),
                "Label must be unique",
                None,
            ),
            (
                json!({"error": "Invalid API token.", "status": 401}),
                "Invalid API token.",
                Some("Invalid API token."),
            ),
            (
                json!({"Response": {"Errors": {"Error": {"Code": "AuthFailure", "Message": "no"}},
                                 "RequestID": "r-1"}}),
                "no",
                Some("AuthFailure"),
            ),
            (
                json!({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}),
                "slow down",
                Some("rate_limit_exceeded"),
            ),
        ] {
            let answer = answer(body, json!({}));
            assert_eq!(message(&answer).as_deref(), Some(expected_message));
            assert_eq!(code(&answer).as_deref(), expected_code);
        }
        let aws = answer(json!({"Response": {"RequestID": "r-1"}}), json!({}));
        assert_eq!(request_id(&aws).as_deref(), Some("r-1"));
        assert_eq!(request_id(&answer(json!({}), json!({"cf-ray": "x"}))).as_deref(), Some("x"));
    }

    #[test]
    fn times_are_seconds_dates_and_epochs() {
        let now = http_date("Wed, 21 Oct 2015 07:28:00 GMT").expect("a date");
        let limits = Limits {
            requests: None,
            remaining_header: Some("RateLimit-Remaining".into()),
            reset_header: Some("RateLimit-Reset".into()),
            retry_after: None,
        };
        let at = |headers| learnt(&answer(json!({}), headers), Some(&limits), now);
        assert_eq!(at(json!({"retry-after": "7"})).retry_after, Some(Duration::from_secs(7)));
        let date = json!({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"});
        assert_eq!(at(date).retry_after, Some(Duration::from_secs(30)));
        let past = json!({"retry-after": "Wed, 21 Oct 2015 07:27:30 GMT"});
        assert_eq!(at(past).retry_after, Some(Duration::ZERO));
        let epoch = now.timestamp() + 90;
        let reset = at(json!({"ratelimit-remaining": "3", "ratelimit-reset": epoch.to_string()}));
        assert_eq!((reset.remaining, reset.reset), (Some(3), Some(Duration::from_secs(90))));
        assert_eq!(at(json!({"ratelimit-reset": "15"})).reset, Some(Duration::from_secs(15)));
        for nonsense in ["-1", "soon", "1e400", "NaN"] {
            assert_eq!(at(json!({"retry-after": nonsense})).retry_after, None, "{nonsense}");
        }
    }
}
