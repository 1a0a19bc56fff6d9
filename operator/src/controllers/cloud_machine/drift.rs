//! Whether the machine in use is still as it was made, and as its spec wants it. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_crds::engine::{Active, Management, OnDrift, Operation, PowerState};
use infrafabric_crds::{CloudMachine, CloudMachineStatus};

use super::observe::{Observed, Seen};
use super::size::Offered;
use super::{power, size};
use crate::engine::naming;

/// When what a list does not tell yet is looked at again.
pub(super) const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(30);
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
    /// It is switched off.
    Stop,
    /// It gets another size.
    Resize(Offered),
}

impl ChangeVerb {
    /// The contract's name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Update(_) => "update",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Resize(_) => "resize",
        }
    }

    /// What is said while it is not done.
    fn not_yet(&self) -> &'static str {
        match self {
            Self::Update(_) => "its tags are not changed yet",
            Self::Start => "it is not started yet",
            Self::Stop => "it is not stopped yet",
            Self::Resize(_) => "its size is not changed yet",
        }
    }

    /// What is said once it was accepted.
    pub(super) fn done(&self) -> String {
        match self {
            Self::Update(tags) => format!("gave the machine the tags {}", tags.join(", ")),
            Self::Start => "started the machine".to_owned(),
            Self::Stop => "stopped the machine".to_owned(),
            Self::Resize(offered) => format!("gave the machine the size {}", offered.size),
        }
    }
}

/// What a definition can change and tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Can {
    /// Change tags.
    pub update: bool,
    /// Show a machine's tags.
    pub tells_tags: bool,
    /// Switch a machine.
    pub switch: Switch,
    /// Give a machine another size.
    pub resize: Resize,
}

/// How a definition can switch a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    /// On.
    pub on: bool,
    /// Off.
    pub off: bool,
}

/// When a definition can give a machine another size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// Never.
    #[default]
    Never,
    /// Only while it is stopped.
    Stopped,
    /// Whether it runs or not.
    Always,
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

/// One look at the machine in use.
pub(super) struct Look<'a> {
    pub(super) machine: &'a CloudMachine,
    pub(super) status: &'a CloudMachineStatus,
    pub(super) active: &'a Active,
    pub(super) seen: &'a Machine,
    pub(super) observed: &'a Observed,
}

/// What becomes of one thing that the spec wants.
pub(super) enum Wish {
    /// It is as it was told.
    Met,
    /// It is asked for.
    Ask(ChangeVerb),
    /// It has come about: somebody else did it, or a request whose end nobody wrote down.
    Done,
    /// What is seen tells nothing yet; when it is looked at again.
    Later(DateTime<Utc>),
    /// It cannot be; why, and when that may be otherwise without anybody's doing.
    Not(String, Option<DateTime<Utc>>),
}

impl Look<'_> {
    /// When the machine was made or told to change last.
    pub(super) fn changed(&self) -> DateTime<Utc> {
        self.active.changed_at.unwrap_or(self.active.since)
    }

    /// Whether what was seen must show what was told then. What is older tells nothing about it.
    pub(super) fn is_shown(&self, told: DateTime<Utc>, within: TimeDelta) -> bool {
        self.observed.seen_at.is_some_and(|seen_at| seen_at >= told + within)
    }

    pub(super) fn is_running(&self) -> bool {
        self.seen.state == MachineState::Running
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.seen.state == MachineState::Stopped
    }

    fn open(&self) -> Option<&Operation> {
        self.status.operation.as_ref().filter(|operation| is_change(operation))
    }
}

/// Decides about the machine in use.
pub fn decide(
    machine: &CloudMachine,
    status: &CloudMachineStatus,
    seen: &Machine,
    observed: &Observed,
) -> Verdict {
    let looked_at = machine.spec.management == Management::ObserveOnly;
    let Some(active) = status.active.as_ref().filter(|_| !looked_at) else {
        return Verdict::As { drift: Vec::new(), again_at: None };
    };
    let look = Look { machine, status, active, seen, observed };
    let mut drift = Vec::new();
    let mut again = Vec::new();
    let (mut waits_for_it, mut is_done, mut is_open) = (false, false, look.open().is_some());
    for wish in [tagged(&look), size::wish(&look), power::wish(&look)] {
        match wish {
            Wish::Met => {}
            Wish::Ask(verb) => match waits(status, active, &verb, observed.now) {
                None => return Verdict::Change(Change { verb, corrects: false }),
                Some((until, why)) => {
                    drift.push(format!("{}: {why}", verb.not_yet()));
                    again.push(until);
                    waits_for_it = true;
                }
            },
            Wish::Done => is_done = true,
            Wish::Later(at) => {
                again.push(at);
                is_open = false;
            }
            Wish::Not(why, at) => {
                drift.push(why);
                again.extend(at);
            }
        }
    }
    if waits_for_it {
        return Verdict::As { drift, again_at: again.into_iter().min() };
    }
    if is_done {
        return Verdict::Changed;
    }
    let strayed = strayed(&look, &mut drift, &mut again);
    match (strayed, is_open) {
        (Some(verb), _) => correct(&look, verb, drift),
        (None, true) => Verdict::Changed,
        (None, false) => Verdict::As { drift, again_at: again.into_iter().min() },
    }
}

/// What becomes of the tags that the spec wants, if they are other ones than the machine was given.
fn tagged(look: &Look<'_>) -> Wish {
    let Look { machine, active, seen, .. } = *look;
    if machine.spec.tags == active.tags {
        return Wish::Met;
    }
    if look.observed.can.update {
        return Wish::Ask(ChangeVerb::Update(tags(machine, active, seen)));
    }
    let has = if active.tags.is_empty() { "none".to_owned() } else { active.tags.join(", ") };
    Wish::Not(format!("its tags are {has}, and the provider cannot change them"), None)
}

/// In what the machine is not as it was told, and what changes that back where it may.
fn strayed(
    look: &Look<'_>,
    drift: &mut Vec<String>,
    again: &mut Vec<DateTime<Utc>>,
) -> Option<ChangeVerb> {
    let Look { machine, active, seen, observed, .. } = *look;
    // A read of the machine itself is not late.
    let told = observed.unlisted || look.is_shown(look.changed(), observed.lag);
    let ours = observed.marks.iter().chain(&active.tags);
    let lacking: Vec<&str> = ours
        .filter(|mark| observed.can.tells_tags && !has(seen, mark))
        .map(String::as_str)
        .collect();
    let power = power::stray(look);
    let switched = power.as_ref().is_some_and(|power| power.drift.is_some());
    // What is not told yet is looked at again, whether or not a list changes until then.
    if (!lacking.is_empty() && !told) || (power.is_some() && !switched) {
        again.push(observed.now + LOOK_AGAIN);
    }
    let is_lacking = told && !lacking.is_empty();
    if is_lacking {
        drift.push(format!("it lacks the tags {}", lacking.join(", ")));
    }
    let power = power.filter(|_| switched);
    drift.extend(power.as_ref().and_then(|power| power.drift).map(ToOwned::to_owned));
    let corrects = machine.spec.on_drift == OnDrift::Correct;
    let adopts = machine.spec.management == Management::Adopt;
    if is_lacking && observed.can.update && (adopts || corrects) {
        return Some(ChangeVerb::Update(tags(machine, active, seen)));
    }
    power.and_then(|power| power.back).filter(|_| corrects)
}

/// Changes the machine back, as often as it may.
fn correct(look: &Look<'_>, verb: ChangeVerb, mut drift: Vec<String>) -> Verdict {
    let Look { machine, status, active, observed, .. } = *look;
    if let Some((until, why)) = waits(status, active, &verb, observed.now) {
        drift.push(format!("it is not changed back yet: {why}"));
        return Verdict::As { drift, again_at: Some(until) };
    }
    let most = machine.spec.max_corrections_per_hour;
    if recent(&status.corrections, observed.now) < most {
        return Verdict::Change(Change { verb, corrects: true });
    }
    drift.push(format!(
        "it was changed back {most} times within an hour, which is all that maxCorrectionsPerHour allows"
    ));
    let oldest = status.corrections.iter().min();
    Verdict::As { drift, again_at: oldest.map(|oldest| *oldest + WINDOW) }
}

/// The machine was told that: from now on it is what it should be.
pub(super) fn told(active: &mut Active, machine: &CloudMachine, verb: &ChangeVerb) {
    match verb {
        ChangeVerb::Update(_) => active.tags.clone_from(&machine.spec.tags),
        ChangeVerb::Start => active.power_state = Some(PowerState::Running),
        ChangeVerb::Stop => active.power_state = Some(PowerState::Stopped),
        ChangeVerb::Resize(offered) => size::give(active, offered),
    }
}

/// A change whose end nobody wrote down has happened: the machine is what it is seen to be.
pub(super) fn settle(status: &mut CloudMachineStatus, machine: &CloudMachine, observed: &Observed) {
    let (Some(active), Seen::Here(seen)) = (&status.active, &observed.active) else { return };
    let look = Look { machine, status: &*status, active, seen, observed };
    let is_switched = matches!(power::wish(&look), Wish::Done);
    let is_resized = matches!(size::wish(&look), Wish::Done);
    let mut active = active.clone();
    if status.operation.take().is_some_and(|open| open.verb == "update") {
        active.tags.clone_from(&machine.spec.tags);
    }
    if is_switched {
        active.power_state = Some(machine.spec.power_state);
    }
    if let Some(Ok(offered)) = observed.size.as_ref().filter(|_| is_resized) {
        size::give(&mut active, offered);
    }
    status.active = Some(active);
}

/// Until when no change is asked for, and why: one was refused, or nobody knows yet what became of it.
fn waits(
    status: &CloudMachineStatus,
    active: &Active,
    verb: &ChangeVerb,
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, String)> {
    // What was refused keeps nothing else from being asked for, and a size no other size.
    let size = match verb {
        ChangeVerb::Resize(offered) => Some(offered.size.as_str()),
        _ => None,
    };
    let refused = status.attempts.iter().find(|attempt| {
        attempt.provider == active.provider
            && attempt.verb.as_deref() == Some(verb.as_str())
            && attempt.size.as_deref() == size
            && attempt.at >= active.since
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
