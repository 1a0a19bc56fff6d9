//! What there is: the object as it is stored, the operators, the requests under way, the things.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_crds::CloudMachineStatus;
use infrafabric_crds::engine::Operation;
use serde::Serialize;

/// A moment, or a time between two, in steps of [`TICK_SECONDS`].
pub(crate) type Ticks = i16;

/// One step of the clock.
pub(crate) const TICK_SECONDS: i64 = 10;
/// How late a list may show a change.
pub(crate) const LAG: Ticks = 1;
/// How long after its start a request may take effect.
pub(crate) const CALL: Ticks = 1;

/// A moment as the product has it.
pub(crate) fn at(ticks: Ticks) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time") + span(ticks)
}

/// A time as the product has it.
pub(crate) fn span(ticks: Ticks) -> TimeDelta {
    TimeDelta::seconds(TICK_SECONDS * i64::from(ticks))
}

/// The hash of a value; no two of the few that are compared by it are the same.
pub(crate) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A value of the product, compared by what it says when written.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    value: Arc<T>,
    key: u64,
}

impl<T: Serialize> Kept<T> {
    pub(crate) fn new(value: T) -> Self {
        let text = serde_json::to_string(&value).expect("it is written to the API");
        Self { value: Arc::new(value), key: hash(&text) }
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Kept<T> {}

impl<T> Hash for Kept<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// A status without what only people read: two that differ in a sentence are one state.
pub(crate) fn kept(mut status: CloudMachineStatus) -> Kept<CloudMachineStatus> {
    for condition in &mut status.conditions {
        condition.message.clear();
        condition.last_transition_time = DateTime::UNIX_EPOCH;
    }
    for attempt in &mut status.attempts {
        attempt.message.clear();
    }
    Kept::new(status)
}

/// The object, as it is stored or as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Object {
    pub(crate) status: Kept<CloudMachineStatus>,
    /// Its deletion was asked for.
    pub(crate) deleting: bool,
    /// Its spec was changed, and with it what is asked for.
    pub(crate) edited: bool,
    /// What a person said about the open operation.
    pub(crate) answer: Option<Said>,
    /// Its finalizer is off: it is no more.
    pub(crate) gone: bool,
}

/// What a person said about an open operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    /// It made this.
    Adopt(usize),
    /// It made nothing.
    Forget,
}

/// An operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) alive: bool,
    /// The object as its watch showed it last.
    pub(crate) copy: Object,
    /// Whether nobody wrote the object since.
    pub(crate) current: bool,
    /// Whether this process itself did.
    pub(crate) own_ahead: bool,
    pub(crate) phase: Phase,
}

impl Process {
    pub(crate) fn started(object: &Object) -> Self {
        let copy = object.clone();
        Self { alive: true, copy, current: true, own_ahead: false, phase: Phase::Idle }
    }

    /// One that is no more, with nothing left of what it knew.
    pub(crate) fn dead(object: &Object) -> Self {
        Self { alive: false, ..Self::started(object) }
    }
}

/// How far a reconcile is: between two of these anything may happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// None is under way.
    Idle,
    /// The effect is decided; its intent is written next.
    Decided(Effect),
    /// The intent is written; the request leaves next.
    Written(Effect),
    /// The request is under way.
    Sent(Effect),
    /// It ended; the status is written next.
    Ended(Effect, Kept<CloudMachineStatus>),
}

/// An effect under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Effect {
    pub(crate) deed: Deed,
    pub(crate) operation: Kept<Operation>,
    /// When it began, by the true time: it takes effect within [`CALL`] or never.
    pub(crate) began: Ticks,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Create,
    /// The same once more, with the same token.
    Repeat,
    Delete(usize),
}

/// A request that a provider may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) provider: usize,
    /// What it deletes; a thing is made when it is none.
    pub(crate) deletes: Option<usize>,
    pub(crate) token: String,
    pub(crate) digest: String,
    /// After this it takes no effect any more.
    pub(crate) until: Ticks,
    /// Who waits for the answer.
    pub(crate) waits: Option<usize>,
    /// The answer, once it took effect.
    pub(crate) answer: Option<Reply>,
}

/// A provider's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Made(usize),
    Deleted,
    /// It has none left.
    NoCapacity,
    /// The token stands for another request.
    OtherRequest,
}

/// A thing at a provider; its identity is its place among all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Thing {
    pub(crate) provider: usize,
    pub(crate) origin: Origin,
    pub(crate) token: String,
    pub(crate) digest: String,
    pub(crate) living: bool,
    /// Whether lists show it.
    pub(crate) shown: bool,
    /// When lists show its making, or its end, at the latest; none once they do.
    pub(crate) settles: Option<Ticks>,
}

/// Who made a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// An effect of the object.
    Ours,
    /// Somebody who copied one of ours with its marks.
    Copied,
    /// Another object's.
    Foreign,
}

/// What the adversary may still do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) ticks: u8,
    /// Answers that are lost, or given up before the provider acts.
    pub(crate) losses: u8,
    pub(crate) refusals: u8,
    pub(crate) crashes: u8,
    /// Operators that start while another one runs.
    pub(crate) overlaps: u8,
    /// Steps back of the clock.
    pub(crate) steps_back: u8,
    pub(crate) deletions: u8,
    pub(crate) edits: u8,
    pub(crate) copies: u8,
    /// Answers of a person who looked.
    pub(crate) answers: u8,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The true time.
    pub(crate) time: Ticks,
    /// By how much the operators' clock is behind it.
    pub(crate) behind: Ticks,
    pub(crate) object: Object,
    pub(crate) processes: Vec<Process>,
    pub(crate) requests: Vec<Request>,
    pub(crate) things: Vec<Thing>,
    pub(crate) left: Left,
    /// Whether the answer to a create was lost, and nobody has said since what became of it.
    pub(crate) lost: bool,
    /// Whether something was asked for twice that may have been made the first time.
    pub(crate) repeated_blindly: bool,
    /// Whether a request left whose intent was not in the stored status.
    pub(crate) unannounced: bool,
}

impl State {
    /// The time as operators see it.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        at(self.time - self.behind)
    }

    /// The living things that effects of the object made.
    pub(crate) fn ours(&self) -> impl Iterator<Item = usize> {
        let living = |thing: &Thing| thing.living && thing.origin == Origin::Ours;
        (0..self.things.len()).filter(move |id| living(&self.things[*id]))
    }

    /// Writes the object. Whoever saw it before is behind now.
    pub(crate) fn write(&mut self, by: Option<usize>, change: impl FnOnce(&mut Object)) {
        change(&mut self.object);
        for (index, process) in self.processes.iter_mut().enumerate() {
            process.current = false;
            process.own_ahead |= by == Some(index);
        }
    }
}
