//! Where it ends: what a state says of itself, and what becomes of it without more failures.

use infrafabric_crds::CloudMachineStatus;
use infrafabric_crds::cloud_machine::{State as Life, reason};
use infrafabric_crds::condition::{self, Condition, READY, STALLED};

use crate::adversary::tick;
use crate::model::{Action, Model, moves};
use crate::state::{Left, Origin, State, Ticks, hash};

/// Longer than everything that is waited for.
const LONG: Ticks = 120;

/// Whether the object waits for a person, and says so.
pub(crate) fn asks(status: &CloudMachineStatus) -> bool {
    let asking = [reason::OUTCOME_UNKNOWN, reason::AMBIGUOUS, reason::ANOTHER];
    let is_stalled = condition::find(&status.conditions, STALLED).is_some_and(Condition::is_true);
    let ready = condition::find(&status.conditions, READY);
    is_stalled && ready.is_some_and(|ready| asking.contains(&ready.reason.as_str()))
}

/// Whether the thing in use is the object's. Whoever deletes takes all that carries its marks.
pub(crate) fn holds_its_own(state: &State) -> bool {
    let Some(active) = &state.object.status.active else { return true };
    let id: usize = active.external_id.parse().expect("an id of the model");
    match state.things[id].origin {
        Origin::Ours => true,
        Origin::Copied => state.object.deleting,
        Origin::Foreign => false,
    }
}

/// Whether it runs with exactly one thing, is gone, or waits for a person and says so.
fn is_end(state: &State) -> bool {
    let status = &state.object.status;
    if state.object.gone {
        return true;
    }
    if asks(status) {
        return true;
    }
    let runs = status.state == Some(Life::Running) && status.operation.is_none();
    let uses = status.active.as_ref().map(|active| active.external_id.clone());
    let living: Vec<String> = state.ours().map(|id| id.to_string()).collect();
    !state.object.deleting && runs && uses.is_some_and(|id| living == [id])
}

/// Whether all ends well from here when nothing more goes wrong: the same for all states on the way.
pub(crate) fn well(model: &Model, state: &State) -> bool {
    let mut state = State { left: Left::default(), ..state.clone() };
    let mut way = Vec::new();
    let last = state.time + LONG;
    let mut known = model.ends.lock().expect("nobody panicked with it");
    let is_well = loop {
        let key = hash(&state);
        if let Some(is_well) = known.get(&key) {
            break *is_well;
        }
        way.push(key);
        match onward(model, &state) {
            Some(next) => state = next,
            None if is_end(&state) => break true,
            None if state.time > last => break false,
            None => tick(&mut state),
        }
    };
    known.extend(way.into_iter().map(|key| (key, is_well)));
    is_well
}

/// The next step of a world in which everything works.
fn onward(model: &Model, state: &State) -> Option<State> {
    let requests = (0..state.requests.len()).map(Action::Act);
    let things = (1..state.things.len()).map(Action::Show);
    let looks = |action: &Action| matches!(action, Action::Look(_));
    // A second one starts only where none runs.
    let none_runs = state.processes.iter().all(|process| !process.alive);
    let starts = |action: &Action| matches!(action, Action::Start(_)) && !none_runs;
    let all = state.processes.iter().enumerate().flat_map(|(p, process)| moves(process, p));
    let (last, first): (Vec<_>, Vec<_>) = all.filter(|action| !starts(action)).partition(looks);
    let mut all = requests.chain(things).chain(first).chain(last);
    all.find_map(|action| model.step(state, action))
}
