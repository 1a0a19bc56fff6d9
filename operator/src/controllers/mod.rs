//! One controller a kind, each observe → decide → act → report.
//!
//! *Invariant*: every `decide` is pure; it has no client and no clock.

pub mod cloud_machine;
pub mod provider;
pub mod provider_definition;
