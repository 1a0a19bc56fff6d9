//! What the faults in force do to one request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use infrafabric_definition::{AnswerFormat, Class, Span};

use crate::answer::{Answer, Failure};
use crate::fault::Fault;
use crate::ledger::{Delivery, Ledger};
use crate::provider::Provider;
use crate::route::{Target, Verb};

/// The faults that meet a request.
pub(crate) struct Plan {
    /// Refusals of creations, decided when the thing is about to be made.
    limits: Vec<Arc<Fault>>,
    slow: Duration,
    /// How young a thing may be and not be listed.
    pub(crate) lag: Duration,
    /// The one that decides about the answer.
    last: Option<Arc<Fault>>,
}

/// What goes out: an answer, or nothing but the end of the connection.
pub(crate) type Outgoing = Option<Answer>;

impl Plan {
    /// Takes from the faults in force those that meet the request, and counts them.
    pub(crate) fn new(
        in_force: Vec<Arc<Fault>>,
        (definition, operation): (&str, &str),
        account: Option<&str>,
        target: Option<&Target>,
    ) -> Self {
        let mut plan =
            Self { limits: Vec::new(), slow: Duration::ZERO, lag: Duration::ZERO, last: None };
        let verb = match target {
            Some(Target::Object(_, verb)) => Some(*verb),
            _ => None,
        };
        for fault in in_force {
            if !fault.applies(definition, operation, account) {
                continue;
            }
            match fault.spec.fault.as_str() {
                "capacity" | "quota" if verb == Some(Verb::Create) => plan.limits.push(fault),
                "capacity" | "quota" => {}
                "lag" if verb == Some(Verb::List) && fault.meets() => {
                    plan.lag = plan.lag.max(span(fault.spec.by.as_ref(), 30));
                }
                "lag" => {}
                "slow" if fault.meets() => plan.slow += span(fault.spec.delay.as_ref(), 5),
                "slow" => {}
                _ if plan.last.is_none() && fault.meets() => plan.last = Some(fault),
                _ => {}
            }
        }
        plan
    }

    /// Whether the request is carried out.
    pub(crate) fn effect(&self) -> bool {
        let after =
            matches!(self.name(), "" | "hold" | "lost" | "drip" | "truncated" | "huge" | "noid");
        self.last.as_ref().and_then(|fault| fault.spec.effect).unwrap_or(after)
    }

    /// Why a creation must be refused now, if it must.
    pub(crate) fn refusal(
        &self,
        living: usize,
        region: Option<&str>,
        size: Option<&str>,
    ) -> Option<Failure> {
        let wanted = |only: Option<&str>, given: Option<&str>| only.is_none() || only == given;
        self.limits.iter().find_map(|fault| {
            let spec = &fault.spec;
            if spec.fault == "quota" {
                let full = living as u64 >= spec.n.unwrap_or(0);
                return (full && fault.meets())
                    .then(|| Failure::Class(Class::Quota, String::new()));
            }
            let here = wanted(spec.region.as_deref(), region) && wanted(spec.size.as_deref(), size);
            (here && !fault.serves() && fault.meets())
                .then(|| Failure::Class(Class::Capacity, String::new()))
        })
    }

    /// Gives the answer to the connection, or what the faults make of it. `effect` is the ledger's
    /// number of what the request did.
    pub(crate) async fn deliver(
        &self,
        provider: &Provider,
        format: AnswerFormat,
        answer: Answer,
        (ledger, effect): (&Ledger, Option<u64>),
        now: DateTime<Utc>,
    ) -> Outgoing {
        let mut delivery = InDelivery { ledger, effect, became: Delivery::Lost };
        if !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
        let Some(fault) = &self.last else {
            delivery.became = Delivery::Delivered;
            return Some(answer);
        };
        if self.name() == "hold" {
            held(fault, &delivery, now).await;
            delivery.became = Delivery::Delivered;
            return Some(answer);
        }
        let outgoing = self.replaced(fault, provider, format, answer);
        if outgoing.is_some() {
            delivery.became = Delivery::Replaced;
        }
        outgoing
    }

    fn name(&self) -> &str {
        self.last.as_ref().map_or("", |fault| fault.spec.fault.as_str())
    }

    fn replaced(
        &self,
        fault: &Fault,
        provider: &Provider,
        format: AnswerFormat,
        answer: Answer,
    ) -> Outgoing {
        let spec = &fault.spec;
        let status = |status: u16, class| {
            let mut answer = Answer::failure(provider, format, Failure::Status(status, class));
            let seconds = spec.retry_after.map(|seconds| seconds.to_string());
            answer.headers.extend(seconds.map(|s| ("retry-after".to_owned(), s)));
            Some(answer)
        };
        match self.name() {
            "outage" => spec.status.and_then(|given| status(given, Class::Unavailable)),
            "429" => status(429, Class::RateLimited),
            "402" => status(402, Class::OutOfCredit),
            "500" => status(500, Class::Unknown),
            "503" => status(503, Class::Unavailable),
            "revoked" => {
                let failure = Failure::Class(Class::Auth, String::new());
                Some(Answer::failure(provider, format, failure))
            }
            "truncated" => {
                let half = answer.body.slice(..answer.body.len() / 2);
                Some(Answer { body: half, ..answer })
            }
            "drip" => Some(Answer { drip: Some(span(spec.delay.as_ref(), 1)), ..answer }),
            "garbage" => Some(Answer::text(200, "text/html", GARBAGE)),
            "huge" => Some(Answer::text(200, "application/json", huge(spec.bytes))),
            "noid" => Some(Answer::text(200, "application/json", "{}")),
            "redirect" => {
                let mut answer = Answer::empty(302);
                let to = spec.to.clone().unwrap_or_else(|| ELSEWHERE.to_owned());
                answer.headers.push(("location".to_owned(), to));
                Some(answer)
            }
            _ => None,
        }
    }
}

const GARBAGE: &str = "<!DOCTYPE html><html><head><title>Service portal</title></head>\
                       <body><h1>We will be right back</h1></body></html>";

/// A host of a reserved domain: nobody answers there.
const ELSEWHERE: &str = "http://elsewhere.invalid/";

/// A JSON document of that size.
fn huge(bytes: Option<usize>) -> Bytes {
    let size = bytes.unwrap_or(20_000_000).min(200_000_000);
    let mut text = Vec::with_capacity(size + 16);
    text.extend_from_slice(b"{\"padding\":\"");
    text.resize(size.saturating_sub(2).max(12), b'x');
    text.extend_from_slice(b"\"}");
    text.into()
}

fn span(given: Option<&Span>, seconds: u64) -> Duration {
    given.and_then(Span::duration).unwrap_or(Duration::from_secs(seconds))
}

/// Waits until the fault is released or ends.
async fn held(fault: &Arc<Fault>, delivery: &InDelivery<'_>, now: DateTime<Utc>) {
    let mut released = fault.release_watch();
    let _waiting = Waiting::new(fault);
    delivery.says(Delivery::Held);
    let ends = fault.until.map(|until| (until - now).to_std().unwrap_or_default());
    let ends = async {
        match ends {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // An error means that the fault is gone, and with it the reason to wait.
        _ = released.changed() => {}
        () = ends => {}
    }
}

/// Counts an answer as held for as long as it is.
struct Waiting<'a>(&'a Fault);

impl<'a> Waiting<'a> {
    fn new(fault: &'a Fault) -> Self {
        fault.held.fetch_add(1, Ordering::AcqRel);
        Self(fault)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Writes into the ledger what became of the answer, also when the client leaves and the exchange
/// is dropped in the middle.
struct InDelivery<'a> {
    ledger: &'a Ledger,
    effect: Option<u64>,
    became: Delivery,
}

impl InDelivery<'_> {
    fn says(&self, delivery: Delivery) {
        if let Some(seq) = self.effect {
            self.ledger.answered(seq, delivery);
        }
    }
}

impl Drop for InDelivery<'_> {
    fn drop(&mut self) {
        self.says(self.became);
    }
}
