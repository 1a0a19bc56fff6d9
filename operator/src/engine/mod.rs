//! What the operator offers to every kind: accounts, the effect journal, failover, placement and
//! observation.
//!
//! *Invariant*: `failover`, `placement`, `recovery`, `sweep` and `naming` are pure: no client and no clock.

pub mod accounts;
pub mod catalogs;
pub mod failover;
pub mod halt;
pub mod journal;
pub mod naming;
pub mod observation;
pub mod orphans;
pub mod placement;
pub mod recovery;
pub mod status;
pub mod sweep;
