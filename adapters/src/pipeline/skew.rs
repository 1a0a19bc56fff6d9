//! How far our clock is from a provider's, learnt from its answers, for signatures with a time.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// Differences up to this are the network's, not the clocks'.
const NOISE_SECONDS: i64 = 5;
/// A provider whose clock is further off is wrong itself.
const MOST_SECONDS: i64 = 24 * 3600;

/// The provider's clock minus ours.
#[derive(Debug, Default)]
pub(crate) struct Skew(AtomicI64);

impl Skew {
    /// Our time as the provider would say it.
    pub(crate) fn apply(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }

    /// Learns from an answer's date.
    pub(crate) fn learn(&self, theirs: DateTime<Utc>, ours: DateTime<Utc>) {
        let seconds = (theirs - ours).num_seconds();
        match seconds.abs() {
            0..=NOISE_SECONDS => self.0.store(0, Ordering::Relaxed),
            ..=MOST_SECONDS => self.0.store(seconds, Ordering::Relaxed),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_believable_difference_counts() {
        let now = DateTime::from_timestamp(1_000_000_000, 0).expect("a time");
        let skew = Skew::default();
        for (difference, learnt) in [(600, 600), (3, 0), (-7200, -7200), (1_000_000, -7200)] {
            skew.learn(now + TimeDelta::seconds(difference), now);
            assert_eq!(skew.apply(now), now + TimeDelta::seconds(learnt), "{difference}");
        }
    }
}
