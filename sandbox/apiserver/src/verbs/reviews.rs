//! Reviews: the one user of this server may do everything.

use serde_json::{Value, json};

use super::{Outcome, Verb};
use crate::kinds::Builtin;
use crate::resource::Flavour;

impl Verb<'_> {
    pub(super) fn review(&self, mut object: Value) -> Outcome {
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
        Outcome { code: 201, object }
    }
}
