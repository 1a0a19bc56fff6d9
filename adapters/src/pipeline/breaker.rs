//! Stage 4: a provider that does not serve is asked less and less often.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many failures in a row open it.
const FAILURES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// A probe that nobody ended counts as lost after this time.
const PROBE: Duration = Duration::from_mins(1);
/// When to come back while a probe is under way: it ends long before it counts as lost.
const PROBE_WAIT: Duration = Duration::from_secs(2);

/// Delays calls to a provider that fails, and never forgets one: a refused call is told when to
/// come back.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// How often it opened since the last success.
    opened: u32,
    /// Refuses until then; afterwards one probe may pass.
    open_until: Option<Instant>,
    /// Whether that probe is under way.
    probing: bool,
}

impl Breaker {
    /// Lets a call pass, or says how long to wait. When it was open, the call that passes is the
    /// probe, and others wait for what it finds.
    pub(crate) fn enter(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        match state.open_until {
            None => Ok(()),
            Some(until) if now < until && state.probing => Err(PROBE_WAIT.min(until - now)),
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                state.open_until = Some(now + PROBE);
                state.probing = true;
                Ok(())
            }
        }
    }

    /// The call that passed was stopped before it asked the provider.
    pub(crate) fn unused(&self, now: Instant) {
        let mut state = self.state();
        if state.open_until.is_some() {
            state.open_until = Some(now);
            state.probing = false;
        }
    }

    /// The provider served, whatever it answered.
    pub(crate) fn served(&self) {
        *self.state() = State::default();
    }

    /// The provider did not serve.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.failures += 1;
        if state.failures >= FAILURES {
            let pause = FIRST_PAUSE * 2_u32.saturating_pow(state.opened.min(10));
            state.opened += 1;
            state.open_until = Some(now + pause.min(LONGEST_PAUSE));
            state.probing = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_probes_grows_and_closes() {
        let breaker = Breaker::default();
        let start = Instant::now();
        for _ in 0..FAILURES {
            assert_eq!(breaker.enter(start), Ok(()));
            breaker.failed(start);
        }
        assert_eq!(breaker.enter(start), Err(FIRST_PAUSE));
        let later = start + FIRST_PAUSE;
        assert_eq!(breaker.enter(later), Ok(()), "the probe");
        assert_eq!(breaker.enter(later), Err(PROBE_WAIT), "others come back soon");
        let away = later + PROBE;
        assert_eq!(breaker.enter(away), Ok(()), "the probe was lost");
        breaker.failed(away);
        assert_eq!(breaker.enter(away), Err(2 * FIRST_PAUSE), "the pause grows");
        let last = away + 2 * FIRST_PAUSE;
        assert_eq!(breaker.enter(last), Ok(()));
        breaker.served();
        assert_eq!(breaker.enter(last), Ok(()));
        assert_eq!(breaker.enter(last), Ok(()));
    }

    #[test]
    fn the_pause_is_bounded_and_an_unused_probe_is_given_back() {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        for _ in 0..100 {
            breaker.failed(now);
            now += LONGEST_PAUSE;
            assert_eq!(breaker.enter(now), Ok(()));
        }
        breaker.unused(now);
        assert_eq!(breaker.enter(now), Ok(()));
    }
}
