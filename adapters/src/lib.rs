//! Talks to providers as their definitions say.
//!
//! *Invariants*: knows no Kubernetes; nothing but the pipeline sends.

pub mod account;
pub mod alike;
pub mod clock;
pub mod compile;
pub mod contract;
pub mod error;
pub mod journal;
pub mod pipeline;
pub mod registry;
pub mod webhook;
