//! Patch formats that no crate offers.

pub(crate) mod json;
pub(crate) mod last_applied;
pub(crate) mod strategic;
