//! Places where a test lets the process die: before and after every await whose end another process
//! may have to make up for.
//!
//! A build without `debug_assertions` has nothing of it but the empty function. In a debug build the
//! hidden environment variable `INFRAFABRIC_FAULT_POINTS` holds a schedule such as
//! `intent.witness.before:2,report.status.after:1`: the process kills itself by SIGKILL when it is at the
//! point for that time. While the variable is set, be it empty, each point that is reached is logged as
//! `fault point` with its name, so that a test can tell which ones it met.

/// Every point, in the order of an object's life. Those whose names begin with `finalizer` are reached
/// by every kind that has one.
pub const POINTS: [&str; 27] = [
    "reconcile.before",
    "reconcile.observed",
    "finalizer.add.before",
    "finalizer.add.after",
    "intent.status.before",
    "intent.witness.before",
    "intent.witness.after",
    "send.before",
    "outcome.witness.before",
    "outcome.witness.after",
    "change.before",
    "change.after",
    "retire.before",
    "retire.after",
    "answer.drop.before",
    "answer.drop.after",
    "reconcile.acted",
    "report.status.before",
    "report.status.after",
    "release.before",
    "orphan.add.before",
    "orphan.add.after",
    "finalizer.remove.before",
    "finalizer.remove.after",
    "release.after",
    "sweep.before",
    "sweep.after",
];

/// Is reached; the process may end here when a test wants it to.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn fault_point(_: &'static str) {}

#[cfg(debug_assertions)]
pub use debug::fault_point;

#[cfg(debug_assertions)]
mod debug {
    use std::collections::HashMap;
    use std::process::Command;
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// What is left of the schedule, by point: at the how manieth time the process dies there.
    struct Schedule {
        at: HashMap<String, Vec<u64>>,
        reached: Mutex<HashMap<&'static str, u64>>,
    }

    /// Is reached; the process may end here when a test wants it to.
    pub fn fault_point(name: &'static str) {
        debug_assert!(super::POINTS.contains(&name), "{name} is no known point");
        let Some(schedule) = schedule() else { return };
        let time = {
            let mut reached = schedule.reached.lock().unwrap_or_else(PoisonError::into_inner);
            let time = reached.entry(name).or_default();
            *time += 1;
            *time
        };
        tracing::info!(point = name, time, "fault point");
        if schedule.at.get(name).is_some_and(|times| times.contains(&time)) {
            die();
        }
    }

    fn schedule() -> Option<&'static Schedule> {
        static SCHEDULE: OnceLock<Option<Schedule>> = OnceLock::new();
        let read = || Some(parse(&std::env::var("INFRAFABRIC_FAULT_POINTS").ok()?));
        SCHEDULE.get_or_init(read).as_ref()
    }

    fn parse(text: &str) -> Schedule {
        let mut at = HashMap::<String, Vec<u64>>::new();
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            let (name, time) = entry.split_once(':').unwrap_or((entry, "1"));
            at.entry(name.to_owned()).or_default().push(time.parse().unwrap_or(1));
        }
        Schedule { at, reached: Mutex::default() }
    }

    /// SIGKILL, so that nothing of ours runs afterwards: no destructor, no flush, no handler.
    fn die() {
        let own = std::process::id().to_string();
        // The signal comes while this waits; whoever has no `kill` ends almost as suddenly.
        let _ = Command::new("kill").args(["-9", &own]).status();
        std::process::abort();
    }

    #[cfg(test)]
    mod tests {
        use super::parse;

        #[test]
        fn a_schedule_names_points_and_times() {
            let schedule = parse("send.before:2,send.before:5,report.status.after");
            assert_eq!(schedule.at["send.before"], [2, 5]);
            assert_eq!(schedule.at["report.status.after"], [1]);
            assert!(parse("").at.is_empty());
        }
    }
}
