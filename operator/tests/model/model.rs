//! Who may do what: the adversary's choice at every step, and what becomes of it.

use std::collections::HashMap;
use std::sync::Mutex;

use infrafabric_crds::CloudMachineStatus;
use stateright::Property;

use crate::ends;
use crate::operator::Next;
use crate::rules::Rule;
use crate::state::{Left, Object, Origin, Phase, Process, State, Thing, kept};

/// How a provider lets its things be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// By a mark that its list shows, late.
    Tag,
    /// The same, and the same token is the same effect.
    KeyedTag,
    /// Only by the token.
    Keyed,
    /// Not at all.
    None,
}

/// What is explored.
pub(crate) struct Model {
    pub(crate) identity: Identity,
    /// The rules that are switched off.
    pub(crate) off: &'static [Rule],
    /// What the adversary may do.
    pub(crate) budget: Left,
    /// Whether it is asked of each state what becomes of it without more failures.
    pub(crate) foresees: bool,
    /// From which states, by their hash, all ends well, as far as it is known.
    pub(crate) ends: Mutex<HashMap<u64, bool>>,
    /// What looks led to, by the hash of what was seen: most differ in nothing that a look sees.
    pub(crate) looks: Mutex<HashMap<u64, Next>>,
}

/// One step; a number is the place of a process, a request or a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The watch shows a process the newest object.
    Sync(usize),
    /// A process looks at the object and decides.
    Look(usize),
    /// A process writes the intent of what it decided.
    Intend(usize),
    /// A process sends.
    Send(usize),
    /// A process comes too late to send.
    TooLate(usize),
    /// The provider does what was asked.
    Act(usize),
    /// The provider has none left.
    Refuse(usize),
    /// The answer arrives.
    Answer(usize),
    /// The answer is lost, or its wait given up.
    Lose(usize),
    /// A process writes the status after an effect.
    Report(usize),
    /// A process dies.
    Crash(usize),
    /// A process starts.
    Start(usize),
    /// Lists show what became of a thing.
    Show(usize),
    /// Time passes.
    Tick,
    /// The operators' clock is set back.
    StepBack,
    /// Somebody deletes the object.
    Delete,
    /// Somebody changes its spec.
    Edit,
    /// Somebody copies a thing, with its marks.
    Copy(usize),
    /// A person looks at the provider and says what became of the open operation.
    Say,
}

impl Model {
    pub(crate) fn off(&self, rule: Rule) -> bool {
        self.off.contains(&rule)
    }

    /// Whether a list tells whose a thing is.
    pub(crate) fn lists(&self) -> bool {
        matches!(self.identity, Identity::Tag | Identity::KeyedTag)
    }
}

/// What a process may do next by itself.
pub(crate) fn moves(process: &Process, p: usize) -> impl Iterator<Item = Action> + use<> {
    let moves = match &process.phase {
        _ if !process.alive => [Some(Action::Start(p)), None],
        Phase::Idle => [Some(Action::Sync(p)), Some(Action::Look(p))],
        Phase::Decided(_) => [Some(Action::Intend(p)), None],
        Phase::Written(_) => [Some(Action::Send(p)), Some(Action::TooLate(p))],
        Phase::Sent(_) => [Some(Action::Answer(p)), Some(Action::Lose(p))],
        Phase::Ended(..) => [Some(Action::Report(p)), None],
    };
    moves.into_iter().flatten()
}

impl stateright::Model for Model {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let status = CloudMachineStatus { observed_generation: 1, ..CloudMachineStatus::default() };
        let object = Object {
            status: kept(status),
            deleting: false,
            edited: false,
            answer: None,
            gone: false,
        };
        let foreign = Thing {
            provider: 0,
            origin: Origin::Foreign,
            token: String::new(),
            digest: String::new(),
            living: true,
            shown: true,
            settles: None,
        };
        vec![State {
            time: 0,
            behind: 0,
            processes: vec![Process::started(&object), Process::dead(&object)],
            object,
            requests: Vec::new(),
            things: vec![foreign],
            left: self.budget,
            lost: false,
            repeated_blindly: false,
            unannounced: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (p, process) in state.processes.iter().enumerate() {
            actions.extend(moves(process, p));
            if process.alive && state.left.crashes > 0 {
                actions.push(Action::Crash(p));
            }
        }
        for r in 0..state.requests.len() {
            actions.extend([Action::Act(r), Action::Refuse(r)]);
        }
        for t in 1..state.things.len() {
            actions.extend([Action::Show(t), Action::Copy(t)]);
        }
        let Left { ticks, steps_back, deletions, edits, answers, .. } = state.left;
        let others = [
            (ticks, Action::Tick),
            (steps_back, Action::StepBack),
            (deletions, Action::Delete),
            (edits, Action::Edit),
            (answers, Action::Say),
        ];
        actions.extend(others.into_iter().filter(|(left, _)| *left > 0).map(|(_, action)| action));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.step(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never two living things of one object", |_, state: &State| {
                state.ours().count() <= 1
            }),
            Property::always(
                "no request leaves before its intent is stored",
                |_, state: &State| !state.unannounced,
            ),
            Property::always("an object that is gone leaves nothing", |_, state: &State| {
                !state.object.gone || state.ours().next().is_none()
            }),
            Property::always("what tells nothing is never asked twice", |_, state: &State| {
                !state.repeated_blindly
            }),
            Property::always("an object holds what was made for it", |_, state: &State| {
                ends::holds_its_own(state)
            }),
            Property::always("without more failures all ends well", |model: &Self, state| {
                !model.foresees || ends::well(model, state)
            }),
        ]
    }
}
