//! Reviews: the one user of this server may do everything.

use serde_json::{Value, json};

use super::{Answer, Outcome, Verb};
use crate::clock;
use crate::kinds::Builtin;
use crate::meta;
use crate::resource::Flavour;
use crate::status::{Failure, FieldError, Named, Result};

impl Verb<'_> {
    pub(super) fn review(&self, mut object: Value) -> Result<Outcome> {
        if self.resource.is(Builtin::AccessReview) {
            let spec = &object["spec"];
            let both =
                spec["resourceAttributes"].is_null() == spec["nonResourceAttributes"].is_null();
            // Of protobuf bodies the spec is not decoded: the answer is the same.
            if spec.is_object() && both {
                let detail = "exactly one of nonResourceAttributes or resourceAttributes must be \
                              specified";
                let given = &spec["resourceAttributes"];
                let error = FieldError::invalid("spec.resourceAttributes", given, detail);
                let named = Named { what: "", ..self.resource.kind_named("") };
                return Err(Failure::invalid(named, &[error]));
            }
        }
        if self.resource.is(Builtin::SubjectReview) {
            let created = json!(clock::timestamp());
            meta::metadata_mut(&mut object).insert("creationTimestamp".to_owned(), created);
        }
        object["status"] = match self.resource.flavour {
            Flavour::Builtin(Builtin::AccessReview) => json!({"allowed": true}),
            Flavour::Builtin(Builtin::RulesReview) => json!({
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": false,
            }),
            _ => json!({"userInfo": {"username": "kubernetes-admin",
                "groups": ["system:masters", "system:authenticated"]}}),
        };
        Ok(Outcome { code: 201, object: Answer::Shown(object) })
    }
}
