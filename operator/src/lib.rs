//! The operator: controllers that drive objects of group `infrafabric.io` through provider
//! adapters toward their desired state.
//!
//! *Invariants*: nothing here sends to a provider but through `infrafabric_adapters`' pipeline; no
//! effect happens without its intent in the object's status and in the witness log; links no
//! simulator.

pub mod context;
pub mod controllers;
pub mod engine;
pub mod fault_point;
pub mod finalizer;
pub mod health;
pub mod installation;
pub mod metrics;
pub mod run;
pub mod times;
pub mod traces;
pub mod trust;
pub mod witness;
