//! Effects exactly once, checked over every interleaving within bounds: operators that die, overlap
//! and see old copies, answers that are lost, lists that lag, clocks that are set back, people who
//! delete, edit and answer. All rules together hold; each one switched off has a counterexample.

mod ends;
mod model;
mod operator;
mod rules;
mod state;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Instant;

use model::{Action, Identity, Model};
use rules::Rule;
use state::Left;
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// What the adversary may do, named by what it is about.
fn scenarios() -> Vec<(&'static str, Identity, Left)> {
    let base = Left { ticks: 3, losses: 1, refusals: 1, crashes: 1, ..Left::default() };
    let two = Left { overlaps: 1, crashes: 0, ..base };
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

/// What was found.
struct Report {
    states: usize,
    depth: usize,
    /// The property that does not hold, and how to get there.
    broken: Option<(&'static str, Vec<Action>)>,
}

fn explore(identity: Identity, budget: Left, off: Option<Rule>) -> Report {
    let model = Model { identity, off, budget, ends: Mutex::new(HashMap::new()) };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries().into_iter();
    let broken =
        found.map(|(name, path)| (name, path.into_actions())).min_by_key(|(_, path)| path.len());
    Report { states: checker.unique_state_count(), depth: checker.max_depth(), broken }
}

#[test]
fn all_rules_together_hold() {
    let mut said = String::new();
    let mut broken = false;
    for (name, identity, budget) in scenarios() {
        let began = Instant::now();
        let Report { states, depth, broken: found } = explore(identity, budget, None);
        let _ = writeln!(said, "{name}: {states} states, depth {depth}, {:?}", began.elapsed());
        if let Some((property, path)) = found {
            broken = true;
            let _ = writeln!(said, "  not so: {property}: {path:?}");
        }
    }
    eprintln!("{said}");
    assert!(!broken, "{said}");
}

#[test]
fn each_rule_is_needed() {
    let mut said = String::new();
    let mut idle = Vec::new();
    for (rule, scenario) in Rule::ALL {
        let all = scenarios();
        let (_, identity, budget) = all.iter().find(|(name, ..)| *name == scenario).expect("one");
        match explore(*identity, *budget, Some(rule)).broken {
            Some((property, path)) => {
                let (steps, path) = (path.len(), path);
                let _ = writeln!(
                    said,
                    "without {rule:?} ({scenario}), not so in {steps} steps: {property}: {path:?}"
                );
            }
            None => idle.push(rule),
        }
    }
    eprintln!("{said}");
    assert!(idle.is_empty(), "nothing happens without {idle:?}");
}
