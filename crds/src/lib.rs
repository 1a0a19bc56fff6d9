//! The API types of group `infrafabric.io`, one file per kind.
//!
//! *Invariant*: types, schemas and documented constants only; nothing here talks to anything.
//! A field, enum value or kind stands here when it works, not before.

#![expect(
    clippy::duplicated_attributes,
    reason = "every printer column names its type; the lint takes them for one attribute"
)]

pub mod cloud_machine;
pub mod condition;
pub mod engine;
pub mod provider;
pub mod provider_definition;
mod schema;

pub use cloud_machine::{CloudMachine, CloudMachineSpec, CloudMachineStatus};
pub use condition::Condition;
pub use provider::{Provider, ProviderSpec, ProviderStatus};
pub use provider_definition::{ProviderDefinition, ProviderDefinitionSpec};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// The API group.
pub const GROUP: &str = "infrafabric.io";

/// Held on an object while something of it may exist at a provider, or while another object needs
/// it.
pub const FINALIZER: &str = "infrafabric.io/finalizer";

/// Any value asks for a reconcile now; it comes back in `status.lastHandledReconcileAt`.
pub const RECONCILE_ANNOTATION: &str = "infrafabric.io/reconcile-requested-at";

/// `"true"` lets go of an object without touching the provider.
pub const DETACH_ANNOTATION: &str = "infrafabric.io/detach";

/// `adopt=<id>` or `forget` says what became of an operation whose outcome is unknown; it is taken off
/// when it was acted on.
pub const RESOLVE_ANNOTATION: &str = "infrafabric.io/resolve";

/// All CustomResourceDefinitions, as they are installed.
pub fn all() -> Vec<CustomResourceDefinition> {
    [ProviderDefinition::crd(), Provider::crd(), CloudMachine::crd()].map(schema::finish).into()
}
