//! What the suites that let the operator die share: chance from a seed, clouds of every idempotency
//! kind, the laws that hold whatever happens, and what was counted.

mod kinds;
mod laws;
mod life;
mod random;
mod tally;

pub(crate) use kinds::{Kind, LAG};
pub(crate) use laws::{Books, strangers};
pub(crate) use life::{Kill, Life};
pub(crate) use random::Random;
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

/// Does something in a runtime and on a thread of its own; what it said when it panicked.
pub(crate) fn alone<T: Send, F: Future<Output = T>>(
    work: impl FnOnce() -> F + Send,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let done = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work())).join());
    done.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
        text.unwrap_or_else(|| "it panicked".to_owned())
    })
}
