//! What the world does to the operators: their deaths, the clock, lists that lag, people.

use crate::ends;
use crate::state::{LAG, Origin, Phase, Process, Reply, Request, Said, State, Thing};
use crate::steps::is_open_create;

pub(crate) fn spend(left: &mut u8) -> Option<()> {
    *left = left.checked_sub(1)?;
    Some(())
}

pub(crate) fn make(state: &mut State, request: &Request) -> usize {
    state.things.push(Thing {
        provider: request.provider,
        origin: Origin::Ours,
        token: request.token.clone(),
        digest: request.digest.clone(),
        living: true,
        shown: false,
        settles: Some(state.time + LAG),
    });
    state.things.len() - 1
}

/// A request to make something finds no room; what a token stands for is there.
pub(crate) fn refuse(state: &mut State, r: usize) -> Option<()> {
    let open = |it: &&Request| it.answer.is_none() && state.time <= it.until;
    let request = state.requests.get(r).filter(open)?;
    let known = state.things.iter().any(|thing| thing.token == request.token);
    if request.deletes.is_some() || known {
        return None;
    }
    state.requests[r].answer = Some(Reply::NoCapacity);
    Some(())
}

pub(crate) fn crash(state: &mut State, p: usize) -> Option<()> {
    // Between two reconciles, and before it wrote anything, its death changes nothing.
    let unmoved = matches!(state.processes[p].phase, Phase::Idle | Phase::Decided(_));
    if unmoved || !state.processes[p].alive {
        return None;
    }
    state.lost |= match &state.processes[p].phase {
        // What it was about to write is known to nobody.
        Phase::Sent(effect) | Phase::Ended(effect, _) => is_open_create(state, effect),
        _ => false,
    };
    for request in state.requests.iter_mut().filter(|request| request.waits == Some(p)) {
        request.waits = None;
    }
    state.processes[p] = Process::dead(&state.object);
    Some(())
}

/// A process starts where none runs, or beside one that is in the middle of something.
pub(crate) fn start(state: &mut State, p: usize) -> Option<()> {
    if state.processes[p].alive {
        return None;
    }
    match state.processes.iter().find(|process| process.alive) {
        Some(other) if other.phase == Phase::Idle => return None,
        Some(_) => spend(&mut state.left.overlaps)?,
        // Which of two is the same.
        None if p > 0 => return None,
        None => {}
    }
    state.processes[p] = Process::started(&state.object);
    Some(())
}

pub(crate) fn show(state: &mut State, t: usize) -> Option<()> {
    let thing = &mut state.things[t];
    thing.settles.take()?;
    thing.shown = thing.living;
    Some(())
}

/// Time passes; before anything is decided it changes nothing.
pub(crate) fn pass(state: &mut State) -> Option<()> {
    let idle = state.processes.iter().all(|process| process.phase == Phase::Idle);
    if idle && state.time == 0 && state.object.status.operation.is_none() {
        return None;
    }
    spend(&mut state.left.ticks)?;
    tick(state);
    Some(())
}

pub(crate) fn tick(state: &mut State) {
    state.time += 1;
}

pub(crate) fn delete(state: &mut State) {
    state.write(None, |object| object.deleting = true);
}

pub(crate) fn edit(state: &mut State) -> Option<()> {
    (!state.object.edited).then(|| state.write(None, |object| object.edited = true))
}

pub(crate) fn copy(state: &mut State, t: usize) -> Option<()> {
    let thing = state.things.get(t).filter(|it| it.living && it.shown)?;
    let copy = Thing { origin: Origin::Copied, token: String::new(), ..thing.clone() };
    state.things.push(copy);
    Some(())
}

/// A person answers when asked, and says the truth.
pub(crate) fn say(state: &mut State) -> Option<()> {
    if state.object.gone || state.object.answer.is_some() || !ends::asks(&state.object.status) {
        return None;
    }
    let answer = state.ours().next().map_or(Said::Forget, Said::Adopt);
    state.write(None, |object| object.answer = Some(answer));
    Some(())
}

/// What has no more meaning is the same for all states.
pub(crate) fn settle(state: &mut State) {
    let time = state.time;
    for thing in &mut state.things {
        if thing.settles.is_some_and(|at| at <= time) || thing.living == thing.shown {
            thing.shown = thing.living;
            thing.settles = None;
        }
    }
    // What nobody waits for matters only while it may take effect.
    let may_act = |it: &Request| it.answer.is_none() && time <= it.until;
    state.requests.retain(|request| request.waits.is_some() || may_act(request));
    for process in state.processes.iter_mut().filter(|process| !process.alive) {
        *process = Process::dead(&state.object);
    }
}
