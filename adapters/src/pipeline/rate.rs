//! Stage 5: the account's request rate, as published and as learnt from answers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use infrafabric_definition::Rate as Published;

/// Who would wait longer than this is told to come back instead.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest pause that an answer can ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The pause after a first 429 that does not say how long; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A token bucket that answers can empty.
///
/// Burst and refill together never exceed the published count in any window of its length: a fifth
/// of it at once, four fifths spread over the window.
#[derive(Debug)]
pub(crate) struct Rate(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Most tokens at once and tokens a second; `None` without a published rate.
    bucket: Option<(f64, f64)>,
    tokens: f64,
    filled: Instant,
    blocked_until: Option<Instant>,
    refusals: u32,
}

/// What an answer says about the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learnt {
    /// The provider refused for the rate.
    pub(crate) refused: bool,
    /// Not before this much time.
    pub(crate) retry_after: Option<Duration>,
    /// Requests left.
    pub(crate) remaining: Option<u32>,
    /// When the count starts anew.
    pub(crate) reset: Option<Duration>,
}

impl Rate {
    pub(crate) fn new(published: Option<&Published>, now: Instant) -> Self {
        let bucket = published.and_then(Published::parts).map(|(count, seconds)| {
            let most = (f64::from(count) / 5.0).max(1.0);
            (most, f64::from(count) * 0.8 / f64::from(seconds))
        });
        let tokens = bucket.map_or(0.0, |(most, _)| most);
        let state = State { bucket, tokens, filled: now, blocked_until: None, refusals: 0 };
        Self(Mutex::new(state))
    }

    /// Takes a place in the queue: how long to wait before sending, or how long to stay away.
    pub(crate) fn take(&self, now: Instant) -> Result<Duration, Duration> {
        let mut state = self.state();
        state.fill(now);
        let blocked =
            state.blocked_until.map_or(Duration::ZERO, |t| t.saturating_duration_since(now));
        let queued = match state.bucket {
            Some((_, per_second)) if state.tokens < 1.0 => {
                Duration::from_secs_f64((1.0 - state.tokens) / per_second)
            }
            _ => Duration::ZERO,
        };
        let wait = blocked.max(queued);
        if wait > LONGEST_WAIT {
            return Err(wait);
        }
        if state.bucket.is_some() {
            state.tokens -= 1.0;
        }
        Ok(wait)
    }

    /// Learns from an answer. Returns how long to stay away after a refusal.
    pub(crate) fn learn(&self, learnt: Learnt, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        state.fill(now);
        if let Some(remaining) = learnt.remaining {
            state.tokens = state.tokens.min(f64::from(remaining));
        }
        if !learnt.refused {
            state.refusals = 0;
            if let (Some(0), Some(reset)) = (learnt.remaining, learnt.reset) {
                state.block(now, reset);
            }
            return None;
        }
        let growing = FIRST_PAUSE * 2_u32.saturating_pow(state.refusals.min(6));
        state.refusals = state.refusals.saturating_add(1);
        let pause = learnt.retry_after.or(learnt.reset).unwrap_or(growing);
        Some(state.block(now, pause))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fill(&mut self, now: Instant) {
        if let Some((most, per_second)) = self.bucket {
            let gained = now.saturating_duration_since(self.filled).as_secs_f64() * per_second;
            self.tokens = (self.tokens + gained).min(most);
        }
        self.filled = self.filled.max(now);
    }

    fn block(&mut self, now: Instant, pause: Duration) -> Duration {
        let pause = pause.min(LONGEST_PAUSE);
        self.blocked_until = self.blocked_until.max(Some(now + pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_holds_more_than_the_published_count() {
        let start = Instant::now();
        let rate = Rate::new(Some(&Published("60/m".to_owned())), start);
        let mut sent = Vec::new();
        for step in 0..1_200 {
            let now = start + Duration::from_millis(100 * step);
            while rate.take(now) == Ok(Duration::ZERO) {
                sent.push(now);
            }
        }
        // `take` queues the one that did not pass at once, which costs it its token too.
        let minute = Duration::from_mins(1);
        let most =
            sent.iter().map(|t| sent.iter().filter(|u| **u >= *t && **u < *t + minute).count());
        assert!(most.max().expect("some were sent") <= 60);
        assert!(sent.len() >= 12);
    }

    #[test]
    fn waiting_is_bounded() {
        let now = Instant::now();
        let rate = Rate::new(Some(&Published("1/s".to_owned())), now);
        assert_eq!(rate.take(now), Ok(Duration::ZERO));
        let waits: Vec<_> = (0..50).map(|_| rate.take(now)).collect();
        assert!(waits.iter().flatten().all(|wait| *wait <= LONGEST_WAIT));
        assert!(waits.last().expect("some").is_err(), "the fiftieth is told to come back");
    }

    #[test]
    fn refusals_block_and_grow() {
        let now = Instant::now();
        let rate = Rate::new(None, now);
        let refused = Learnt { refused: true, ..Learnt::default() };
        assert_eq!(rate.learn(refused, now), Some(FIRST_PAUSE));
        assert_eq!(rate.learn(refused, now), Some(2 * FIRST_PAUSE));
        assert_eq!(rate.take(now), Ok(2 * FIRST_PAUSE));
        let said = Learnt { retry_after: Some(Duration::from_mins(1)), ..refused };
        assert_eq!(rate.learn(said, now), Some(Duration::from_mins(1)));
        assert_eq!(rate.take(now), Err(Duration::from_mins(1)));
        assert_eq!(rate.take(now + Duration::from_mins(1)), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_left_is_not_exceeded() {
        let now = Instant::now();
        let rate = Rate::new(Some(&Published("1000/s".to_owned())), now);
        let reset = Some(Duration::from_secs(30));
        rate.learn(Learnt { remaining: Some(0), reset, ..Learnt::default() }, now);
        assert_eq!(rate.take(now), Err(Duration::from_secs(30)));
    }
}
