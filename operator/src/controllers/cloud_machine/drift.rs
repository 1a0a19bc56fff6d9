//! Whether the machine in use is still as it was made, and as its spec wants it. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_crds::engine::{Active, Management, OnDrift, Operation};
use infrafabric_crds::{CloudMachine, CloudMachineStatus};

use super::observe::Observed;
use crate::engine::naming;

/// How long a machine that was told to start may still be shown as stopped.
const STARTS_WITHIN: TimeDelta = TimeDelta::seconds(60);
/// When what a list does not tell yet is looked at again.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(30);
/// How long a change is given whose answer was lost. Asking twice does no harm.
const UNANSWERED: TimeDelta = TimeDelta::seconds(5);
/// Corrections are counted over this time.
pub const WINDOW: TimeDelta = TimeDelta::hours(1);

/// A change of the machine in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub verb: ChangeVerb,
    /// Whether it brings back what somebody else changed, and so counts as a correction.
    pub corrects: bool,
}

/// What is done to the machine in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeVerb {
    /// It gets these tags besides our marks.
    Update(Vec<String>),
    /// It is switched on.
    Start,
}

impl ChangeVerb {
    /// The contract's name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Update(_) => "update",
            Self::Start => "start",
        }
    }
}

/// What a definition can change and tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Can {
    /// Change tags.
    pub update: bool,
    /// Switch a machine on.
    pub start: bool,
    /// Show a machine's tags.
    pub tells_tags: bool,
}

/// What is to be done about a machine that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Change it.
    Change(Change),
    /// A change that nobody wrote the end of has happened.
    Changed,
    /// Nothing now.
    As {
        /// In what it is not as it was made, or as the spec wants it.
        drift: Vec<String>,
        /// When something can be done about that.
        again_at: Option<DateTime<Utc>>,
    },
}

/// Decides about the machine in use.
pub fn decide(
    machine: &CloudMachine,
    status: &CloudMachineStatus,
    seen: &Machine,
    observed: &Observed,
) -> Verdict {
    let spec = &machine.spec;
    let Some(active) =
        status.active.as_ref().filter(|_| spec.management != Management::ObserveOnly)
    else {
        return Verdict::As { drift: Vec::new(), again_at: None };
    };
    let open = status.operation.as_ref().filter(|operation| is_change(operation));
    let waits = waits(status, active, observed.now);
    let mut drift = Vec::new();
    if spec.tags != active.tags && observed.can.update {
        let verb = ChangeVerb::Update(tags(machine, active, seen));
        match waits {
            None => return Verdict::Change(Change { verb, corrects: false }),
            Some((until, why)) => {
                drift.push(format!("its tags are not changed yet: {why}"));
                return Verdict::As { drift, again_at: Some(until) };
            }
        }
    }
    if spec.tags != active.tags {
        let has = if active.tags.is_empty() { "none".to_owned() } else { active.tags.join(", ") };
        drift.push(format!("its tags are {has}, and the provider cannot change them"));
    }
    // What is older than the last change tells nothing about it.
    let settled = |within: TimeDelta| {
        let changed = active.changed_at.unwrap_or(active.since);
        observed.seen_at.is_some_and(|seen_at| seen_at >= changed + within)
    };
    // A read of the machine itself is not late.
    let told = observed.unlisted || settled(observed.lag);
    let ours = observed.marks.iter().chain(&active.tags);
    let lacking: Vec<&String> =
        ours.filter(|mark| observed.can.tells_tags && !has(seen, mark)).collect();
    let is_off = seen.state == MachineState::Stopped;
    let stopped = is_off && settled(observed.lag.max(STARTS_WITHIN));
    // What is not told yet is looked at again, whether or not a list changes until then.
    let unsettled = (!lacking.is_empty() && !told) || (is_off && !stopped);
    let again_at = unsettled.then(|| observed.now + LOOK_AGAIN);
    let missing: Vec<&String> = lacking.into_iter().filter(|_| told).collect();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|mark| mark.as_str()).collect();
        drift.push(format!("it lacks the tags {}", names.join(", ")));
    }
    if stopped {
        drift.push("it was stopped".to_owned());
    }
    let adopts = spec.management == Management::Adopt;
    let wanted = if !missing.is_empty()
        && observed.can.update
        && (adopts || spec.on_drift == OnDrift::Correct)
    {
        Some(ChangeVerb::Update(tags(machine, active, seen)))
    } else if stopped && observed.can.start && spec.on_drift == OnDrift::Correct {
        Some(ChangeVerb::Start)
    } else {
        None
    };
    match (wanted, waits) {
        (Some(_), Some((until, why))) => {
            drift.push(format!("it is not changed back yet: {why}"));
            Verdict::As { drift, again_at: Some(until) }
        }
        (Some(verb), None)
            if recent(&status.corrections, observed.now) < spec.max_corrections_per_hour =>
        {
            Verdict::Change(Change { verb, corrects: true })
        }
        (Some(_), None) => {
            drift.push(format!(
                "it was changed back {} times within an hour, which is all that maxCorrectionsPerHour allows",
                spec.max_corrections_per_hour
            ));
            let oldest = status.corrections.iter().min();
            Verdict::As { drift, again_at: oldest.map(|oldest| *oldest + WINDOW) }
        }
        (None, _) if open.is_some_and(|open| open.verb == "update" || open.verb == "start") => {
            Verdict::Changed
        }
        (None, _) => Verdict::As { drift, again_at },
    }
}

/// Until when no change is asked for, and why: one was refused, or nobody knows yet what became of it.
fn waits(
    status: &CloudMachineStatus,
    active: &Active,
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, String)> {
    let refused = status.attempts.iter().find(|attempt| {
        // What was refused to a creation has a size.
        attempt.provider == active.provider && attempt.size.is_none() && attempt.at >= active.since
    });
    if let Some(refused) = refused.filter(|one| one.at <= now && now < one.until) {
        return Some((refused.until, format!("{} ({})", refused.message, refused.class)));
    }
    let open = status.operation.as_ref().filter(|operation| is_change(operation))?;
    let until = open.started_at + UNANSWERED;
    let under_way = open.started_at <= now && now < until;
    under_way.then(|| (until, "the answer to the last request was lost".to_owned()))
}

/// Whether an operation changes the machine in use.
fn is_change(operation: &Operation) -> bool {
    !matches!(operation.verb.as_str(), "create" | "delete" | "retire")
}

/// How many corrections fall into the last hour.
fn recent(corrections: &[DateTime<Utc>], now: DateTime<Utc>) -> u32 {
    let recent = corrections.iter().filter(|at| now - **at < WINDOW);
    u32::try_from(recent.count()).unwrap_or(u32::MAX)
}

fn has(seen: &Machine, mark: &str) -> bool {
    seen.marks.iter().any(|has| has.eq_ignore_ascii_case(mark))
}

/// The tags to set: the spec's, and those of others.
fn tags(machine: &CloudMachine, active: &Active, seen: &Machine) -> Vec<String> {
    let mut tags = machine.spec.tags.clone();
    for tag in &seen.marks {
        if !naming::is_mark(tag) && !active.tags.contains(tag) && !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags
}
