//! What became of an operation whose outcome nobody wrote down. Pure, and the same for every kind.
//!
//! The rules, each held by a test that switches it off and finds a counterexample:
//! nothing is made while an operation is open; nothing found is nothing made only after the provider's
//! declared lag; one thing is adopted if it is what was asked for; several, or another one, wait for a
//! person; what no list can tell is asked again with the same key, or waits for a person.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_crds::RESOLVE_ANNOTATION;
use infrafabric_crds::engine::Operation;

/// How many operations are known to be open at once; more are looked at as if they were new.
const OPEN: usize = 65_536;

/// Since when this process knows of open operations. What it waits for is counted from there and by a
/// clock that nobody sets: the request left before.
#[derive(Debug, Default)]
pub struct Open {
    since: Mutex<HashMap<String, (Instant, DateTime<Utc>)>>,
}

impl Open {
    /// Until when the operation may still show what it did: so long after it was known to be open, or asked
    /// for again. Not later than `now` means: it is over.
    pub fn settles_at(
        &self,
        operation: &Operation,
        within: TimeDelta,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.len() >= OPEN {
            since.clear();
        }
        let (since, at) = *since.entry(key(operation)).or_insert_with(|| (Instant::now(), now));
        let waited = TimeDelta::from_std(since.elapsed()).unwrap_or(TimeDelta::MAX);
        let settles_at = at + within;
        match within - waited {
            left if left <= TimeDelta::zero() => now,
            // The clock was set forth.
            left if settles_at <= now => now + left,
            _ => settles_at,
        }
    }

    /// The operation is not open any more.
    pub fn closed(&self, operation: &Operation) {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(operation));
    }
}

/// What tells one asking from another.
fn key(operation: &Operation) -> String {
    format!("{} {}", operation.token, operation.started_at.timestamp_millis())
}

/// A thing at a provider, as far as recovery must know it.
pub trait Thing {
    /// The provider's identity of it.
    fn id(&self) -> &str;
    /// In what it is not what the operation asked for.
    fn differs(&self, asked: &Operation) -> Option<String>;
}

/// What the provider shows of an object whose operation is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Found<T> {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// The provider cannot be asked; why.
    Unreachable(String),
    /// The living things that are the object's, in a list that was asked now.
    Listed(Vec<T>),
    /// No list tells whose a thing is.
    Untold {
        /// Whether the same request with the same token is the same effect.
        keyed: bool,
    },
}

/// What a person said about an operation, in the annotation `infrafabric.io/resolve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `adopt=<id>`: this is what it made.
    Adopt(String),
    /// `forget`: it made nothing.
    Forget,
    /// Anything else.
    Malformed(String),
}

impl Answer {
    /// The answer in an object's annotations, if there is one.
    pub fn of(annotations: Option<&BTreeMap<String, String>>) -> Option<Self> {
        let text = annotations?.get(RESOLVE_ANNOTATION)?.trim();
        let id = text.strip_prefix("adopt=").map(str::trim).filter(|id| !id.is_empty());
        Some(match (text, id) {
            ("forget", _) => Self::Forget,
            (_, Some(id)) => Self::Adopt(id.to_owned()),
            (other, None) => Self::Malformed(other.chars().take(64).collect()),
        })
    }
}

/// The thing that a person named, as the provider shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Named<T> {
    /// Nobody named one.
    #[default]
    None,
    /// It is there.
    Here(T),
    /// The provider has no such thing.
    Absent,
    /// It belongs to another object.
    Taken(String),
    /// The provider cannot be asked; why.
    Unreachable(String),
}

/// What is done about an open operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<'a, T> {
    /// It made this.
    Adopt(&'a T),
    /// It made nothing.
    Nothing,
    /// Whether it did is told by asking again, with the same token.
    Repeat,
    /// Nobody knows yet; why, and when the list tells more.
    Wait {
        /// What is waited for.
        why: String,
        /// When to look again at the latest.
        until: Option<DateTime<Utc>>,
    },
    /// A person must say.
    Ask(Question),
}

/// What a person must decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which of several it is.
    Several(String),
    /// Whether one that is not what was asked for shall be taken.
    Another(String),
    /// Whether anything was made.
    Unknown(String),
}

/// An open operation, with all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a, T> {
    /// The object as commands name it, `cloudmachine web -n default`.
    pub object: &'a str,
    /// What was about to happen.
    pub operation: &'a Operation,
    /// What the provider shows.
    pub found: &'a Found<T>,
    /// What a person said.
    pub answer: Option<&'a Answer>,
    /// What that person named.
    pub named: &'a Named<T>,
    /// Before this time the request may still be under way, or what it made be missing in a list.
    pub settles_at: DateTime<Utc>,
    /// When.
    pub now: DateTime<Utc>,
}

/// Decides about an open operation.
pub fn recover<'a, T: Thing>(case: &Case<'a, T>) -> Verdict<'a, T> {
    let Case { operation, found, settles_at, now, .. } = *case;
    if let Some(verdict) = answered(case) {
        return verdict;
    }
    let lost = case.lost();
    match found {
        Found::NotAsked => Verdict::Wait { why: String::new(), until: None },
        Found::Unreachable(why) => Verdict::Wait { why: format!("{lost}: {why}"), until: None },
        Found::Listed(things) => match things.as_slice() {
            [thing] => match thing.differs(operation) {
                None => Verdict::Adopt(thing),
                Some(what) => Verdict::Ask(Question::Another(format!(
                    "{lost}; {} there carries this object's marks and is not what was asked for: {what}; delete it there, or take it: {}",
                    thing.id(),
                    case.adopting(thing.id()),
                ))),
            },
            [] if now >= settles_at => Verdict::Nothing,
            [] => Verdict::Wait {
                why: format!(
                    "{lost}; its list shows nothing yet, waiting until {}",
                    settles_at.format("%H:%M:%S UTC")
                ),
                until: Some(settles_at),
            },
            several => Verdict::Ask(Question::Several(case.several(several))),
        },
        Found::Untold { .. } if now < settles_at => Verdict::Wait {
            why: format!(
                "{lost}, and it may be under way until {}",
                settles_at.format("%H:%M:%S UTC")
            ),
            until: Some(settles_at),
        },
        Found::Untold { keyed: true } => Verdict::Repeat,
        Found::Untold { keyed: false } => Verdict::Ask(Question::Unknown(case.unknown())),
    }
}

impl<T: Thing> Case<'_, T> {
    fn lost(&self) -> String {
        let Operation { provider, verb, .. } = self.operation;
        format!("the answer of {provider} to {verb} was lost")
    }

    fn adopting(&self, id: &str) -> String {
        format!("`ifctl resolve {} --adopt {id}`", self.object)
    }

    /// Which of several it is.
    fn several(&self, things: &[T]) -> String {
        let mut ids: Vec<&str> = things.iter().map(Thing::id).collect();
        ids.sort_unstable();
        format!(
            "{} things at {} carry this object's marks: {}; delete all but one there, or say which one it is: {}",
            ids.len(),
            self.operation.provider,
            ids.join(", "),
            self.adopting(ids.first().copied().unwrap_or_default()),
        )
    }

    /// Whether anything was made.
    pub fn unknown(&self) -> String {
        format!(
            "{}, and nothing at {} tells whose a thing is: look there for one of {}; take it: {}; or, if there is none: `ifctl resolve {} --forget`",
            self.lost(),
            self.operation.provider,
            self.operation.started_at.format("%Y-%m-%d %H:%M:%S UTC"),
            self.adopting("ID"),
            self.object,
        )
    }
}

/// The verdict that a person gave, where it can be given.
fn answered<'a, T: Thing>(case: &Case<'a, T>) -> Option<Verdict<'a, T>> {
    let ask =
        |why: String| Some(Verdict::Ask(Question::Unknown(format!("{}; {why}", case.lost()))));
    let named = format!("which {RESOLVE_ANNOTATION} names");
    match case.answer? {
        Answer::Malformed(text) => ask(format!(
            "the annotation {RESOLVE_ANNOTATION} says `{text}`: it must be adopt=ID or forget"
        )),
        Answer::Adopt(id) => match (of_ours(case.found, id), case.named) {
            (Some(thing), _) | (None, Named::Here(thing)) => Some(Verdict::Adopt(thing)),
            (None, Named::Absent) => ask(format!("{id}, {named}, does not exist there")),
            (None, Named::Taken(other)) => ask(format!("{id}, {named}, belongs to {other}")),
            (None, Named::Unreachable(why)) => Some(Verdict::Wait {
                why: format!("{}; {id}, {named}, cannot be looked at: {why}", case.lost()),
                until: None,
            }),
            (None, Named::None) => None,
        },
        // What exists is not forgotten by saying so, and neither is what may be under way.
        Answer::Forget => {
            let exists = matches!(case.found, Found::Listed(things) if !things.is_empty());
            let known = !exists && !matches!(case.found, Found::NotAsked);
            (known && case.now >= case.settles_at).then_some(Verdict::Nothing)
        }
    }
}

fn of_ours<'a, T: Thing>(found: &'a Found<T>, id: &str) -> Option<&'a T> {
    match found {
        Found::Listed(things) => things.iter().find(|thing| thing.id() == id),
        _ => None,
    }
}
