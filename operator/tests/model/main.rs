//! Effects exactly once, checked over every interleaving within bounds: operators that die, overlap
//! and see old copies, answers that are lost, lists that lag, clocks that are set back, people who
//! delete, edit and answer. All rules together hold; each one switched off has a counterexample.

mod adversary;
mod ends;
mod model;
mod observe;
mod operator;
mod rules;
mod state;
mod steps;

use std::sync::Mutex;
use std::time::Instant;

use model::{Action, Identity, Model};
use rules::Rule;
use state::Left;
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// What the adversary may do, named by what it is about.
fn scenarios() -> Vec<Scenario> {
    let base = Left { ticks: 3, losses: 1, refusals: 1, crashes: 1, ..Left::default() };
    // A call that never comes ends by its deadline: no answer need be lost besides.
    let two = Left { overlaps: 1, crashes: 0, losses: 0, ..base };
    vec![
        ("tag", Identity::Tag, Left { deletions: 1, ..base }),
        ("tag, copied", Identity::Tag, Left { copies: 1, ..base }),
        ("tag, two operators", Identity::Tag, two),
        ("tag, clock set back", Identity::Tag, Left { steps_back: 2, refusals: 0, ..base }),
        ("keyed and tag", Identity::KeyedTag, Left { edits: 1, ..base }),
        ("keyed", Identity::Keyed, Left { deletions: 1, ..base }),
        ("keyed, edited", Identity::Keyed, Left { edits: 1, ..base }),
        ("keyed, two operators", Identity::Keyed, two),
        ("none", Identity::None, Left { answers: 1, deletions: 1, ..base }),
        ("none, two operators", Identity::None, Left { answers: 1, ..two }),
    ]
}

/// What is explored: its name, how things are recognised, what the adversary may do.
type Scenario = (&'static str, Identity, Left);

/// The property that does not hold, and how to get there.
type Broken = (&'static str, Vec<Action>);

/// What was found.
struct Report {
    states: usize,
    depth: usize,
    broken: Option<Broken>,
}

fn explore(scenario: &Scenario, off: &'static [Rule], foresees: bool, below: usize) -> Report {
    let (_, identity, budget) = *scenario;
    let (ends, looks) = (Mutex::default(), Mutex::default());
    let model = Model { identity, off, budget, foresees, ends, looks };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.target_max_depth(below).spawn_bfs().join();
    let found = checker.discoveries().into_iter();
    let broken = found.map(|(name, path)| (name, path.into_actions()));
    let broken = broken.min_by_key(|(_, path)| path.len());
    Report { states: checker.unique_state_count(), depth: checker.max_depth(), broken }
}

/// The shortest way to what does not hold: to what went wrong, or else to what will.
fn counterexample(scenario: &Scenario, off: &'static [Rule]) -> Option<Broken> {
    let any = |foresees| explore(scenario, off, foresees, usize::MAX).broken.zip(Some(foresees));
    let (mut shortest, foresees) = any(false).or_else(|| any(true))?;
    // The checker names one of the first that it met, not the very first.
    while let Some(shorter) = explore(scenario, off, foresees, shortest.1.len() + 1).broken {
        if shorter.1.len() >= shortest.1.len() {
            break;
        }
        shortest = shorter;
    }
    Some(shortest)
}

fn scenario(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.0 == name).expect("a scenario")
}

#[test]
fn all_rules_together_hold() {
    let look = |scenario: Scenario| {
        let began = Instant::now();
        let Report { states, depth, broken } = explore(&scenario, &[], true, usize::MAX);
        let took = began.elapsed().as_millis();
        eprintln!("{}: {states} states, depth {depth}, {took} ms", scenario.0);
        broken.map(|(property, path)| format!("{}: not so: {property}: {path:?}", scenario.0))
    };
    let looks: Vec<_> = scenarios()
        .into_iter()
        .map(|scenario| std::thread::spawn(move || look(scenario)))
        .collect();
    let broken = looks.into_iter().filter_map(|look| look.join().expect("it ended"));
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn each_rule_is_needed() {
    for (off, name) in Rule::ALL {
        let found = counterexample(&scenario(name), off);
        let (property, path) = found.unwrap_or_else(|| panic!("nothing happens without {off:?}"));
        let steps = path.len();
        eprintln!("without {off:?} ({name}), not so after {steps} steps: {property}: {path:?}");
    }
}

#[test]
fn one_operator_needs_either_its_own_writes_or_the_version() {
    for off in [&[Rule::OwnWrites], &[Rule::OneVersion]] {
        assert!(counterexample(&scenario("tag"), off).is_none(), "{off:?}");
    }
}
