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
    for finalizer in super::finalizers(object) {
        if let Some(problem) = names::qualified_problem(finalizer) {
            let value = Value::from(finalizer);
            errors.push(FieldError::invalid("metadata.finalizers", &value, problem));
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
    let list = owners.as_array().map(Vec::as_slice).unwrap_or_default();
    for owner in list {
        let text = |key: &str| owner[key].as_str().unwrap_or_default();
        let version = text("apiVersion");
        if version.is_empty() || version.split('/').count() > 2 {
            let detail = "version must not be empty";
            let at = "metadata.ownerReferences.apiVersion";
            errors.push(FieldError::invalid(at, &Value::from(version), detail));
        }
        if version == "v1" && text("kind") == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(FieldError::invalid("metadata.ownerReferences", owner, detail));
        }
        for key in ["kind", "name", "uid"] {
            if owner[key].as_str().unwrap_or_default().is_empty() {
                let field = format!("metadata.ownerReferences.{key}");
                errors.push(FieldError::invalid(field, &Value::from(""), "must not be empty"));
            }
        }
    }
    let controllers = list.iter().filter(|owner| owner["controller"] == true);
    let controllers: Vec<String> = controllers
        .map(|owner| {
            let text = |key: &str| owner[key].as_str().unwrap_or_default();
            format!("{}/{}", text("kind"), text("name"))
        })
        .collect();
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for \
             {first} and {second}"
        );
        errors.push(FieldError::invalid("metadata.ownerReferences", owners, &detail));
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
