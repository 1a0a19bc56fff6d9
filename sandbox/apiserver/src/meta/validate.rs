//! Validation of metadata, the same for every kind.

use serde_json::Value;

use super::names;
use crate::status::FieldError;

const ANNOTATIONS_MAXIMUM: usize = 256 * 1024;

/// Checks labels, annotations, finalizers and owner references.
pub(crate) fn metadata(object: &Value) -> Vec<FieldError> {
    let metadata = &object["metadata"];
    let mut errors = Vec::new();
    labels(&metadata["labels"], &mut errors);
    annotations(&metadata["annotations"], &mut errors);
    owners(&metadata["ownerReferences"], &mut errors);
    for (index, finalizer) in super::finalizers(object).iter().enumerate() {
        if let Some(problem) = names::qualified_problem(finalizer) {
            let field = format!("metadata.finalizers[{index}]");
            errors.push(FieldError::invalid(field, &Value::from(*finalizer), problem));
        }
    }
    errors
}

fn labels(labels: &Value, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if let Some(problem) = names::qualified_problem(key) {
            errors.push(FieldError::invalid("metadata.labels", &Value::from(&**key), problem));
        }
        if let Some(problem) = names::label_value_problem(value.as_str().unwrap_or_default()) {
            errors.push(FieldError::invalid("metadata.labels", value, problem));
        }
    }
}

fn annotations(annotations: &Value, errors: &mut Vec<FieldError>) {
    let mut total = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        total += key.len() + value.as_str().map_or(0, str::len);
        if let Some(problem) = names::qualified_problem(&key.to_lowercase()) {
            errors.push(FieldError::invalid("metadata.annotations", &Value::from(&**key), problem));
        }
    }
    if total > ANNOTATIONS_MAXIMUM {
        errors.push(FieldError::too_long("metadata.annotations", ANNOTATIONS_MAXIMUM as u64));
    }
}

fn owners(owners: &Value, errors: &mut Vec<FieldError>) {
    for (index, owner) in owners.as_array().into_iter().flatten().enumerate() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if owner[key].as_str().unwrap_or_default().is_empty() {
                let field = format!("metadata.ownerReferences[{index}].{key}");
                errors.push(FieldError::invalid(field, &owner[key], "must not be empty"));
            }
        }
    }
}

/// What an update may not change.
pub(crate) fn metadata_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["name", "namespace", "uid", "creationTimestamp"] {
        let (before, after) = (&old["metadata"][key], &new["metadata"][key]);
        if before != after {
            let field = format!("metadata.{key}");
            errors.push(FieldError::invalid(field, after, "field is immutable"));
        }
    }
    if super::is_deleting(old) {
        let before = super::finalizers(old);
        let fresh: Vec<&str> =
            super::finalizers(new).into_iter().filter(|f| !before.contains(f)).collect();
        if !fresh.is_empty() {
            errors.push(FieldError::forbidden(
                "metadata.finalizers",
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new \
                     finalizers []string{{{}}}",
                    fresh.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ")
                ),
            ));
        }
    }
    errors
}
