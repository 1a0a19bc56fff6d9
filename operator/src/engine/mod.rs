//! What the operator offers to every kind: accounts, the effect journal, failover, placement and
//! observation.
//!
//! *Invariant*: `failover`, `score`, `placement`, `currency`, `recovery`, `sweep` and `naming` are pure: no client and no clock.

pub mod accounts;
pub mod blocks;
pub mod catalogs;
pub mod config_map;
pub mod currency;
pub mod failover;
pub mod halt;
pub mod journal;
pub mod naming;
pub mod observation;
pub mod orphans;
pub mod placement;
pub mod recovery;
pub mod score;
pub mod status;
pub mod sweep;
