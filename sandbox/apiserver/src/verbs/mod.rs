//! What can be done with objects.

mod admit;
mod create;
pub(crate) mod delete;
pub(crate) mod options;
mod patch;
pub(crate) mod read;
mod reviews;
mod scale;
mod update;
pub(crate) mod watch;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use delete::Deleted;
pub(crate) use options::{DeleteOptions, ListOptions, Validation, WriteOptions};
pub(crate) use patch::PatchKind;

use crate::api::Api;
use crate::render::view;
use crate::resource::Resource;
use crate::ssa::Identity;
use crate::store::Stored;

/// Subresources that are not the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    Nothing,
    Scale,
    /// The one that alone may change a namespace's spec.
    Finalize,
}

/// One request's target, and what its answer will warn about.
pub(crate) struct Verb<'a> {
    pub(crate) api: &'a Arc<Api>,
    pub(crate) resource: Arc<Resource>,
    /// Empty for cluster-scoped resources and for lists over all namespaces.
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Whether the status subresource is addressed.
    pub(crate) status: bool,
    /// Which other subresource is.
    pub(crate) apart: Apart,
    /// Whether a patch is being computed, whose mistakes are refused as its own.
    pub(crate) patching: bool,
    /// Whether a new object has defaults that are not written yet.
    pub(crate) fresh: bool,
    pub(crate) options: WriteOptions,
    pub(crate) warnings: Vec<String>,
}

/// An answer about an object.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: u16,
    pub(crate) object: Answer,
}

/// An object to answer with.
#[derive(Debug)]
pub(crate) enum Answer {
    /// As it is stored now.
    Stored(Arc<Stored>),
    /// As it would be, or was.
    Shown(Value),
}

impl Answer {
    /// The object as the resource shows it.
    pub(crate) fn value(self, resource: &Resource) -> Value {
        match self {
            Self::Stored(stored) => view::of(resource, &stored),
            Self::Shown(value) => value,
        }
    }
}

impl<'a> Verb<'a> {
    /// A verb of the server's own controllers.
    pub(crate) fn internal(
        api: &'a Arc<Api>,
        resource: Arc<Resource>,
        namespace: &str,
        name: &str,
    ) -> Self {
        Self {
            api,
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            status: false,
            apart: Apart::Nothing,
            patching: false,
            fresh: false,
            options: WriteOptions {
                manager: "kube-controller-manager".to_owned(),
                validation: Validation::Ignore,
                ..WriteOptions::default()
            },
            warnings: Vec::new(),
        }
    }

    fn key(&self) -> String {
        self.resource.key(&self.namespace, &self.name)
    }

    fn identity(&self, apply: bool) -> Identity {
        Identity {
            manager: self.options.manager.clone(),
            apply,
            api_version: self.resource.api_version(),
            subresource: match (self.status, self.apart) {
                (true, _) => "status",
                (_, Apart::Scale) => "scale",
                _ => "",
            }
            .to_owned(),
        }
    }
}
