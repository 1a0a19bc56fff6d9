//! What becomes of each step.

use infrafabric::controllers::cloud_machine::report;

use crate::ends;
use crate::model::{Action, Identity, Model};
use crate::operator::{Next, PROVIDERS, ended, intended, look};
use crate::rules::Rule;
use crate::state::{
    CALL, Deed, Effect, LAG, Origin, Phase, Process, Reply, Request, Said, State, Thing, hash,
};

impl Model {
    fn keyed(&self) -> bool {
        matches!(self.identity, Identity::Keyed | Identity::KeyedTag)
    }

    /// What becomes of a step; nothing when it cannot be.
    pub(crate) fn step(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let left = &mut state.left;
        let done = match action {
            Action::Sync(p) => sync(&mut state, p),
            Action::Look(p) => self.look(&mut state, p),
            Action::Intend(p) => self.intend(&mut state, p),
            Action::Send(p) => self.send(&mut state, p),
            Action::TooLate(p) => too_late(&mut state, p),
            Action::Act(r) => self.act(&mut state, r),
            Action::Refuse(r) => spend(&mut left.refusals).and_then(|()| refuse(&mut state, r)),
            Action::Answer(p) => self.answer(&mut state, p),
            Action::Lose(p) => self.lose(&mut state, p),
            Action::Report(p) => self.report(&mut state, p),
            Action::Crash(p) => spend(&mut left.crashes).and_then(|()| crash(&mut state, p)),
            Action::Start(p) => start(&mut state, p),
            Action::Show(t) => show(&mut state, t),
            Action::Tick => pass(&mut state),
            Action::StepBack => spend(&mut left.steps_back).map(|()| state.behind += 1),
            Action::Delete => spend(&mut left.deletions).map(|()| delete(&mut state)),
            Action::Edit => spend(&mut left.edits).and_then(|()| edit(&mut state)),
            Action::Copy(t) => spend(&mut left.copies).and_then(|()| copy(&mut state, t)),
            Action::Say => spend(&mut left.answers).and_then(|()| say(&mut state)),
        };
        done.map(|()| {
            settle(&mut state);
            state
        })
    }

    fn look(&self, state: &mut State, p: usize) -> Option<()> {
        let process = &state.processes[p];
        let held_back = process.own_ahead && !self.off(Rule::OwnWrites);
        if !process.alive || process.phase != Phase::Idle || process.copy.gone || held_back {
            return None;
        }
        match self.looked(state, process) {
            Next::Nothing => return None,
            Next::Begin(effect) if self.is_unwritten(&effect) => {
                state.processes[p].phase = Phase::Written(effect);
            }
            Next::Begin(effect) => state.processes[p].phase = Phase::Decided(effect),
            // Somebody wrote meanwhile: the API server refuses this.
            _ if !process.current || state.object.gone => return None,
            Next::Write(status) => {
                let forgot = process.copy.status.operation.is_some() && status.operation.is_none();
                state.lost &= !forgot;
                state.write(Some(p), |object| object.status = status);
            }
            Next::DropAnswer => state.write(Some(p), |object| object.answer = None),
            Next::Release => state.write(Some(p), |object| object.gone = true),
        }
        Some(())
    }

    fn looked(&self, state: &State, process: &Process) -> Next {
        let key = hash(&(state.time, state.behind, &state.things, &process.copy));
        let mut looks = self.looks.lock().expect("nobody panicked with it");
        looks.entry(key).or_insert_with(|| look(self, state, process)).clone()
    }

    /// Whether the intent of an effect is not written, or not again.
    fn is_unwritten(&self, effect: &Effect) -> bool {
        let repeats = effect.deed == Deed::Repeat;
        self.off(Rule::IntentFirst) || (repeats && self.off(Rule::RepeatAnew))
    }

    fn intend(&self, state: &mut State, p: usize) -> Option<()> {
        let process = &state.processes[p];
        let Phase::Decided(effect) = process.phase.clone() else { return None };
        let refused = !process.current && !self.off(Rule::OneVersion);
        if refused || state.object.gone {
            state.processes[p].phase = Phase::Idle;
            return Some(());
        }
        let status = intended(state, &process.copy, &effect);
        state.write(Some(p), |object| object.status = status);
        state.processes[p].phase = Phase::Written(effect);
        Some(())
    }

    fn send(&self, state: &mut State, p: usize) -> Option<()> {
        let Phase::Written(effect) = state.processes[p].phase.clone() else { return None };
        if state.time > effect.began + CALL {
            return None;
        }
        let operation = &effect.operation;
        let stored = state.object.status.operation.as_ref();
        let announced = stored.is_some_and(|stored| stored.token == operation.token);
        let deletes = match effect.deed {
            Deed::Delete(id) => Some(id),
            Deed::Create | Deed::Repeat => None,
        };
        if deletes.is_none() {
            state.unannounced |= !announced && !self.off(Rule::OneToken);
            state.repeated_blindly |= state.lost && self.identity == Identity::None;
        }
        state.requests.push(Request {
            provider: provider(&effect),
            deletes,
            token: operation.token.clone(),
            digest: operation.request_digest.clone(),
            until: effect.began + CALL,
            waits: Some(p),
            answer: None,
        });
        state.processes[p].phase = Phase::Sent(effect);
        Some(())
    }

    fn act(&self, state: &mut State, r: usize) -> Option<()> {
        let open = |it: &&Request| it.answer.is_none() && state.time <= it.until;
        let request = state.requests.get(r).filter(open)?.clone();
        let reply = if let Some(id) = request.deletes {
            if state.things[id].living {
                state.things[id].living = false;
                state.things[id].settles = Some(state.time + LAG);
            }
            Reply::Deleted
        } else {
            let same =
                |thing: &Thing| thing.token == request.token && thing.provider == request.provider;
            match state.things.iter().position(same).filter(|_| self.keyed()) {
                Some(id) if state.things[id].digest == request.digest => Reply::Made(id),
                Some(_) => Reply::OtherRequest,
                None => Reply::Made(make(state, &request)),
            }
        };
        state.requests[r].answer = Some(reply);
        Some(())
    }

    fn answer(&self, state: &mut State, p: usize) -> Option<()> {
        let Phase::Sent(effect) = state.processes[p].phase.clone() else { return None };
        let r = state.requests.iter().position(|it| it.waits == Some(p))?;
        let reply = state.requests[r].answer?;
        state.requests.remove(r);
        self.end(state, p, &effect, Some(reply));
        Some(())
    }

    fn lose(&self, state: &mut State, p: usize) -> Option<()> {
        let Phase::Sent(effect) = state.processes[p].phase.clone() else { return None };
        let request = state.requests.iter_mut().find(|it| it.waits == Some(p))?;
        request.waits = None;
        // The call's own deadline ends the wait for what never comes.
        if request.answer.is_some() || state.time <= request.until {
            spend(&mut state.left.losses)?;
        }
        self.end(state, p, &effect, None);
        Some(())
    }

    fn end(&self, state: &mut State, p: usize, effect: &Effect, reply: Option<Reply>) {
        state.lost |= reply.is_none() && is_open_create(state, effect);
        let status = ended(self, state, &state.processes[p].copy, effect, reply);
        state.processes[p].phase = Phase::Ended(effect.clone(), status);
    }

    fn report(&self, state: &mut State, p: usize) -> Option<()> {
        let Phase::Ended(effect, status) = state.processes[p].phase.clone() else { return None };
        state.processes[p].phase = Phase::Idle;
        // Who resolved the operation meanwhile knows better, and without its intent first there is none.
        let stored = state.object.status.operation.as_ref();
        let is_open = stored.is_some_and(|stored| report::is_open(stored, &effect.operation));
        let is_open = is_open || self.off(Rule::IntentFirst) || self.off(Rule::OwnIntent);
        if is_open && !state.object.gone && state.object.status != status {
            state.write(Some(p), |object| object.status = status);
        }
        Some(())
    }
}

/// Whether what an effect makes is open: nobody resolved it meanwhile.
fn is_open_create(state: &State, effect: &Effect) -> bool {
    let stored = state.object.status.operation.as_ref();
    let is_open = stored.is_some_and(|stored| report::is_open(stored, &effect.operation));
    is_open && !matches!(effect.deed, Deed::Delete(_))
}

fn provider(effect: &Effect) -> usize {
    let name = &effect.operation.provider;
    PROVIDERS.iter().position(|known| known == name).expect("a candidate")
}

fn spend(left: &mut u8) -> Option<()> {
    *left = left.checked_sub(1)?;
    Some(())
}

fn sync(state: &mut State, p: usize) -> Option<()> {
    let object = state.object.clone();
    let process = &mut state.processes[p];
    let behind = !process.current || process.own_ahead;
    if !process.alive || process.phase != Phase::Idle || !behind {
        return None;
    }
    *process = Process::started(&object);
    Some(())
}

fn too_late(state: &mut State, p: usize) -> Option<()> {
    let late = matches!(&state.processes[p].phase, Phase::Written(effect) if state.time > effect.began + CALL);
    late.then(|| state.processes[p].phase = Phase::Idle)
}

fn make(state: &mut State, request: &Request) -> usize {
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
fn refuse(state: &mut State, r: usize) -> Option<()> {
    let open = |it: &&Request| it.answer.is_none() && state.time <= it.until;
    let request = state.requests.get(r).filter(open)?;
    let known = state.things.iter().any(|thing| thing.token == request.token);
    if request.deletes.is_some() || known {
        return None;
    }
    state.requests[r].answer = Some(Reply::NoCapacity);
    Some(())
}

fn crash(state: &mut State, p: usize) -> Option<()> {
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
fn start(state: &mut State, p: usize) -> Option<()> {
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

fn show(state: &mut State, t: usize) -> Option<()> {
    let thing = &mut state.things[t];
    thing.settles.take()?;
    thing.shown = thing.living;
    Some(())
}

/// Time passes; before anything is decided it changes nothing.
fn pass(state: &mut State) -> Option<()> {
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

fn delete(state: &mut State) {
    state.write(None, |object| object.deleting = true);
}

fn edit(state: &mut State) -> Option<()> {
    (!state.object.edited).then(|| state.write(None, |object| object.edited = true))
}

fn copy(state: &mut State, t: usize) -> Option<()> {
    let thing = state.things.get(t).filter(|it| it.living && it.shown)?;
    let copy = Thing { origin: Origin::Copied, token: String::new(), ..thing.clone() };
    state.things.push(copy);
    Some(())
}

/// A person answers when asked, and says the truth.
fn say(state: &mut State) -> Option<()> {
    if state.object.gone || state.object.answer.is_some() || !ends::asks(&state.object.status) {
        return None;
    }
    let answer = state.ours().next().map_or(Said::Forget, Said::Adopt);
    state.write(None, |object| object.answer = Some(answer));
    Some(())
}

/// What has no more meaning is the same for all states.
fn settle(state: &mut State) {
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
