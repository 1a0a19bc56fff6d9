//! Last stage: what the account costs from now on.

/// Records nothing: the price of a machine is known to the caller that chose its size, not to the
/// answer. The stage stands in its place for providers that say what a call cost (messages, calls,
/// tokens).
pub(crate) fn settle() {}
