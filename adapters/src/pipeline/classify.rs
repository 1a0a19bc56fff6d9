//! Gives every end of an exchange its class.
//!
//! Order: what never left, what never came back, redirects, the definition's own rules (also for
//! a 2xx that lies), the shared status table, and last whether a 2xx says what it must.

use std::cell::LazyCell;
use std::time::Duration;

use chrono::{DateTime, Utc};
use infrafabric_definition::{AnswerFormat, Class, ErrorRule};
use serde_json::Value as Json;

use super::answer::{self, Answer, Body};
use super::auth::Redactor;
use super::call::{Effect, Ready};
use super::rate::Learnt;
use super::send::{Received, SendFailure};
use super::vendor;
use crate::compile::CompiledErrorRule;
use crate::error::{AdapterError, scope_of};

/// What classification knows besides the exchange.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) redactor: &'a Redactor,
    pub(crate) limit: usize,
    pub(crate) now: DateTime<Utc>,
}

/// The end of an exchange.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The answer, or why it is none.
    pub(crate) result: Result<Answer, AdapterError>,
    /// What it says about the rate.
    pub(crate) learnt: Learnt,
    /// The provider's time.
    pub(crate) date: Option<DateTime<Utc>>,
}

/// Classifies the end of an exchange.
pub(crate) fn classify(
    call: &Ready<'_>,
    exchange: Result<Received, SendFailure>,
    context: &Context<'_>,
) -> Verdict {
    let received = match exchange {
        Ok(received) => received,
        Err(failure) => {
            let result = Err(nothing_came_back(call, failure, context));
            return Verdict { result, learnt: Learnt::default(), date: None };
        }
    };
    let kind = received.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let format = answer::format(call.operation.answer, received.status, kind);
    let (body, problem) = body(format, received.body, context.limit);
    let answer = Answer {
        status: received.status,
        headers: answer::headers(&received.headers),
        address: Some(call.request.url.clone()),
        bytes: body.as_ref().map_or(0, |(_, bytes)| *bytes),
        body: body.map_or(Json::Null, |(body, _)| body),
        steps: Json::Null,
        asked: call.asked.clone(),
        resolved: false,
    };
    let limits = call.definition.spec().limits.as_ref();
    let mut learnt = vendor::learnt(&answer, limits, context.now);
    let date = vendor::date(&answer);
    let found = failure(call, &answer, problem);
    if let (Some(_), Some(template)) = (&found, &call.definition.retry_after) {
        // What it says there is said for this refusal; a header is for whoever stands in between.
        let said = template.render(&answer.vars()).ok().flatten();
        learnt.retry_after = said.as_ref().and_then(vendor::said_seconds).or(learnt.retry_after);
    }
    learnt.refused = found.as_ref().is_some_and(|found| found.class == Class::RateLimited);
    let result = match found {
        None => Ok(answer),
        // What is gone already is deleted.
        Some(found) if found.class == Class::NotFound && call.absence_is_success() => Ok(answer),
        Some(found) => Err(error(call, &answer, found, learnt.retry_after, context.redactor)),
    };
    Verdict { result, learnt, date }
}

/// A failure that was found in an answer.
struct Found<'a> {
    class: Class,
    rule: Option<&'a ErrorRule>,
    /// Our own words; the vendor's when absent.
    message: Option<String>,
}

impl Found<'_> {
    fn saying(class: Class, message: String) -> Self {
        Self { class, rule: None, message: Some(message) }
    }
}

fn nothing_came_back(
    call: &Ready<'_>,
    failure: SendFailure,
    context: &Context<'_>,
) -> AdapterError {
    let class = if failure.sent { call.in_doubt() } else { Class::Unavailable };
    let host = call.request.url.host_str().unwrap_or("?");
    let mut message = format!("{host}: {}", failure.reason);
    if class == Class::Unknown {
        message.push_str("; nobody can say whether it happened");
    }
    let mut error = call.error(class, context.redactor.show(&message));
    error.sent = failure.sent;
    error.source = failure.source.map(Into::into);
    error
}

/// The body as JSON with its size, and what is wrong with it.
fn body(format: AnswerFormat, body: Body, limit: usize) -> (Option<(Json, usize)>, Option<String>) {
    match body {
        Body::Whole(text) => match answer::parse(&text, format) {
            Ok(json) => (Some((json, text.len())), None),
            Err(reason) => (None, Some(reason)),
        },
        Body::TooLong { bytes } => {
            (None, Some(format!("{bytes} bytes or more, and {limit} are the limit")))
        }
        Body::Cut(reason) => (None, Some(format!("a body that was cut off: {reason}"))),
    }
}

fn failure<'a>(call: &Ready<'a>, answer: &Answer, problem: Option<String>) -> Option<Found<'a>> {
    let success = (200..300).contains(&answer.status);
    if (300..400).contains(&answer.status) {
        return Some(redirect(call, answer));
    }
    // What a good answer says of the operation that is asked after is no failure of the question.
    let asked_after = call.operation.poll && success;
    if let Some((rule, spec)) = matching_rule(call, answer).filter(|_| !asked_after) {
        return Some(Found { class: rule.class, rule: Some(spec), message: None });
    }
    if !success {
        let message = problem.map(|reason| format!("answered with {reason}"));
        return Some(Found { class: status_class(call, answer.status), rule: None, message });
    }
    if let Some(reason) = problem {
        return Some(Found::saying(call.in_doubt(), format!("answered success with {reason}")));
    }
    match &call.effect {
        Some(Effect { identity: Some(identity), .. }) if identity(answer).is_none() => {
            let message = "answered success without an identity";
            Some(Found::saying(Class::Unknown, message.to_owned()))
        }
        _ => None,
    }
}

/// Redirects are never followed. 307 and 308 say that nothing happened; the others may follow an
/// effect that did.
fn redirect(call: &Ready<'_>, answer: &Answer) -> Found<'static> {
    let target = answer.headers.get("location").and_then(Json::as_str).unwrap_or_default();
    let host = call.request.url.join(target).ok();
    let host = host.as_ref().and_then(url::Url::host_str).unwrap_or("nowhere").to_owned();
    let class = match answer.status {
        301..=303 if call.effect.is_some() => Class::Unknown,
        _ if call.request.url.host_str() == Some(&host) => Class::Unavailable,
        _ => Class::Policy,
    };
    Found::saying(class, format!("redirected to `{host}`; credentials do not follow redirects"))
}

/// The failure that an answer tells of an operation that was asked after.
pub(crate) fn ended_badly(call: &Ready<'_>, answer: &Answer, redactor: &Redactor) -> AdapterError {
    let found = match matching_rule(call, answer) {
        Some((rule, spec)) => Found { class: rule.class, rule: Some(spec), message: None },
        None => Found { class: Class::Unavailable, rule: None, message: None },
    };
    error(call, answer, found, None, redactor)
}

/// Whether an operation is `name` or belongs to it.
fn is_of(operation: &str, name: &str) -> bool {
    operation.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn matching_rule<'a>(
    call: &Ready<'a>,
    answer: &Answer,
) -> Option<(&'a CompiledErrorRule, &'a ErrorRule)> {
    // Most answers meet no rule that looks into them.
    let vars = LazyCell::new(|| answer.vars());
    let matches = |rule: &CompiledErrorRule| {
        let status = match rule.status {
            Some(status) => status == answer.status,
            // A rule without status and condition would call every success a failure.
            None => answer.status >= 400 || rule.when.is_some(),
        };
        status
            && rule.operation.as_ref().is_none_or(|name| is_of(&call.operation.name, name))
            && rule
                .when
                .as_ref()
                .is_none_or(|when| matches!(when.render(&vars), Ok(Some(Json::Bool(true)))))
    };
    let rules = call.definition.errors.iter().zip(&call.definition.spec().errors);
    rules.into_iter().find(|(rule, _)| matches(rule))
}

/// The shared status table.
fn status_class(call: &Ready<'_>, status: u16) -> Class {
    match status {
        401 | 403 => Class::Auth,
        402 => Class::OutOfCredit,
        404 | 410 => Class::NotFound,
        405 | 501 => Class::Unsupported,
        // The server gave up waiting for the request: it never had all of it.
        408 => Class::Unavailable,
        409 | 412 | 423 => Class::Conflict,
        429 => Class::RateLimited,
        400..=499 => Class::Invalid,
        // Somebody on the way or the provider itself failed, perhaps after the effect.
        _ => call.in_doubt(),
    }
}

fn error(
    call: &Ready<'_>,
    answer: &Answer,
    found: Found<'_>,
    retry_after: Option<Duration>,
    redactor: &Redactor,
) -> AdapterError {
    let show = |text: String| redactor.show(&text);
    let vendors = vendor::message(answer);
    let message = match (found.message, vendors) {
        (Some(ours), _) => ours,
        (None, Some(theirs)) => theirs,
        (None, None) => format!("answered with HTTP {}", answer.status),
    };
    let code = vendor::code(answer)
        .filter(|code| *code != message && code.len() <= 100)
        .or_else(|| found.rule?.code.as_ref().map(|code| code.0.clone()));
    let mut error = call.error(found.class, show(message));
    error.scope = found.rule.and_then(|rule| rule.scope).unwrap_or(scope_of(found.class));
    error.status = Some(answer.status);
    error.code = code.map(show);
    error.request_id = vendor::request_id(answer).filter(|id| id.len() <= 200).map(show);
    error.retry_after = retry_after;
    error.sent = true;
    error
}
