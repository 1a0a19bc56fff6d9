//! When an object goes back to a candidate that comes before the one in use, and what becomes of the things that are
//! not in use. Pure.

use std::str::FromStr as _;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use infrafabric_adapters::contract::cloud::MachineState;
use infrafabric_crds::engine::{Active, Attempt, Failback, FailbackPolicy, Management, Window};
use infrafabric_crds::{CloudMachine, CloudMachineStatus};

use super::decide::Decision;
use super::observe::{Observed, Seen};
use crate::engine::failover;
use crate::engine::placement::Offering;

/// How long what takes the place of the machine in use may be on its way.
const MADE_WITHIN: TimeDelta = TimeDelta::minutes(20);
/// When it is looked again while something is on its way.
pub const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(5);
/// How long a deletion is given before it is asked for again, and one whose end nobody wrote down.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(60);
const UNANSWERED: TimeDelta = TimeDelta::seconds(5);

/// Whether to go back.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Make one there.
    Go {
        /// The candidate, by its place in the spec.
        candidate: usize,
        /// What to ask for.
        offering: Offering,
    },
    /// Not now; when to look again, if anything is known of that.
    Later(Option<DateTime<Utc>>),
    /// The spec says when, and that cannot be; why.
    Impossible(String),
}

/// Whether it must be seen what the candidates before the one in use could do.
pub fn is_wanted(machine: &CloudMachine, status: &CloudMachineStatus) -> bool {
    let spec = &machine.spec;
    spec.failover.failback.policy != FailbackPolicy::Never
        && spec.management == Management::Full
        && !spec.suspend
        && machine.metadata.deletion_timestamp.is_none()
        && status.operation.is_none()
        && status.others().next().is_none()
        && before(machine, status).is_some_and(|before| before > 0)
}

/// How many candidates come before the one in use.
fn before(machine: &CloudMachine, status: &CloudMachineStatus) -> Option<usize> {
    let active = status.active.as_ref()?;
    machine.spec.providers.iter().position(|candidate| candidate.name == active.provider)
}

/// Whether to go back now.
pub fn turn(machine: &CloudMachine, status: &CloudMachineStatus, observed: &Observed) -> Turn {
    let failback = &machine.spec.failover.failback;
    if !is_wanted(machine, status) {
        return Turn::Later(None);
    }
    let terms = observed.terms(machine);
    let patience = span(&failback.after);
    let mut later = None;
    let before = before(machine, status).unwrap_or_default();
    for (index, candidate) in observed.candidates.iter().enumerate().take(before) {
        let Some(since) = failover::serves_since(candidate, &terms) else { continue };
        let due = since + patience;
        if observed.now < due {
            later = Some(later.map_or(due, |later: DateTime<Utc>| later.min(due)));
            continue;
        }
        let Some(Ok(offering)) = &candidate.offering else {
            later = Some(observed.now + LOOK_AGAIN);
            continue;
        };
        return match opens(failback, observed.now) {
            Ok(None) => Turn::Go { candidate: index, offering: offering.clone() },
            Ok(opens_at) => Turn::Later(opens_at),
            Err(why) => Turn::Impossible(why),
        };
    }
    Turn::Later(later)
}

/// When the window opens; `None` when it is open.
fn opens(failback: &Failback, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, String> {
    let Some(Window { cron, lasts }) = &failback.window else { return Ok(None) };
    if span(lasts) <= TimeDelta::zero() {
        return Err(format!("spec.failover.failback.window.lasts: {lasts:?} never opens"));
    }
    let at = "spec.failover.failback.window.cron";
    let pattern = Cron::from_str(cron).map_err(|error| format!("{at}: {error}"))?;
    let next = |from: DateTime<Utc>, inclusive| {
        let found = pattern.find_next_occurrence(&from, inclusive);
        found.map_err(|_| format!("{at}: {cron:?} never opens"))
    };
    let opened = next(now - span(lasts), false)?;
    Ok(if opened <= now { None } else { Some(next(now, false)?) })
}

fn span(text: &str) -> TimeDelta {
    let span = infrafabric_definition::Span(text.to_owned()).duration();
    // The schema refuses what is none.
    span.and_then(|span| TimeDelta::from_std(span).ok()).unwrap_or_default()
}

/// What is to be done about the things that are not in use, if anything is now.
pub fn aside(status: &CloudMachineStatus, observed: &Observed) -> Option<Decision> {
    match &status.replacement {
        Some(replacement) => replaced(replacement, observed),
        None => status.retired.first().and_then(|thing| retired(thing, status, observed)),
    }
}

fn replaced(replacement: &Active, observed: &Observed) -> Option<Decision> {
    let give_up = |why: String| Some(Decision::GiveUp { why });
    let Active { external_id: id, provider, since, .. } = replacement;
    match &observed.aside {
        Seen::Here(seen) => match seen.state {
            MachineState::Running => Some(Decision::Move(Box::new(seen.clone()))),
            MachineState::Failed | MachineState::Deleting | MachineState::Gone => {
                give_up(format!("machine {id} at {provider} is {}", seen.vendor_state))
            }
            _ if observed.now - *since > MADE_WITHIN => {
                give_up(format!("machine {id} at {provider} is still {}", seen.vendor_state))
            }
            _ => None,
        },
        // A read may be late too.
        Seen::Absent if observed.now >= *since + observed.aside_lag => {
            give_up(format!("machine {id} at {provider} is gone"))
        }
        Seen::Absent | Seen::None | Seen::Unlisted | Seen::Unreachable(_) => None,
    }
}

fn retired(thing: &Active, status: &CloudMachineStatus, observed: &Observed) -> Option<Decision> {
    let open = status.operation.as_ref().filter(|operation| operation.verb == "retire");
    let asked_at = open.map(|open| open.started_at).filter(|at| *at <= observed.now);
    let since = asked_at.unwrap_or(thing.since);
    let refused = status.attempts.iter().find(|attempt| is_refusal(attempt, thing, since));
    let ended = open.is_some_and(|open| open.witness_index.is_some()) && refused.is_none();
    let patience = if ended { ASK_AGAIN } else { UNANSWERED };
    let waits = refused.map(|refused| refused.until).or(asked_at.map(|at| at + patience));
    let due = waits.is_none_or(|until| observed.now >= until);
    match &observed.aside {
        // What it was made of goes by the same call, and may still be there.
        Seen::Absent if !observed.aside_parts || ended => {
            Some(Decision::Retired { thing: Box::new(thing.clone()) })
        }
        Seen::Here(seen) if seen.state == MachineState::Deleting => None,
        Seen::Here(_) | Seen::Absent if due => {
            Some(Decision::Retire { thing: Box::new(thing.clone()) })
        }
        _ => None,
    }
}

/// Whether an attempt is the refused deletion of a thing.
fn is_refusal(attempt: &Attempt, thing: &Active, since: DateTime<Utc>) -> bool {
    attempt.provider == thing.provider
        && attempt.region == thing.region
        && attempt.verb.as_deref() == Some("retire")
        && attempt.at >= since
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn in_window(cron: &str) -> Failback {
        let window = Window { cron: cron.to_owned(), lasts: "90m".to_owned() };
        Failback { policy: FailbackPolicy::InWindow, window: Some(window), ..Failback::default() }
    }

    #[test]
    fn a_window_opens_and_closes() {
        let failback = in_window("0 3 * * MON-FRI");
        // The 27th is a Friday.
        let table = [
            ("2026-11-27T02:59:59Z", Some("2026-11-27T03:00:00Z")),
            ("2026-11-27T03:00:00Z", None),
            ("2026-11-27T04:29:59Z", None),
            ("2026-11-27T04:30:00Z", Some("2026-11-30T03:00:00Z")),
            ("2026-11-28T03:30:00Z", Some("2026-11-30T03:00:00Z")),
        ];
        for (now, expected) in table {
            assert_eq!(opens(&failback, at(now)), Ok(expected.map(at)), "{now}");
        }
    }

    #[test]
    fn a_window_that_never_opens_is_said() {
        let now = at("2026-11-27T00:00:00Z");
        let never = opens(&in_window("0 0 30 2 *"), now).expect_err("never");
        assert!(never.contains("window.cron") && never.contains("never opens"), "{never}");
        let wrong = opens(&in_window("0 25 * * *"), now).expect_err("no pattern");
        assert!(wrong.contains("window.cron"), "{wrong}");
        let window = Window { cron: "0 3 * * *".to_owned(), lasts: "0s".to_owned() };
        let shut = Failback { window: Some(window), ..in_window("") };
        let shut = opens(&shut, now).expect_err("shut");
        assert!(shut.contains("window.lasts") && shut.contains("never opens"), "{shut}");
    }
}
