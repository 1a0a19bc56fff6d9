//! A small Kubernetes API server inside your process, for trying, testing and rehearsing.
//!
//! It speaks to kubectl and kube-rs as the real one does where they look: discovery, OpenAPI v3,
//! CustomResourceDefinitions with pruning, defaulting, validation and CEL, optimistic concurrency,
//! patches and server-side apply with managed fields, watches with bookmarks and streaming lists,
//! finalizers, garbage collection, tables.
//!
//! **Invariant:** everything that is answered was stored by the store's single commit under
//! one global revision, and every reader sees commits in that order.
//!
//! What no real server offers: [`Server::set_fault`], or `POST /debug/faults` with the token, makes
//! conflicts, overload, errors, lost answers, late or ended watches and forgotten versions.
//!
//! # Honest limits
//!
//! For trying, testing and rehearsing, never production. One user with one token; no RBAC, no
//! admission webhooks, no aggregation. State is in memory and gone with the process, or with
//! [`Options::data`] in one folder that survives its death but not a power failure. Only the
//! kinds that matter to operators exist: Namespace, Secret, ConfigMap, Event, Lease,
//! ServiceAccount, Node (inert), CustomResourceDefinition and the self reviews; there are no
//! workloads. Bodies are JSON or YAML; of protobuf only what `kubectl create` sends for these kinds
//! is decoded; OpenAPI v2 is not served. CEL rules are checked for syntax at registration, not for
//! types or cost. The crate's README has the differences to the real server in a table.
//!
//! # Example
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = embedded_kube_api::Server::start(embedded_kube_api::Options::default()).await?;
//! server.write_kubeconfig("kubeconfig".as_ref())?;
//! // … use kubectl or kube-rs with that file …
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod clock;
mod controllers;
mod crd;
mod decode;
mod discovery;
mod faults;
mod http;
mod kinds;
mod meta;
mod patch;
mod protobuf;
mod registry;
mod render;
mod resource;
mod schema;
mod server;
mod ssa;
mod status;
mod store;
mod verbs;

pub use faults::{FAULTS, FaultError, FaultName, FaultSpec};
pub use server::{CertificateError, Options, Server, StartError, StorageError, WriteError};
