//! End to end: the operator's binary against a Kubernetes API and simulated providers.
//!
//! Each test has its own API server, providers and operator, and asks the providers' own ledger
//! for the truth. `TEST_KUBECONFIG` names another API server to use instead of the
//! embedded one; the tests then run one after the other.
//!
//! *Invariant*: every wait is a poll with a deadline.

mod harness;

mod chaos;
mod cli;
mod crash;
mod definitions;
mod deletion;
mod exactly_once;
mod failback;
mod failover;
mod hostile;
mod parts;
mod placement;
mod power;
mod process;
mod refusal;
mod running;
mod sandbox;
mod telemetry;
