//! Where the simulator reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The time as the simulated providers see it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// What a test has added to a time that stands still; the computer's clock when absent.
    manual: Option<Arc<Manual>>,
}

#[derive(Debug)]
struct Manual {
    start: DateTime<Utc>,
    advanced_micros: AtomicI64,
}

/// The hand that moves a manual clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Manual>);

impl Clock {
    /// The computer's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at `start` until its hand is moved.
    pub fn manual(start: DateTime<Utc>) -> (Self, ManualClock) {
        let manual = Arc::new(Manual { start, advanced_micros: AtomicI64::new(0) });
        (Self { manual: Some(Arc::clone(&manual)) }, ManualClock(manual))
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the simulator's Clock")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.manual {
            None => Utc::now(),
            Some(manual) => {
                let advanced = manual.advanced_micros.load(Ordering::Acquire);
                manual.start + TimeDelta::microseconds(advanced)
            }
        }
    }
}

impl ManualClock {
    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.advanced_micros.fetch_add(micros, Ordering::AcqRel);
    }
}
