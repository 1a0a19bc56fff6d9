//! What the suites that let the operator die share: chance from a seed, clouds of every idempotency
//! kind, the laws that hold whatever happens, and what was counted.

mod kinds;
mod laws;
mod life;
mod random;
mod shown;
mod tally;

pub(crate) use kinds::{Kind, LAG};
pub(crate) use laws::{Books, strangers};
pub(crate) use life::{Kill, Life};
pub(crate) use random::Random;
pub(crate) use shown::shown;
pub(crate) use tally::{Tallies, Tally};

/// A number from the environment.
pub(crate) fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Says something also when the test passes: libtest keeps what is printed, not what is written.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Does something to its end in a runtime of its own, which may spawn what is not `Send`.
pub(crate) fn alone<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), work)
}

/// What a task that panicked said.
pub(crate) fn panicked(error: tokio::task::JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_else(|| "it panicked".to_owned())
}
