//! How an account served over the last quarter of an hour.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use infrafabric_definition::Class;

/// How long one slot counts.
const SLOT: Duration = Duration::from_mins(1);
/// How many slots there are: a quarter of an hour.
const SLOTS: usize = 15;

/// What the calls of the last quarter of an hour were like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Calls that ended.
    pub calls: u32,
    /// Those that the provider did not serve: classes `Unavailable` and `Unknown`.
    pub failed: u32,
    /// How long those took that it served, on the average.
    pub latency: Duration,
}

/// Counts by the minute; what is older than the window is overwritten.
#[derive(Debug)]
pub(crate) struct Window {
    began: Instant,
    slots: Mutex<[Slot; SLOTS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which minute since the beginning, from 1; 0 is none.
    minute: u64,
    calls: u32,
    failed: u32,
    served: Duration,
}

impl Window {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, slots: Mutex::default() }
    }

    /// Counts a call that ended; the class of its failure, if it failed.
    pub(crate) fn count(&self, failed: Option<Class>, took: Duration, now: Instant) {
        let minute = self.minute(now);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut slots[usize::try_from(minute).unwrap_or_default() % SLOTS];
        if slot.minute != minute {
            *slot = Slot { minute, ..Slot::default() };
        }
        slot.calls = slot.calls.saturating_add(1);
        match failed {
            Some(Class::Unavailable | Class::Unknown) => {
                slot.failed = slot.failed.saturating_add(1);
            }
            _ => slot.served += took,
        }
    }

    /// What it was like of late.
    pub(crate) fn quality(&self, now: Instant) -> Quality {
        let oldest = self.minute(now).saturating_sub(SLOTS as u64 - 1).max(1);
        let slots = *self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Slot::default();
        for slot in slots.iter().filter(|slot| slot.minute >= oldest) {
            all.calls = all.calls.saturating_add(slot.calls);
            all.failed = all.failed.saturating_add(slot.failed);
            all.served += slot.served;
        }
        let latency = all.served.checked_div(all.calls - all.failed).unwrap_or_default();
        Quality { calls: all.calls, failed: all.failed, latency }
    }

    fn minute(&self, now: Instant) -> u64 {
        1 + now.saturating_duration_since(self.began).as_secs() / SLOT.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quarter_of_an_hour_counts() {
        let began = Instant::now();
        let window = Window::new(began);
        assert_eq!(window.quality(began), Quality::default());
        let at = |minute: u64| began + Duration::from_secs(60 * minute);
        window.count(None, Duration::from_millis(100), at(0));
        window.count(Some(Class::Capacity), Duration::from_millis(300), at(1));
        window.count(Some(Class::Unavailable), Duration::from_secs(30), at(2));
        let quality = window.quality(at(2));
        assert_eq!((quality.calls, quality.failed), (3, 1));
        assert_eq!(quality.latency, Duration::from_millis(200), "a refusal is an answer");
        assert_eq!(window.quality(at(15)).calls, 2);
        assert_eq!(window.quality(at(17)), Quality::default());
        window.count(None, Duration::from_millis(50), at(31));
        assert_eq!(window.quality(at(31)).calls, 1, "a slot is used again");
    }
}
