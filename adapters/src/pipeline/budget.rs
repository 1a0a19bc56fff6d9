//! Stage 3: may the effect cost what it costs?

use crate::error::AdapterError;

/// Lets every call pass: machines are chosen with their price by the caller, and no budget exists
/// yet that a call could exceed. The stage stands in its place so that a budget stops the call
/// before the breaker's probe and the rate's permit are used up.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a stage that can refuse")]
pub(crate) fn allow() -> Result<(), AdapterError> {
    Ok(())
}
