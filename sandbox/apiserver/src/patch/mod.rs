//! Patch formats that no crate offers.

pub(crate) mod strategic;
