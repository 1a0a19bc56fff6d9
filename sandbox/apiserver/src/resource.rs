//! One served resource: a plural in a group and version, with everything requests need to know.

use std::sync::Arc;

use serde_json::Value;

use crate::kinds::Builtin;
use crate::render::columns::Column;
use crate::schema::Schema;
use crate::ssa::Scope;
use crate::status::Named;
use crate::store::TableId;

/// Who looks after the objects of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// A kind that this server knows by itself.
    Builtin(Builtin),
    /// A kind that a CustomResourceDefinition declares.
    Custom,
}

/// The paths of a custom resource's scale.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) spec_replicas: Vec<String>,
    pub(crate) status_replicas: Vec<String>,
    pub(crate) selector: Option<Vec<String>>,
}

/// A served resource.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether the resource has a status subresource.
    pub(crate) status: bool,
    pub(crate) flavour: Flavour,
    pub(crate) table: TableId,
    pub(crate) schema: Arc<Schema>,
    /// The schema of the version that objects are stored in: reads prune and default by it.
    pub(crate) storage_schema: Arc<Schema>,
    /// Where custom objects keep their scale, if they have one.
    pub(crate) scale: Option<Arc<Scale>>,
    /// The same schema as people and OpenAPI see it.
    pub(crate) document: Arc<Value>,
    pub(crate) columns: Arc<Vec<Column>>,
    /// Paths besides name and namespace that field selectors may use.
    pub(crate) selectable: Vec<String>,
    /// Which schema generation stored objects must have been admitted under to be served as is.
    pub(crate) epoch: u64,
    /// The apiVersion that objects are stored under.
    pub(crate) storage_version: String,
    /// Set while the definition is being deleted: creates are refused.
    pub(crate) terminating: bool,
    pub(crate) deprecation: Option<String>,
}

impl Resource {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The name errors use: the plural.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> Named<'a> {
        Named { group: &self.group, what: &self.plural, name }
    }

    /// The name validation errors use: the kind.
    pub(crate) fn kind_named<'a>(&'a self, name: &'a str) -> Named<'a> {
        Named { group: &self.group, what: &self.kind, name }
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.flavour == Flavour::Custom
    }

    pub(crate) fn is(&self, builtin: Builtin) -> bool {
        self.flavour == Flavour::Builtin(builtin)
    }

    /// Whether objects count generations.
    pub(crate) fn has_generation(&self) -> bool {
        self.is_custom() || self.is(Builtin::CustomResourceDefinition)
    }

    /// What a writer to this endpoint may own.
    pub(crate) fn scope(&self, status: bool) -> Scope {
        match (self.status, status) {
            (false, _) => Scope::Whole,
            (true, false) if self.is(Builtin::Namespace) => Scope::Metadata,
            (true, false) => Scope::Main,
            (true, true) => Scope::Status,
        }
    }

    /// Reviews answer a question and store nothing.
    pub(crate) fn is_review(&self) -> bool {
        matches!(self.flavour, Flavour::Builtin(builtin) if builtin.is_review())
    }

    /// The store key of an object.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        if self.namespaced { format!("{namespace}/{name}") } else { name.to_owned() }
    }

    /// The key prefix of a namespace, or of everything.
    pub(crate) fn prefix(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) if self.namespaced => format!("{namespace}/"),
            _ => String::new(),
        }
    }
}
