//! Simulated provider accounts: every definition's `sandbox:` section, served on loopback.
//!
//! A provider is at `{world}/p/{definition}`; the admin API is beneath `{world}/_world/`. Requests
//! are matched against the definition's own operations, so nothing here knows a provider; what devices
//! push is in the protocols that definitions name.
//!
//! *Invariants*: no lock is held across an await; what the ledger holds happened; no credential is
//! stored outside [`Account`](provider::Account) or shown anywhere.

mod actions;
mod admin;
mod answer;
mod auth;
mod beside;
mod capture;
mod children;
mod client;
mod deliver;
mod exchange;
mod fault;
mod form;
mod home_assistant;
mod ledger;
mod login;
mod objects;
mod obs;
mod oci;
mod ovh;
mod plan;
mod provider;
mod pushed;
mod received;
mod recorder;
mod rehearsal;
mod route;
mod rsa;
mod server;
mod service_account;
mod signature;
mod sigv4;
mod thing;
mod vars;
mod vmix;
mod websocket;
mod xml;

pub use client::{ClientError, WorldClient, bring};
pub use deliver::{Delivered, deliveries};
pub use fault::{FAULTS, FaultName, FaultShown, FaultSpec};
pub use form::nested as read_form;
pub use ledger::{Delivery, Effect, LedgerEntry, LedgerPage, Unmatched};
pub use recorder::{Exchange, Recorder};
pub use rehearsal::{Rehearsed, rehearse, rehearse_at};
pub use server::{StartError, World, WorldOptions};
pub use thing::ThingShown;
