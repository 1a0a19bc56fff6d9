//! Stage 11: what may be repeated, and how soon.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use infrafabric_definition::Class;
use tokio::time::Instant;

use super::answer::Answer;
use super::call::Ready;
use crate::error::AdapterError;

/// Repetitions of a call, at most.
const REPETITIONS: u32 = 2;
/// A failure that took longer is not repeated: the caller has waited enough.
const QUICK: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// What asks for a longer pause is left to the caller.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Decides after each attempt.
///
/// # Guarantees
/// An effect whose token the provider does not honour is attempted once. Once an attempt of an
/// effect ended in doubt, the call ends in success or in doubt: a later refusal says nothing about
/// the earlier attempt.
#[derive(Debug)]
pub(crate) struct Retry {
    repeatable: bool,
    done: u32,
    deadline: Instant,
    doubt: Option<AdapterError>,
}

/// What comes after an attempt.
#[derive(Debug)]
pub(crate) enum Next {
    /// The same again, after a pause.
    Again(Duration),
    /// This is the end of it.
    End(Box<Result<Answer, AdapterError>>),
}

impl Retry {
    pub(crate) fn new(call: &Ready<'_>, deadline: Instant) -> Self {
        let repeatable = call.effect.is_none_or(|effect| effect.keyed);
        Self { repeatable, done: 0, deadline, doubt: None }
    }

    /// Decides by the result of an attempt that began at `began`.
    pub(crate) fn after(&mut self, result: Result<Answer, AdapterError>, began: Instant) -> Next {
        let error = match result {
            Ok(answer) => return Next::End(Box::new(Ok(answer))),
            Err(error) => error,
        };
        let in_doubt = error.class == Class::Unknown;
        if let Some(pause) = self.pause(&error, began) {
            self.done += 1;
            if in_doubt {
                self.doubt = Some(error);
            }
            return Next::Again(pause);
        }
        let earlier = self.doubt.take().filter(|_| !in_doubt);
        Next::End(Box::new(Err(earlier.unwrap_or(error))))
    }

    fn pause(&self, error: &AdapterError, began: Instant) -> Option<Duration> {
        let passing = matches!(error.class, Class::Unavailable | Class::Unknown);
        let quick = began.elapsed() < QUICK;
        if !(self.repeatable && passing && quick && self.done < REPETITIONS) {
            return None;
        }
        let pause =
            error.retry_after.unwrap_or_else(|| jittered(FIRST_PAUSE * 2_u32.pow(self.done)));
        let in_time = Instant::now() + pause < self.deadline;
        (pause <= LONGEST_PAUSE && in_time).then_some(pause)
    }
}

/// Between half of the pause and all of it, so that many callers do not come back together.
fn jittered(pause: Duration) -> Duration {
    // The standard library's hasher is seeded by the system's random numbers.
    let random = u32::try_from(RandomState::new().hash_one(0_u8) % 1_000).unwrap_or(0);
    pause / 2 + pause / 2 * random / 1_000
}
