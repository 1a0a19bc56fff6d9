//! Effects exactly once: the operator dies at every point that matters, and by chance, over everything
//! that it does to a machine, at clouds of every idempotency kind that lose answers and lag; the
//! providers' own ledger says what became of it.
//!
//! `TEST_SEED` and `TEST_RUNS` say which runs; run *n* of seed *s* is the first run of seed *s + n*, so
//! that each can be asked for alone. `cargo xtask test --only crash --seed S --runs N` sets them.

mod actions;
#[path = "../faults/mod.rs"]
mod faults;
#[expect(dead_code, unused_imports, reason = "the end-to-end tests use more of their harness")]
#[path = "../e2e/harness/mod.rs"]
mod harness;
mod operation;
mod person;
mod plan;
mod run;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use faults::{Tallies, Tally, alone, asked, panicked, say};
use plan::Plan;

const SEED: u64 = 1;
/// The size in CI.
const RUNS: u64 = 100;
/// How many operators are at work at a time: most of the time they wait.
const LANES: u64 = 12;
/// From how many runs on each fault point must have been met.
const EVERY_POINT: u64 = 50;

#[test]
fn whatever_dies_each_effect_happens_once() {
    let seed = asked("TEST_SEED").unwrap_or(SEED);
    let runs = asked("TEST_RUNS").unwrap_or(RUNS);
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let counted = Mutex::new(Tallies::default());
    std::thread::scope(|lanes| {
        for _ in 0..LANES.min(runs) {
            lanes.spawn(|| alone(lane(seed, runs, &next, &counted)));
        }
    });
    let counted = counted.into_inner().expect("no panic");
    let seconds = begun.elapsed().as_secs();
    say(&format!("\ncrash suite: seed {seed}, {runs} runs, {seconds} s\n{}", counted.table()));
    let all = counted.all();
    assert_eq!(all.failed, 0, "of {runs} runs of seed {seed} {} failed", all.failed);
    if runs >= EVERY_POINT {
        let plans = (0..runs).map(|index| Plan::new(seed.wrapping_add(index)));
        let points: BTreeSet<_> = plans.flat_map(|plan| plan.points()).collect();
        assert_eq!(all.unmet(points), [""; 0], "points that no run met");
    }
}

/// Takes run after run, as long as there are some.
async fn lane(seed: u64, runs: u64, next: &AtomicU64, counted: &Mutex<Tallies>) {
    let mut stage = None;
    loop {
        let index = next.fetch_add(1, Ordering::AcqRel);
        if index >= runs {
            return;
        }
        let plan = Plan::new(seed.wrapping_add(index));
        let run = tokio::task::spawn_local(run::run(plan.clone(), stage.take()));
        let (mut tally, done) = match run.await {
            Ok(done) => done,
            Err(error) => (Tally::default(), Err(panicked(error))),
        };
        tally.runs = 1;
        match done {
            Ok(for_the_next) => stage = Some(for_the_next),
            Err(failure) => {
                tally.failed = 1;
                say(&format!("\nFAILED  run {index} of seed {seed}: {plan}\n{failure}\n"));
            }
        }
        counted.lock().expect("no panic").add(Some(plan.kind), &tally);
    }
}
