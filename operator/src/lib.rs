//! Placeholder.

pub mod witness;
