//! The built-in kinds: what they look like, and the rules that are theirs alone.

pub(crate) mod event;
pub(crate) mod rules;
mod schemas;
pub(crate) mod shape;

use std::sync::Arc;

use crate::render::columns;
use crate::resource::{Flavour, Resource};
use crate::schema::Schema;

/// A kind that needs no definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    Namespace,
    Secret,
    ConfigMap,
    ServiceAccount,
    Node,
    /// The core view of events.
    CoreEvent,
    /// The `events.k8s.io` view of the same objects.
    Event,
    Lease,
    CustomResourceDefinition,
    AccessReview,
    RulesReview,
    SubjectReview,
}

impl Builtin {
    const ALL: [Self; 12] = [
        Self::Namespace,
        Self::Secret,
        Self::ConfigMap,
        Self::ServiceAccount,
        Self::Node,
        Self::CoreEvent,
        Self::Event,
        Self::Lease,
        Self::CustomResourceDefinition,
        Self::AccessReview,
        Self::RulesReview,
        Self::SubjectReview,
    ];

    pub(crate) fn is_review(self) -> bool {
        matches!(self, Self::AccessReview | Self::RulesReview | Self::SubjectReview)
    }

    /// Group, kind, plural, short names, namespaced, status.
    fn names(self) -> (&'static str, &'static str, &'static str, &'static str, bool, bool) {
        match self {
            Self::Namespace => ("", "Namespace", "namespaces", "ns", false, true),
            Self::Secret => ("", "Secret", "secrets", "", true, false),
            Self::ConfigMap => ("", "ConfigMap", "configmaps", "cm", true, false),
            Self::ServiceAccount => ("", "ServiceAccount", "serviceaccounts", "sa", true, false),
            Self::Node => ("", "Node", "nodes", "no", false, true),
            Self::CoreEvent => ("", "Event", "events", "ev", true, false),
            Self::Event => ("events.k8s.io", "Event", "events", "ev", true, false),
            Self::Lease => ("coordination.k8s.io", "Lease", "leases", "", true, false),
            Self::CustomResourceDefinition => (
                "apiextensions.k8s.io",
                "CustomResourceDefinition",
                "customresourcedefinitions",
                "crd,crds",
                false,
                true,
            ),
            Self::AccessReview => (
                "authorization.k8s.io",
                "SelfSubjectAccessReview",
                "selfsubjectaccessreviews",
                "",
                false,
                false,
            ),
            Self::RulesReview => (
                "authorization.k8s.io",
                "SelfSubjectRulesReview",
                "selfsubjectrulesreviews",
                "",
                false,
                false,
            ),
            Self::SubjectReview => (
                "authentication.k8s.io",
                "SelfSubjectReview",
                "selfsubjectreviews",
                "",
                false,
                false,
            ),
        }
    }

    fn selectable(self) -> Vec<String> {
        let list: &[&str] = match self {
            Self::Namespace => &["status.phase"],
            Self::Secret => &["type"],
            Self::CoreEvent => &[
                "involvedObject.kind",
                "involvedObject.namespace",
                "involvedObject.name",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.resourceVersion",
                "involvedObject.fieldPath",
                "reason",
                "reportingComponent",
                "source",
                "type",
            ],
            Self::Event => &[
                "regarding.kind",
                "regarding.namespace",
                "regarding.name",
                "regarding.uid",
                "regarding.apiVersion",
                "regarding.resourceVersion",
                "regarding.fieldPath",
                "reason",
                "reportingController",
                "type",
            ],
            _ => &[],
        };
        list.iter().map(|path| (*path).to_owned()).collect()
    }

    fn resource(self) -> Resource {
        let (group, kind, plural, short, namespaced, status) = self.names();
        let document = schemas::document(self);
        let mut schema = Schema::parse(&document, "builtin").unwrap_or_default();
        schema.typed = true;
        // Both views of events share the core table.
        let (table, storage_version) = match self {
            Self::Event => ("/events".to_owned(), "v1".to_owned()),
            _ if group.is_empty() => (format!("/{plural}"), "v1".to_owned()),
            _ => (format!("{group}/{plural}"), format!("{group}/v1")),
        };
        Resource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: short
                .split(',')
                .filter(|name| !name.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
            categories: if self == Self::CustomResourceDefinition {
                vec!["api-extensions".to_owned()]
            } else {
                Vec::new()
            },
            namespaced,
            status,
            flavour: Flavour::Builtin(self),
            table: table.into(),
            storage_schema: Arc::default(),
            scale: None,
            schema: Arc::new(schema),
            document: Arc::new(document),
            columns: Arc::new(columns::builtin(self)),
            selectable: self.selectable(),
            epoch: 0,
            storage_version,
            terminating: false,
            deprecation: None,
        }
    }
}

/// All built-in resources.
pub(crate) fn resources() -> Vec<Arc<Resource>> {
    Builtin::ALL.into_iter().map(|builtin| Arc::new(builtin.resource())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_schema_parses() {
        for builtin in Builtin::ALL {
            let document = schemas::document(builtin);
            assert!(Schema::parse(&document, "builtin").is_ok(), "{builtin:?}");
        }
    }
}
