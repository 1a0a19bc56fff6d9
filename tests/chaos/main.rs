//! Everything at once: providers that fail, an API server that fails, and an operator that dies, on a
//! timeline from a seed, while machines come and go; then all faults end, and the providers' own ledger
//! says what became of it.
//!
//! `TEST_SEED`, `TEST_RUNS` and `TEST_MINUTES` say which timelines; number *n* of seed *s* is the first one of
//! seed *s + n*. `cargo xtask test --only chaos --seed S --minutes M` sets them.

#[path = "../faults/mod.rs"]
mod faults;
#[expect(dead_code, unused_imports, reason = "the end-to-end tests use more of their harness")]
#[path = "../e2e/harness/mod.rs"]
mod harness;
mod run;
mod timeline;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use faults::{Tallies, Tally, alone, asked, panicked, say};
use timeline::Timeline;

const SEED: u64 = 1;
/// How many timelines there are in CI, side by side.
const RUNS: u64 = 2;
/// How long a timeline is in CI.
const LENGTH: Duration = Duration::from_secs(40);

#[test]
fn whatever_fails_each_machine_is_made_once_and_goes() {
    let seed = asked("TEST_SEED").unwrap_or(SEED);
    let runs = asked("TEST_RUNS").unwrap_or(RUNS);
    let length = asked("TEST_MINUTES").map_or(LENGTH, Duration::from_mins);
    let begun = Instant::now();
    let counted = Mutex::new(Tallies::default());
    std::thread::scope(|lanes| {
        for index in 0..runs {
            let counted = &counted;
            lanes.spawn(move || {
                let timeline = Timeline::new(seed.wrapping_add(index), length);
                let tally = alone(follow(timeline));
                counted.lock().expect("no panic").add(None, &tally);
            });
        }
    });
    let counted = counted.into_inner().expect("no panic");
    let (seconds, length) = (begun.elapsed().as_secs(), length.as_secs());
    say(&format!(
        "\nchaos suite: seed {seed}, {runs} timelines of {length} s, {seconds} s\n{}",
        counted.table()
    ));
    let failed = counted.all().failed;
    assert_eq!(failed, 0, "of {runs} timelines of seed {seed} {failed} failed");
}

async fn follow(timeline: Timeline) -> Tally {
    let run = tokio::task::spawn_local(run::run(timeline.clone()));
    let (mut tally, done) = match run.await {
        Ok(done) => done,
        Err(error) => (Tally::default(), Err(panicked(error))),
    };
    tally.runs = 1;
    if let Err(failure) = done {
        tally.failed = 1;
        say(&format!("\nFAILED  {timeline}\n{failure}\n"));
    }
    tally
}
