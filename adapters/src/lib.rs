//! Talks to providers as their definitions say.
//!
//! *Invariants*: knows no Kubernetes; nothing but the pipeline sends.

pub mod compile;
