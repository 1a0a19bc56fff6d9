//! Whether the machine in use is switched as its spec wants it. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_crds::cloud_machine::{State, reason};
use infrafabric_crds::condition::{self, READY};
use infrafabric_crds::engine::{Management, PowerState};
use infrafabric_crds::{CloudMachine, CloudMachineStatus};

use super::decide::{Hold, Phase};
use super::drift::{Can, ChangeVerb, LOOK_AGAIN, Look, Wish};

/// How long a machine that was told to start or stop may still be shown as it was.
const SWITCHES_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// A machine that is not as it was switched last.
pub(super) struct Stray {
    /// What there is to say, once it must be shown as it is.
    pub(super) drift: Option<&'static str>,
    /// What switches it back, where the provider can.
    pub(super) back: Option<ChangeVerb>,
}

/// What the spec wants of its machine; what is only looked at is not switched.
fn wanted(machine: &CloudMachine) -> PowerState {
    match machine.spec.management {
        Management::ObserveOnly => PowerState::Running,
        Management::Full | Management::Adopt => machine.spec.power_state,
    }
}

/// Whether the machine is wanted stopped.
pub(super) fn wants_off(machine: &CloudMachine) -> bool {
    wanted(machine) == PowerState::Stopped
}

/// How a machine is switched; none while it is on its way.
fn shown(seen: &Machine) -> Option<PowerState> {
    match seen.state {
        MachineState::Running => Some(PowerState::Running),
        MachineState::Stopped => Some(PowerState::Stopped),
        _ => None,
    }
}

/// The request that nobody wrote the end of: what it asked for, and when.
fn open(status: &CloudMachineStatus) -> Option<(PowerState, DateTime<Utc>)> {
    let operation = status.operation.as_ref()?;
    match operation.verb.as_str() {
        "start" => Some((PowerState::Running, operation.started_at)),
        "stop" => Some((PowerState::Stopped, operation.started_at)),
        _ => None,
    }
}

/// What brings a machine there, where the provider can.
fn verb(to: PowerState, can: Can) -> Option<ChangeVerb> {
    match to {
        PowerState::Running => can.switch.on.then_some(ChangeVerb::Start),
        PowerState::Stopped => can.switch.off.then_some(ChangeVerb::Stop),
    }
}

/// What becomes of the power state that the spec wants, if it is another one than the machine was told.
pub(super) fn wish(look: &Look<'_>) -> Wish {
    let wanted = wanted(look.machine);
    let told = look.active.power_state.unwrap_or_default();
    let open = open(look.status);
    if told == wanted && open.is_none_or(|(to, _)| to == wanted) {
        return Wish::Met;
    }
    let later = Wish::Later(look.observed.now + LOOK_AGAIN);
    let Some(is) = shown(look.seen) else { return later };
    if is != wanted {
        return match verb(wanted, look.observed.can) {
            Some(verb) => Wish::Ask(verb),
            None => Wish::Not(unsupported(wanted).to_owned(), None),
        };
    }
    // It is as wanted. What it was told before may not be shown yet, unless it was this.
    let (last, at) = open.unwrap_or((told, look.changed()));
    let within = look.observed.lag.max(SWITCHES_WITHIN);
    if last == wanted || look.is_shown(at.max(look.changed()), within) {
        return Wish::Done;
    }
    later
}

/// Whether somebody else switched the machine.
pub(super) fn stray(look: &Look<'_>) -> Option<Stray> {
    let is = shown(look.seen)?;
    let wanted = wanted(look.machine);
    if is == wanted || look.active.power_state.unwrap_or_default() != wanted {
        return None;
    }
    let said = match is {
        PowerState::Stopped => "it was stopped",
        PowerState::Running => "it runs although it was told to stop",
    };
    let is_shown = look.is_shown(look.changed(), look.observed.lag.max(SWITCHES_WITHIN));
    Some(Stray { drift: is_shown.then_some(said), back: verb(wanted, look.observed.can) })
}

fn unsupported(wanted: PowerState) -> &'static str {
    match wanted {
        PowerState::Running => "it is wanted running, and the provider cannot start it",
        PowerState::Stopped => "it is wanted stopped, and the provider cannot stop it",
    }
}

/// How a machine stands whose state alone does not tell it: one that is wanted stopped, or that nobody can
/// start.
pub(super) fn standing(
    machine: &CloudMachine,
    status: &CloudMachineStatus,
    seen: &Machine,
    can: Can,
) -> Option<Hold> {
    let is = format!("machine {} is {} at the provider", seen.id, seen.vendor_state);
    let told = status.active.as_ref().and_then(|active| active.power_state);
    let hold = |state, reason, message, phase| {
        Some(Hold { state, reason, message, phase, again_at: None, drift: None })
    };
    match (wanted(machine), seen.state) {
        (PowerState::Stopped, MachineState::Stopped) => {
            let message = format!("{is}, as powerState wants it{}", place(status));
            hold(State::Stopped, reason::STOPPED_AS_WANTED, message, Phase::Ready)
        }
        (PowerState::Stopped, MachineState::Running) if !can.switch.off => {
            let message = format!(
                "{is}: {}; set powerState to Running, or delete the object",
                unsupported(PowerState::Stopped)
            );
            hold(State::Running, reason::UNSUPPORTED, message, Phase::Stalled)
        }
        (PowerState::Stopped, MachineState::Running) => {
            let message = format!("{is}, and wanted stopped");
            hold(State::Running, reason::NOT_STOPPED, message, Phase::Reconciling)
        }
        (PowerState::Stopped, MachineState::Stopping) => {
            hold(State::Stopped, reason::NOT_STOPPED, is, Phase::Reconciling)
        }
        (PowerState::Running, MachineState::Stopped)
            if told == Some(PowerState::Stopped) && !can.switch.on =>
        {
            let message = format!("{is}: {}", unsupported(PowerState::Running));
            hold(State::Stopped, reason::UNSUPPORTED, message, Phase::Stalled)
        }
        _ => None,
    }
}

/// How a machine stands that is wanted stopped and cannot be seen: as far as anybody knows, as it was.
pub(super) fn unseen(status: &CloudMachineStatus, why: &str) -> Hold {
    let state = status.state.unwrap_or(State::Unknown);
    let ready = condition::find(&status.conditions, READY);
    let was = ready.filter(|ready| ready.reason == reason::STOPPED_AS_WANTED);
    let (reason, message, phase) = match was {
        Some(ready) => (reason::STOPPED_AS_WANTED, ready.message.clone(), Phase::Ready),
        None => (reason::NOT_STOPPED, why.to_owned(), Phase::Reconciling),
    };
    Hold { state, reason, message, phase, again_at: None, drift: None }
}

/// Whether the machine is on its way to what it should be, and is watched closely.
pub(super) fn is_moving(status: &CloudMachineStatus) -> bool {
    let ready = condition::find(&status.conditions, READY).map(|ready| ready.reason.as_str());
    match status.state {
        Some(State::Running) => ready == Some(reason::NOT_STOPPED),
        Some(State::Stopped) => ready != Some(reason::STOPPED_AS_WANTED),
        _ => true,
    }
}

/// Of what size it is, and where.
fn place(status: &CloudMachineStatus) -> String {
    let active = status.active.as_ref();
    active.map_or_else(String::new, |active| {
        format!("; {} in {} at {}", active.size, active.region, active.provider)
    })
}

/// How a machine stands that is told to start or stop.
pub(super) fn switching(verb: &str, status: &CloudMachineStatus) -> Option<Hold> {
    let (default, reason) = match verb {
        "start" => (State::Stopped, reason::NOT_RUNNING),
        "stop" => (State::Running, reason::NOT_STOPPED),
        _ => return None,
    };
    let id = status.active.as_ref().map(|active| active.external_id.as_str()).unwrap_or_default();
    let state = status.state.unwrap_or(default);
    let message = format!("machine {id} is told to {verb}");
    Some(Hold { state, reason, message, phase: Phase::Reconciling, again_at: None, drift: None })
}
