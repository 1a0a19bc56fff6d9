//! The only code that sends: every cross-cutting step of a call, in one order.
//!
//! The order is written once, in [`Pipeline::run`] and what it calls top to bottom, and named by
//! [`ORDER`].

mod answer;
mod auth;
mod breaker;
mod budget;
mod call;
mod capability;
mod classify;
mod cost;
mod device;
mod endpoint;
mod form;
mod metrics;
mod multipart;
mod observe;
mod page;
mod rate;
mod record;
mod request;
mod resolve;
mod retry;
mod send;
mod skew;
mod socket;
mod stage;
mod steps;
mod tokens;
mod vendor;
mod wait;
mod window;
mod xml;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use infrafabric_definition::{Class, Scheme, Span};
use secrecy::ExposeSecret;
use serde_json::Value as Json;
use tracing::Instrument as _;

pub use metrics::{BUCKETS_MS, Labels, PipelineMetrics, Series};
pub use socket::DeviceEvent;
pub use stage::{ORDER, Stage};
pub use window::Quality;
pub use xml::{XmlError, to_json as read_xml};

use answer::Asked;
pub(crate) use answer::{Answer, headers};
pub(crate) use auth::{Credentials, hash};
pub(crate) use call::{Call, Effect};
pub(crate) use endpoint::replacement;
pub(crate) use request::Inputs;

use auth::Redactor;
use breaker::Breaker;
use call::Ready;
use classify::Context;
use rate::Rate;
use record::Record;
use request::Request;
use retry::{Next, Retry};
use skew::Skew;
use socket::Socket;
use stage::Trail;
use tokens::{Token, Tokens};
use window::Window;

use crate::clock::Clock;
use crate::compile::{Compiled, Transport, Vars};
use crate::error::AdapterError;

/// The largest body that is read.
const BODY_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// The pipeline of one account.
#[derive(Debug)]
pub(crate) struct Pipeline {
    definition: Arc<Compiled>,
    parameters: Json,
    replacement: Option<String>,
    credentials: Credentials,
    redactor: Redactor,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    metrics: Arc<PipelineMetrics>,
    window: Window,
    breaker: Breaker,
    rate: Rate,
    skew: Skew,
    tokens: Tokens,
    socket: Socket,
    events_port: Option<u16>,
}

/// What a pipeline is made from.
pub(crate) struct Parts {
    pub(crate) definition: Arc<Compiled>,
    pub(crate) parameters: Json,
    pub(crate) replacement: Option<String>,
    pub(crate) events_port: Option<u16>,
    pub(crate) credentials: Credentials,
    pub(crate) timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<PipelineMetrics>,
}

impl Pipeline {
    pub(crate) fn new(parts: Parts) -> Self {
        let limits = parts.definition.spec().limits.as_ref();
        let published = limits.and_then(|limits| limits.requests.as_ref());
        Self {
            rate: Rate::new(published, Instant::now()),
            redactor: parts.credentials.redactor(),
            definition: parts.definition,
            parameters: parts.parameters,
            replacement: parts.replacement,
            credentials: parts.credentials,
            timeout: parts.timeout,
            clock: parts.clock,
            metrics: parts.metrics,
            window: Window::new(Instant::now()),
            breaker: Breaker::default(),
            skew: Skew::default(),
            tokens: Tokens::default(),
            socket: Socket::default(),
            events_port: parts.events_port,
        }
    }

    /// The time by the account's clock.
    pub(crate) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    /// The variables that a call's templates see.
    pub(crate) fn vars(&self, inputs: &Inputs) -> Vars {
        inputs.vars(&self.parameters)
    }

    /// How the provider served of late.
    pub(crate) fn quality(&self) -> Quality {
        self.window.quality(Instant::now())
    }

    pub(crate) fn metrics(&self) -> &PipelineMetrics {
        &self.metrics
    }

    /// Makes one call. Its future has a type and a place of its own: a call may make others.
    pub(crate) fn run<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Answer, AdapterError>> {
        Box::pin(async move { self.traced(call, &mut Trail::default()).await })
    }

    /// Makes one call and notes the stages that it enters.
    async fn traced(&self, mut call: Call<'_>, trail: &mut Trail) -> Result<Answer, AdapterError> {
        trail.enter(Stage::Capability);
        let steps = call.operation.map_or(&[][..], |operation| &operation.steps);
        let mut given = Json::Null;
        if !steps.is_empty() {
            // Few calls have steps; their size is not carried by all.
            let read = Box::pin(self.steps(steps, &call.inputs, call.effect.as_ref())).await;
            // What they are for did not leave.
            given = read.map_err(|error| AdapterError {
                sent: error.sent && call.effect.is_none(),
                ..error
            })?;
            call.inputs.before.push(("steps", given.clone()));
        }
        let ready = self.ready(&call)?;
        trail.enter(Stage::Observe);
        let span = observe::span(&ready);
        let began = Instant::now();
        let result = self.observed(&ready, &call.inputs, trail).instrument(span.clone()).await;
        let took = began.elapsed();
        observe::end(&ready, &span, &self.metrics, trail, &result, took);
        let failed = result.as_ref().err();
        // What never left says nothing about the provider.
        if trail.sends > 0 {
            self.window.count(failed.map(|error| error.class), took, Instant::now());
        }
        result.map(|answer| Answer { steps: given, ..answer })
    }

    async fn observed(
        &self,
        call: &Ready<'_>,
        inputs: &Inputs,
        trail: &mut Trail,
    ) -> Result<Answer, AdapterError> {
        trail.enter(Stage::Budget);
        budget::allow()?;
        let mut record = Record::new(call);
        let mut result = self.attempts(call, &mut record, trail).await;
        if let Some(resolve) = call.operation.resolve.as_deref()
            && let Err(error) = result
        {
            result = Box::pin(self.resolved(call, (resolve, inputs), error)).await;
        }
        if let Some(wait) = call.operation.wait.as_deref()
            && let Ok(first) = result
        {
            result = Box::pin(self.wait(call, (wait, inputs), first, &record)).await;
        }
        trail.enter(Stage::Outcome);
        record.outcome(&result).await;
        trail.enter(Stage::Cost);
        cost::settle();
        result
    }

    /// Attempts until success, until no repetition is allowed, or until the time is up.
    async fn attempts(
        &self,
        call: &Ready<'_>,
        record: &mut Record<'_>,
        trail: &mut Trail,
    ) -> Result<Answer, AdapterError> {
        let timeout = call.operation.within.unwrap_or(self.timeout).max(self.timeout);
        let deadline = tokio::time::Instant::now() + timeout;
        let mut retry = Retry::new(call, deadline);
        loop {
            let began = tokio::time::Instant::now();
            let result = self.attempt(call, record, trail, deadline).await;
            trail.enter(Stage::Retry);
            match retry.after(result, began) {
                Next::Again(pause) => tokio::time::sleep(pause).await,
                Next::End(result) => return *result,
            }
        }
    }

    async fn attempt(
        &self,
        call: &Ready<'_>,
        record: &mut Record<'_>,
        trail: &mut Trail,
        deadline: tokio::time::Instant,
    ) -> Result<Answer, AdapterError> {
        trail.enter(Stage::Breaker);
        self.breaker.enter(Instant::now()).map_err(|wait| paused(call, wait))?;
        let admission = Admission { breaker: &self.breaker, asked: false };
        trail.enter(Stage::Rate);
        let wait = self.rate.take(Instant::now()).map_err(|wait| over_rate(call, wait))?;
        // What leaves too late for its answer would be in doubt for nothing.
        let late = tokio::time::Instant::now() + wait + self.timeout / 4 > deadline;
        if late && !wait.is_zero() {
            return Err(over_rate(call, wait));
        }
        // A timer is never ready at once, not even for no time.
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        // Before the intent: without a token nothing will leave. And never between permit and sending.
        let mut token = match self.token(call, deadline).await {
            Ok(token) => token,
            Err(error) => {
                let result = Err(error);
                admission.settle(&result);
                return result;
            }
        };
        trail.enter(Stage::Intent);
        record.intent(call).await?;
        let mut renewed = false;
        let result = loop {
            trail.enter(Stage::Permit);
            record.permit(call).await?;
            trail.enter(Stage::Sign);
            let (used, fresh) = token.take().unzip();
            let mut request = send::prepare(&call.request);
            let now = self.skew.apply(self.clock.now());
            self.credentials
                .fill(call.operation, &call.request, &mut request)
                .map_err(|error| call.error(Class::Invalid, error.to_string()).because(error))?;
            if !call.operation.anonymous {
                self.credentials
                    .apply(&self.definition, &call.request, &mut request, now, used.as_deref())
                    .map_err(|error| {
                        call.error(Class::Invalid, error.to_string()).because(error)
                    })?;
            }
            trail.enter(Stage::Send);
            let exchange = if call.operation.transport == Transport::Socket {
                self.on_socket(call, deadline).await
            } else {
                send::send(request, BODY_LIMIT_BYTES, deadline, call.events).await
            };
            trail.enter(Stage::Classify);
            let redactor = used.as_ref().map_or(&self.redactor, |token| &token.redactor);
            let result = self.judge(call, exchange, redactor);
            // A token that was good a while ago may have been taken back; nothing happened then.
            let stale = used.filter(|_| fresh == Some(false) && !renewed);
            match (stale, &result) {
                (Some(stale), Err(error)) if error.status == Some(401) => {
                    self.tokens.forget(&stale).await;
                    renewed = true;
                    match self.token(call, deadline).await {
                        Ok(another) => token = another,
                        Err(error) => break Err(error),
                    }
                }
                _ => break result,
            }
        };
        admission.settle(&result);
        result
    }

    /// The access token, where the scheme has one, and whether it was fetched just now.
    async fn token(
        &self,
        call: &Ready<'_>,
        deadline: tokio::time::Instant,
    ) -> Result<Option<(Arc<Token>, bool)>, AdapterError> {
        if !self.credentials.needs_token() || call.operation.anonymous {
            return Ok(None);
        }
        // Once an hour; its size is not carried by every call.
        let fetched = self.tokens.get(|| Box::pin(self.fetch_token(call, deadline)));
        let found = tokio::time::timeout_at(deadline, fetched)
            .await
            .unwrap_or_else(|_| Err(call.error(Class::Unavailable, "no access token in time")));
        found.map(Some).map_err(|mut error| {
            // Whatever became of the question for a token: what is asked for did not leave.
            error.sent = false;
            if error.class == Class::Invalid || error.class == Class::NotFound {
                error.class = Class::Auth;
                error.scope = crate::error::scope_of(Class::Auth);
            }
            error
        })
    }

    /// Asks for an access token.
    async fn fetch_token(
        &self,
        call: &Ready<'_>,
        deadline: tokio::time::Instant,
    ) -> Result<(Token, Duration), AdapterError> {
        let region = call.request.region.clone();
        let inputs = Inputs { region, before: self.credentials.login(), ..Inputs::default() };
        let operation = self.definition.token.as_ref();
        let ask = Call { name: "auth.token", operation, inputs, effect: None, events: None };
        let ask = self.ready(&ask)?;
        let mut request = send::prepare(&ask.request);
        let now = self.skew.apply(self.clock.now());
        let known = self.tokens.refresh();
        let known = known.as_ref().map(ExposeSecret::expose_secret);
        let repeatable = self
            .credentials
            .ask_for_token(&ask.request, &mut request, now, known)
            .map_err(|error| ask.error(Class::Invalid, error.to_string()).because(error))?;
        let redactor = repeatable.map(|text| self.credentials.redactor_with([text.as_str()]));
        let exchange = send::send(request, BODY_LIMIT_BYTES, deadline, None).await;
        let answer = self.judge(&ask, exchange, redactor.as_ref().unwrap_or(&self.redactor))?;
        let item = match &ask.operation.item {
            Some(template) => self.evaluate("auth.token", template, &answer)?,
            None => answer.body.get("access_token").cloned(),
        };
        let item = item.unwrap_or(Json::Null);
        let odd = || self.odd("auth.token", "success without an access token");
        let value = tokens::printable(&item).ok_or_else(odd)?;
        let auth = &self.definition.spec().auth;
        let lives = tokens::lives(&answer.body, auth.lives.as_ref().and_then(Span::duration));
        let provider = self.definition.name();
        let refresh = answer.body.get("refresh_token").and_then(tokens::printable);
        let refresh = refresh.filter(|_| auth.scheme == Scheme::Oauth2Refresh);
        let redactor =
            self.credentials.redactor_with([Some(value), refresh, known].into_iter().flatten());
        if refresh.is_some_and(|refresh| self.tokens.replace_refresh(refresh)) {
            // The Secret's may be good no more: only its owner can write another one there.
            tracing::warn!(
                provider,
                "the provider replaced the refresh token: the one in the Secret may not survive a restart"
            );
        }
        tracing::debug!(provider, ?lives, "access token renewed");
        Ok((Token { value: value.into(), redactor }, lives))
    }

    /// Classifies, and learns about clock and rate.
    fn judge(
        &self,
        call: &Ready<'_>,
        exchange: Result<send::Received, send::SendFailure>,
        redactor: &Redactor,
    ) -> Result<Answer, AdapterError> {
        let now = self.clock.now();
        let context = Context { redactor, limit: BODY_LIMIT_BYTES, now };
        let verdict = classify::classify(call, exchange, &context);
        if let Some(date) = verdict.date.filter(|_| self.credentials.signs_time()) {
            self.skew.learn(date, now);
        }
        let pause = self.rate.learn(verdict.learnt, Instant::now());
        verdict.result.map_err(|mut error| {
            error.retry_after = error.retry_after.or(pause);
            error
        })
    }

    fn ready<'a>(&'a self, call: &Call<'a>) -> Result<Ready<'a>, AdapterError> {
        let definition = &*self.definition;
        let operation = capability::require(definition, call.name, call.operation)?;
        let replacement = self.replacement.as_deref();
        let request =
            Request::render(definition, operation, &self.parameters, replacement, &call.inputs)
                .map_err(|error| {
                    let message = self.redactor.show(&error.to_string());
                    AdapterError::new(error.class(), definition.name(), call.name, message)
                        .because(error)
                })?;
        self.credentials.fields(operation).map_err(|error| {
            let message = error.to_string();
            AdapterError::new(Class::Invalid, definition.name(), call.name, message).because(error)
        })?;
        let reads = operation.item_reads_request;
        let asked = reads.then(|| {
            let Inputs { want, id, token, .. } = &call.inputs;
            Box::new(Asked { want: want.clone(), id: id.clone(), token: token.clone() })
        });
        let (effect, events) = (call.effect, call.events);
        Ok(Ready { definition, operation, request, asked, effect, events })
    }
}

/// A call's place behind the breaker; given back when the call is stopped before it asks.
struct Admission<'a> {
    breaker: &'a Breaker,
    asked: bool,
}

impl Admission<'_> {
    fn settle(mut self, result: &Result<Answer, AdapterError>) {
        self.asked = true;
        match result {
            Err(error) if matches!(error.class, Class::Unavailable | Class::Unknown) => {
                self.breaker.failed(Instant::now());
            }
            _ => self.breaker.served(),
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if !self.asked {
            self.breaker.unused(Instant::now());
        }
    }
}

fn paused(call: &Ready<'_>, wait: Duration) -> AdapterError {
    let seconds = wait.as_secs() + 1;
    let message = format!("not asked: it failed several times in a row, next in {seconds} s");
    let mut error = call.error(Class::Unavailable, message);
    error.retry_after = Some(wait);
    error
}

fn over_rate(call: &Ready<'_>, wait: Duration) -> AdapterError {
    let seconds = wait.as_secs() + 1;
    let message = format!("not asked: the account's request rate is used up for {seconds} s");
    let mut error = call.error(Class::RateLimited, message);
    error.retry_after = Some(wait);
    error
}

#[cfg(test)]
mod tests;
