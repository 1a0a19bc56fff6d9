//! What becomes of each step.

use infrafabric::controllers::cloud_machine::report;

use crate::adversary::{
    copy, crash, delete, edit, make, pass, refuse, say, settle, show, spend, start,
};
use crate::model::{Action, Identity, Model};
use crate::observe;
use crate::operator::{Next, ended, intended, look};
use crate::rules::Rule;
use crate::state::{CALL, Deed, Effect, LAG, Phase, Process, Reply, Request, State, Thing, hash};

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
            provider: observe::provider(&operation.provider),
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
pub(crate) fn is_open_create(state: &State, effect: &Effect) -> bool {
    let stored = state.object.status.operation.as_ref();
    let is_open = stored.is_some_and(|stored| report::is_open(stored, &effect.operation));
    is_open && !matches!(effect.deed, Deed::Delete(_))
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
