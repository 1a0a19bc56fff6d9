//! What to do, from what was seen. Pure and total.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_crds::cloud_machine::{State, reason};
use infrafabric_crds::condition::{self, Condition};
use infrafabric_crds::engine::{Active, Attempt, DeletionPolicy, Management, Operation};
use infrafabric_crds::{CloudMachine, CloudMachineStatus, DETACH_ANNOTATION, FINALIZER};
use infrafabric_definition::Class;

use super::drift::{self, Change};
use super::observe::{Existing, Found, Observed, Seen, same};
use super::{expiry, failback, power};
use crate::engine::failover::{self, Failure, Refusal, Standing};
use crate::engine::placement::Offering;
use crate::engine::recovery::{Answer, Case, Question, Verdict, recover};

/// How long a deletion is given before it is asked for again.
const DELETE_AGAIN: TimeDelta = TimeDelta::seconds(60);
/// How long a deletion is given whose end nobody wrote down: the process died over it. Asking twice
/// does no harm.
const DELETE_UNANSWERED: TimeDelta = TimeDelta::seconds(5);

/// What to do with a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing but to say how it stands.
    Hold(Hold),
    /// Take hold of the object before anything is made for it.
    AddFinalizer,
    /// Ask a candidate for a machine.
    Create {
        /// The candidate, by its place in the spec.
        candidate: usize,
        /// What to ask for.
        offering: Offering,
        /// Which attempt it is.
        attempt: u32,
    },
    /// Remember that a candidate could not serve, without having asked it for a machine.
    Remember {
        /// The Provider.
        provider: String,
        /// The region.
        region: String,
        /// Why.
        failure: Failure,
    },
    /// Take the one machine that an open operation made.
    Adopt(Box<Machine>),
    /// Take a machine that was there before: it is the object's by its name, or by `spec.existing`.
    Take {
        /// The candidate that it is at, by its place in the spec.
        candidate: usize,
        /// The machine.
        machine: Box<Machine>,
    },
    /// Ask again for what an open operation asked for, with its token.
    Repeat(Operation),
    /// Change the machine in use.
    Change {
        /// How.
        change: Change,
        /// The provider's identity of it.
        external_id: String,
    },
    /// A change that was about to happen has happened.
    Changed,
    /// Take off what a person said about an operation that is not open any more.
    DropAnswer,
    /// The open operation made nothing: go on without it.
    Forget(Operation),
    /// Delete the machine in use.
    Delete {
        /// The provider's identity of it.
        external_id: String,
    },
    /// What took the place of the machine in use runs: it is the one in use now.
    Move(Box<Machine>),
    /// What was made to take the place of the machine in use is not going to; why.
    GiveUp {
        /// Why.
        why: String,
    },
    /// Delete a machine that is not in use any more.
    Retire {
        /// Which one.
        thing: Box<Active>,
    },
    /// A machine that is not in use any more is gone.
    Retired {
        /// Which one.
        thing: Box<Active>,
    },
    /// The object is being deleted: go on with the next of its machines.
    Next,
    /// Delete the object itself: its time has passed.
    Expire,
    /// Let go of the object; why.
    Release(&'static str),
}

/// How the object stands while nothing is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// Where it is in its life.
    pub state: State,
    /// The reason of `Ready`.
    pub reason: &'static str,
    /// The message of `Ready`.
    pub message: String,
    /// Which conditions hold.
    pub phase: Phase,
    /// When to look again, if nothing happens before.
    pub again_at: Option<DateTime<Utc>>,
    /// In what the thing is not as it was made; `None` when this look tells nothing about that.
    pub drift: Option<Vec<String>>,
}

/// Which of `Ready`, `Reconciling` and `Stalled` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Ready.
    Ready,
    /// On its way.
    Reconciling,
    /// A person must act.
    Stalled,
}

impl Decision {
    /// Whether it changes the world.
    fn is_effect(&self, observed: &Observed) -> bool {
        match self {
            Self::Create { .. }
            | Self::Repeat(_)
            | Self::Change { .. }
            | Self::Delete { .. }
            | Self::Expire
            | Self::Retire { .. } => true,
            // What it was made of goes first.
            Self::Forget(_) => observed.parts.is_some(),
            _ => false,
        }
    }
}

/// Decides.
pub fn decide(machine: &CloudMachine, observed: &Observed) -> Decision {
    let decision = wanted(machine, observed);
    let Some(why) = observed.stopped.as_ref().filter(|_| decision.is_effect(observed)) else {
        return decision;
    };
    let state = machine.status.as_ref().and_then(|status| status.state).unwrap_or(State::Pending);
    hold(state, reason::STOPPED, why.clone(), Phase::Stalled, None)
}

/// What would be done if effects were not stopped.
fn wanted(machine: &CloudMachine, observed: &Observed) -> Decision {
    let status = machine.status.clone().unwrap_or_default();
    if machine.metadata.deletion_timestamp.is_some() {
        return deletion(machine, &status, observed);
    }
    if machine.spec.suspend {
        return suspended(machine, &status, observed);
    }
    if expiry::is_due(machine, observed) {
        return Decision::Expire;
    }
    if let Some(operation) = status.operation.as_ref().filter(|op| op.verb == "create") {
        return match resolve(machine, operation, observed) {
            // The machine in use is as it was meanwhile.
            Decision::Hold(hold) if status.active.is_some() => {
                let beside = beside(&status, &format!("going back: {}", hold.message));
                Decision::Hold(Hold { again_at: hold.again_at, ..beside })
            }
            decision => decision,
        };
    }
    // Before anything else can be asked for: what was said was not said of that.
    if Answer::of(machine.metadata.annotations.as_ref()).is_some() {
        return Decision::DropAnswer;
    }
    if status.active.is_some() {
        return failback::aside(&status, observed)
            .unwrap_or_else(|| back(machine, &status, observed));
    }
    if machine.spec.existing.is_some() {
        return taken_over(machine, observed);
    }
    creation(machine, &status, observed)
}

fn hold(
    state: State,
    reason: &'static str,
    message: impl Into<String>,
    phase: Phase,
    again_at: Option<DateTime<Utc>>,
) -> Decision {
    Decision::Hold(Hold { state, reason, message: message.into(), phase, again_at, drift: None })
}

/// Waits for a person, and looks again now and then.
fn ask(state: State, reason: &'static str, message: String, observed: &Observed) -> Decision {
    hold(state, reason, message, Phase::Stalled, Some(observed.now + TimeDelta::seconds(60)))
}

/// No machine yet: choose a candidate.
fn creation(machine: &CloudMachine, status: &CloudMachineStatus, observed: &Observed) -> Decision {
    let choice = observed.choice(machine);
    let Some(index) = choice.index else {
        return waiting(&choice, observed);
    };
    let candidate = &observed.candidates[index];
    match &candidate.offering {
        Some(Ok(_)) if !is_held(machine) => Decision::AddFinalizer,
        Some(Ok(offering)) => unless_there(
            machine,
            observed,
            Decision::Create {
                candidate: index,
                offering: offering.clone(),
                attempt: status.attempt + 1,
            },
        ),
        Some(Err(Refusal::Failed(failure))) => Decision::Remember {
            provider: candidate.name.clone(),
            region: candidate.region.clone().unwrap_or_default(),
            failure: failure.clone(),
        },
        // Its account vanished between two looks.
        Some(Err(Refusal::Misfit(_))) | None => waiting(&choice, observed),
    }
}

fn waiting(choice: &failover::Choice, observed: &Observed) -> Decision {
    let misfits = |candidate: &failover::Candidate| {
        matches!(candidate.offering, Some(Err(Refusal::Misfit(_))))
    };
    let all_misfit =
        observed.candidates.iter().all(|candidate| candidate.region.is_err() || misfits(candidate));
    let unseen = observed
        .candidates
        .iter()
        .any(|candidate| matches!(candidate.standing, Standing::NotReady { .. }));
    let message = passed(choice, observed);
    if all_misfit && observed.candidates.iter().any(misfits) {
        // Catalogs change now and then.
        let again = Some(choice.retry_at);
        return hold(State::Pending, reason::NO_OFFERING, message, Phase::Stalled, again);
    }
    if all_misfit {
        return hold(State::Pending, reason::INVALID, message, Phase::Stalled, None);
    }
    let reason = if unseen { reason::WAITING } else { reason::NO_CANDIDATE };
    let at = choice.retry_at;
    hold(State::Pending, reason, message, Phase::Reconciling, Some(at))
}

/// Why no candidate serves, for each.
fn passed(choice: &failover::Choice, observed: &Observed) -> String {
    let name = |at: &usize| &observed.candidates[*at].name;
    let why = choice.passed.iter().map(|(at, why)| format!("{}: {why}", name(at)));
    why.collect::<Vec<_>>().join("; ")
}

/// Nothing is done, and it is said what would be.
fn suspended(machine: &CloudMachine, status: &CloudMachineStatus, observed: &Observed) -> Decision {
    let state = status.state.unwrap_or(State::Pending);
    let placed = machine.spec.existing.is_none() && !observed.candidates.is_empty();
    let choice = placed.then(|| observed.choice(machine));
    let plan = choice.map_or_else(String::new, |choice| {
        let chosen = choice.index.map(|at| &observed.candidates[at]);
        let offering = chosen.and_then(|chosen| chosen.offering.as_ref());
        match (chosen, offering) {
            (Some(chosen), Some(Ok(offering))) => {
                let price = offering.price().map_or_else(
                    || "price unknown".to_owned(),
                    |(price, currency)| format!("{price} {currency}/h"),
                );
                format!(
                    "; would be {} in {} at {}, {price}",
                    offering.size, offering.region, chosen.name
                )
            }
            _ => format!("; could not be made now: {}", passed(&choice, observed)),
        }
    });
    let message = format!("suspended by spec.suspend{plan}");
    hold(state, reason::SUSPENDED, message, Phase::Stalled, None)
}

/// Makes nothing where something of the object's is there already: it came back from a backup, or was
/// made anew under its old name.
fn unless_there(machine: &CloudMachine, observed: &Observed, create: Decision) -> Decision {
    let Some(there) = &observed.there else {
        let soon = Some(observed.now + TimeDelta::seconds(2));
        return hold(State::Pending, reason::WAITING, "", Phase::Reconciling, soon);
    };
    match there.as_slice() {
        [] => create,
        [(candidate, found)] => match misfit(machine, &observed.candidates[*candidate], found) {
            None => Decision::Take { candidate: *candidate, machine: Box::new(found.clone()) },
            Some(what) => ask(
                State::Pending,
                reason::ANOTHER,
                format!(
                    "machine {} at {} carries the marks of an object of this name, and {what}: delete it there, or take this object's name for another one",
                    found.id, observed.candidates[*candidate].name,
                ),
                observed,
            ),
        },
        several => {
            let ids: Vec<String> = several
                .iter()
                .map(|(at, found)| format!("{} at {}", found.id, observed.candidates[*at].name))
                .collect();
            let message = format!(
                "{} machines carry the marks of an object of this name: {}; delete all but one",
                ids.len(),
                ids.join(", ")
            );
            ask(State::Pending, reason::AMBIGUOUS, message, observed)
        }
    }
}

/// In what a machine that was there before is not what the spec wants.
fn misfit(
    machine: &CloudMachine,
    candidate: &failover::Candidate,
    found: &Machine,
) -> Option<String> {
    let region = candidate.region.as_ref().ok().zip(found.region.as_ref());
    if let Some((wanted, has)) = region.filter(|(wanted, has)| !same(Some(wanted), has)) {
        return Some(format!("is in {has}, not in {wanted}"));
    }
    let (wanted, has) = (machine.spec.size.as_ref()?, found.size.as_ref()?);
    (!same(Some(wanted), has)).then(|| format!("is a {has}, not a {wanted}"))
}

/// Nothing is made: there is one machine that the spec speaks of, or a person must say more.
fn taken_over(machine: &CloudMachine, observed: &Observed) -> Decision {
    let state = State::Pending;
    if !is_held(machine) && observed.existing.is_some() {
        return Decision::AddFinalizer;
    }
    let soon = Some(observed.now + TimeDelta::seconds(10));
    match &observed.existing {
        Some(Ok(found)) => match found.as_slice() {
            [Existing { taken: Some(other), .. }] => {
                ask(state, reason::NOT_EXISTING, other.clone(), observed)
            }
            [Existing { machine: one, taken: None }] => {
                Decision::Take { candidate: 0, machine: Box::new(one.clone()) }
            }
            [] => {
                let message = "spec.existing: there is no such machine at the provider";
                ask(state, reason::NOT_EXISTING, message.to_owned(), observed)
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|one| one.machine.id.as_str()).collect();
                let message = format!(
                    "spec.existing: {} machines are what it says: {}; say more",
                    ids.len(),
                    ids.join(", ")
                );
                ask(state, reason::AMBIGUOUS, message, observed)
            }
        },
        Some(Err(why)) => hold(state, reason::WAITING, why.clone(), Phase::Reconciling, soon),
        None => {
            let terms = failover::Terms { attempts: &[], ..observed.terms(machine) };
            let choice = failover::choose(&observed.candidates, &terms);
            waiting(&choice, observed)
        }
    }
}

/// An operation is open: find out what became of it before anything else happens.
fn resolve(machine: &CloudMachine, operation: &Operation, observed: &Observed) -> Decision {
    let state = State::Creating;
    let metadata = &machine.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let object = format!("cloudmachine {} -n {}", text(&metadata.name), text(&metadata.namespace));
    let answer = Answer::of(metadata.annotations.as_ref());
    let case = Case {
        object: &object,
        operation,
        found: &observed.found,
        answer: answer.as_ref(),
        named: &observed.named,
        settles_at: observed.settles_at,
        now: observed.now,
    };
    match recover(&case) {
        Verdict::Adopt(found) => Decision::Adopt(Box::new(found.clone())),
        Verdict::Nothing => Decision::Forget(operation.clone()),
        Verdict::Repeat => Decision::Repeat(operation.clone()),
        Verdict::Wait { why, until } => {
            let (now, seconds) = (observed.now, TimeDelta::seconds);
            let again = until.map_or(now + seconds(5), |until| until.min(now + seconds(2)));
            hold(state, reason::OUTCOME_UNKNOWN, why, Phase::Reconciling, Some(again))
        }
        Verdict::Ask(question) => {
            let (reason, message) = match question {
                Question::Several(message) => (reason::AMBIGUOUS, message),
                Question::Another(message) => (reason::ANOTHER, message),
                Question::Unknown(message) => (reason::OUTCOME_UNKNOWN, message),
            };
            ask(state, reason, message, observed)
        }
    }
}

/// How the object stands whose open operation cannot be asked again: it would be another request, so
/// the provider cannot tell.
pub fn asks_for_another(operation: &Operation, annotation: &str) -> Hold {
    let message = format!(
        "the answer of {} to create was lost; asked again it would be another request, so the provider cannot tell; look there for what it made at {} and say which it is, or that there is none: the annotation {annotation}",
        operation.provider,
        operation.started_at.format("%Y-%m-%d %H:%M:%S UTC")
    );
    let (state, reason) = (State::Creating, reason::OUTCOME_UNKNOWN);
    Hold { state, reason, message, phase: Phase::Stalled, again_at: None, drift: None }
}

/// Follows the machine in use, and goes back to a better place when its time has come.
fn back(machine: &CloudMachine, status: &CloudMachineStatus, observed: &Observed) -> Decision {
    let hold = match follow(machine, status, observed) {
        Decision::Hold(hold) => hold,
        decision => return decision,
    };
    if status.others().next().is_some() {
        let soon = observed.now + failback::LOOK_AGAIN;
        let again_at = hold.again_at.map_or(soon, |at| at.min(soon));
        return Decision::Hold(Hold { again_at: Some(again_at), ..hold });
    }
    if hold.state != State::Running || hold.phase != Phase::Ready {
        return Decision::Hold(hold);
    }
    match failback::turn(machine, status, observed) {
        failback::Turn::Go { candidate, offering } => {
            let attempt = status.attempt + 1;
            let create = Decision::Create { candidate, offering, attempt };
            match unless_there(machine, observed, create) {
                Decision::Hold(waits) => {
                    let message = format!("{}; not going back: {}", hold.message, waits.message);
                    Decision::Hold(Hold { message, again_at: waits.again_at, ..hold })
                }
                decision => decision,
            }
        }
        failback::Turn::Later(at) => {
            let again_at = hold.again_at.into_iter().chain(at).min();
            Decision::Hold(Hold { again_at, ..hold })
        }
        failback::Turn::Impossible(why) => {
            let message = format!("{}; not going back: {why}", hold.message);
            Decision::Hold(Hold { message, ..hold })
        }
    }
}

/// How the machine in use stands while something is done beside it.
pub(super) fn beside(status: &CloudMachineStatus, what: &str) -> Hold {
    let (_, reason, message) = said(status);
    let message = if reason == reason::RUNNING { running(status) } else { message };
    unsettled(status, format!("{message}; {what}"))
}

/// The machine exists: say how it is.
fn follow(machine: &CloudMachine, status: &CloudMachineStatus, observed: &Observed) -> Decision {
    let known = status.state.unwrap_or(State::Creating);
    let again = Some(observed.now + TimeDelta::seconds(30));
    let followed = |seen: &Machine| followed(machine, status, seen, observed);
    match &observed.active {
        Seen::Here(seen) => match drift::decide(machine, status, seen, observed) {
            drift::Verdict::Change(change) => match &observed.stopped {
                None => Decision::Change { change, external_id: seen.id.clone() },
                // It is followed all the same.
                Some(why) => match followed(seen) {
                    Decision::Hold(hold) => {
                        Decision::Hold(Hold { drift: Some(vec![why.clone()]), ..hold })
                    }
                    other => other,
                },
            },
            drift::Verdict::Changed => Decision::Changed,
            drift::Verdict::As { drift, again_at } => match followed(seen) {
                Decision::Hold(hold) => {
                    let unlisted = again.filter(|_| observed.unlisted);
                    let again_at = [hold.again_at, again_at, unlisted].into_iter().flatten().min();
                    Decision::Hold(Hold { drift: Some(drift), again_at, ..hold })
                }
                other => other,
            },
        },
        Seen::Absent => hold(
            State::Gone,
            reason::LOST,
            "the machine is gone at the provider; it is not made again by itself: delete and apply the object for another one",
            Phase::Stalled,
            None,
        ),
        Seen::Unlisted => as_before(known, status, again),
        Seen::None => hold(known, reason::CREATING, "", Phase::Reconciling, None),
        Seen::Unreachable(why) => {
            match known {
                _ if power::wants_off(machine) => {
                    Decision::Hold(Hold { again_at: again, ..power::unseen(status, why) })
                }
                State::Running => {
                    // What ran when last seen still runs as far as anybody knows.
                    hold(known, reason::RUNNING, running(status), Phase::Ready, again)
                }
                _ => hold(known, reason::CREATING, why.clone(), Phase::Reconciling, again),
            }
        }
    }
}

/// How a machine stands that could not be changed, or nobody knows whether it was.
pub(super) fn unsettled(status: &CloudMachineStatus, message: String) -> Hold {
    let state = status.state.unwrap_or(State::Unknown);
    let (phase, reason, _) = said(status);
    Hold { state, reason, message, phase, again_at: None, drift: None }
}

/// What was said when it was last seen, or made, still holds until a list shows more.
fn as_before(
    known: State,
    status: &CloudMachineStatus,
    again_at: Option<DateTime<Utc>>,
) -> Decision {
    let (phase, reason, message) = said(status);
    hold(known, reason, message, phase, again_at)
}

/// What the conditions say of a machine that is there.
fn said(status: &CloudMachineStatus) -> (Phase, &'static str, String) {
    let holds = |type_| condition::find(&status.conditions, type_).is_some_and(Condition::is_true);
    let phase = match (holds(condition::READY), holds(condition::STALLED)) {
        (true, _) => Phase::Ready,
        (_, true) => Phase::Stalled,
        _ => Phase::Reconciling,
    };
    let ready = condition::find(&status.conditions, condition::READY);
    let all = [
        reason::CREATING,
        reason::RUNNING,
        reason::NOT_RUNNING,
        reason::STOPPED_AS_WANTED,
        reason::NOT_STOPPED,
        reason::UNSUPPORTED,
        reason::LOST,
    ];
    let same = |ready: &Condition| all.into_iter().find(|known| *known == ready.reason);
    let reason = ready.and_then(same).unwrap_or(reason::CREATING);
    let message = ready.map(|ready| ready.message.clone()).unwrap_or_default();
    (phase, reason, message)
}

fn followed(
    object: &CloudMachine,
    status: &CloudMachineStatus,
    machine: &Machine,
    observed: &Observed,
) -> Decision {
    if let Some(hold) = power::standing(object, status, machine, observed.can) {
        return Decision::Hold(hold);
    }
    let creating = |state| {
        let message = format!("machine {} is {}", machine.id, machine.vendor_state);
        hold(state, reason::CREATING, message, Phase::Reconciling, None)
    };
    let not_running = |state, phase| {
        let message = format!("machine {} is {} at the provider", machine.id, machine.vendor_state);
        hold(state, reason::NOT_RUNNING, message, phase, None)
    };
    match machine.state {
        MachineState::Running => {
            hold(State::Running, reason::RUNNING, running(status), Phase::Ready, None)
        }
        MachineState::Creating => creating(State::Creating),
        MachineState::Stopping | MachineState::Stopped => {
            not_running(State::Stopped, Phase::Reconciling)
        }
        MachineState::Deleting | MachineState::Gone => not_running(State::Gone, Phase::Stalled),
        MachineState::Failed => not_running(State::Failed, Phase::Stalled),
        MachineState::Unknown => not_running(State::Unknown, Phase::Reconciling),
    }
}

/// Where it runs and what that costs, and why not at an earlier candidate.
fn running(status: &CloudMachineStatus) -> String {
    let Some(active) = &status.active else { return String::new() };
    let price = match (&active.price_per_hour, &active.currency) {
        (Some(price), Some(currency)) => format!(", {price} {currency}/h"),
        _ => ", price unknown".to_owned(),
    };
    let mut message = format!("{} in {} at {}{price}", active.size, active.region, active.provider);
    let passed = status
        .attempts
        .iter()
        .find(|attempt| attempt.provider != active.provider && attempt.at <= active.since);
    if let Some(attempt) = passed {
        let Attempt { provider, message: why, class, .. } = attempt;
        message = format!("{message}; not at {provider}: {why} ({class})");
    }
    message
}

/// The object is being deleted: nothing is created any more, and it goes when the machine is gone.
fn deletion(machine: &CloudMachine, status: &CloudMachineStatus, observed: &Observed) -> Decision {
    let annotations = machine.metadata.annotations.as_ref();
    let detached =
        annotations.and_then(|all| all.get(DETACH_ANNOTATION)).is_some_and(|v| v == "true");
    if detached {
        return Decision::Release("detached by annotation; the provider was not touched");
    }
    if machine.spec.suspend {
        let message = "deletion waits: suspended by spec.suspend";
        return hold(State::Deleting, reason::SUSPENDED, message, Phase::Stalled, None);
    }
    if let Some(operation) = status.operation.as_ref().filter(|op| op.verb == "create") {
        return abandoned(machine, status, operation, observed);
    }
    if machine.spec.management == Management::ObserveOnly {
        return Decision::Release("it was only looked at");
    }
    if machine.spec.deletion_policy == DeletionPolicy::Orphan {
        return orphaned(status, observed);
    }
    match removal(status, observed) {
        // One after the other: all of them are the object's, and all of them go.
        Decision::Release(_) if status.others().next().is_some() => Decision::Next,
        decision => decision,
    }
}

/// The machine in use stays, and no other one.
fn orphaned(status: &CloudMachineStatus, observed: &Observed) -> Decision {
    if status.replacement.is_some() {
        return Decision::GiveUp { why: "the object is being deleted".to_owned() };
    }
    let Some(thing) = status.retired.first() else {
        return Decision::Release("deletionPolicy Orphan; the machine stays");
    };
    failback::aside(status, observed).unwrap_or_else(|| {
        let message = format!("waiting until machine {} is gone", thing.external_id);
        let soon = Some(observed.now + failback::LOOK_AGAIN);
        hold(State::Deleting, reason::DELETING, message, Phase::Reconciling, soon)
    })
}

/// Removes the machine in use.
fn removal(status: &CloudMachineStatus, observed: &Observed) -> Decision {
    let Some(active) = &status.active else {
        return Decision::Release("nothing was made");
    };
    let not_before = delete_not_before(status, observed.now);
    let soon = observed.now + TimeDelta::seconds(5);
    let again = Some(not_before.map_or(soon, |at| soon.min(at.max(observed.now))));
    let deleting = |message: String| {
        hold(State::Deleting, reason::DELETING, message, Phase::Reconciling, again)
    };
    match &observed.active {
        // What it was made of goes by the same call, and may still be there.
        Seen::Absent if observed.parts.is_some() && !is_deleted(status) => {
            match not_before.filter(|at| observed.now < *at) {
                Some(_) => deleting(delete_waits(status, &active.external_id)),
                None => Decision::Delete { external_id: active.external_id.clone() },
            }
        }
        Seen::Absent => gone(observed),
        Seen::Here(seen) if seen.state == MachineState::Deleting => {
            deleting(format!("machine {} is {}", seen.id, seen.vendor_state))
        }
        Seen::Here(_) if not_before.is_some_and(|at| observed.now < at) => {
            deleting(delete_waits(status, &active.external_id))
        }
        Seen::Here(_) => Decision::Delete { external_id: active.external_id.clone() },
        Seen::Unreachable(why) => deleting(why.clone()),
        Seen::None | Seen::Unlisted => deleting(String::new()),
    }
}

/// Before when the deletion is not asked for again: it was accepted and takes its time, or it was
/// refused and is tried ever more rarely.
fn delete_not_before(status: &CloudMachineStatus, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let asked = status.operation.as_ref().filter(|operation| operation.verb == "delete")?;
    if asked.started_at > now {
        // The clock was set back since: asking once more does no harm.
        return None;
    }
    // The index is written when the call ended.
    let ended = asked.witness_index.is_some();
    let patience = asked.started_at + if ended { DELETE_AGAIN } else { DELETE_UNANSWERED };
    Some(match delete_refused(status) {
        // Nothing is asked while the credentials are refused; when they are verified anew it goes on.
        Some(refused) if refused.class == Class::Auth => refused.at + DELETE_UNANSWERED,
        Some(refused) => refused.until.min(patience),
        None => patience,
    })
}

/// The failure of the newest deletion, if it failed.
fn delete_refused(status: &CloudMachineStatus) -> Option<&Attempt> {
    let asked = status.operation.as_ref().filter(|operation| operation.verb == "delete")?;
    status.attempts.iter().find(|attempt| attempt.at >= asked.started_at)
}

/// Whether the newest deletion ended, and well.
fn is_deleted(status: &CloudMachineStatus) -> bool {
    let asked = status.operation.as_ref().filter(|operation| operation.verb == "delete");
    asked.is_some_and(|asked| asked.witness_index.is_some()) && delete_refused(status).is_none()
}

/// What a deletion waits for, between two requests.
fn delete_waits(status: &CloudMachineStatus, id: &str) -> String {
    delete_refused(status).map_or_else(
        || format!("waiting until machine {id} is gone"),
        |refused| format!("{}: {}; it is asked again", refused.provider, refused.message),
    )
}

/// The machine is gone: go too, unless another one of ours is found.
fn gone(observed: &Observed) -> Decision {
    let again = Some(observed.now + TimeDelta::seconds(5));
    match &observed.found {
        Found::Listed(machines) => match machines.first() {
            Some(another) => Decision::Adopt(Box::new(another.clone())),
            None => Decision::Release("the machine is gone"),
        },
        Found::Untold { .. } => Decision::Release("the machine is gone"),
        Found::Unreachable(why) => {
            hold(State::Deleting, reason::DELETING, why.clone(), Phase::Reconciling, again)
        }
        Found::NotAsked => hold(State::Deleting, reason::DELETING, "", Phase::Reconciling, again),
    }
}

/// Deleted while a create was open: what it made is found first.
fn abandoned(
    machine: &CloudMachine,
    status: &CloudMachineStatus,
    operation: &Operation,
    observed: &Observed,
) -> Decision {
    if let Found::Listed(machines) = &observed.found
        && let Some(first) = machines.first()
    {
        // One after the other: all of them are the object's, and all of them go.
        return Decision::Adopt(Box::new(first.clone()));
    }
    match resolve(machine, operation, observed) {
        Decision::Forget(open) => match &observed.parts {
            // There is no machine, and there may be what was made for it.
            Some(name) => Decision::Adopt(Box::new(Machine::unseen(name.clone()))),
            None if status.things().next().is_some() => Decision::Forget(open),
            None => Decision::Release("the open create made nothing"),
        },
        other => other,
    }
}

fn is_held(machine: &CloudMachine) -> bool {
    machine.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}
