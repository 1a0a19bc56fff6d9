//! What the built-in kinds add to the rules that hold for all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Builtin;
use crate::meta::{self, names};
use crate::status::FieldError;

/// The finalizer that keeps a namespace until it is empty.
pub(crate) const NAMESPACE_FINALIZER: &str = "kubernetes";
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const SECRET_BYTES: usize = 1024 * 1024;

/// Fills in what the kind's own defaults and create strategy say.
pub(crate) fn prepare(builtin: Builtin, object: &mut Value, creating: bool) {
    match builtin {
        Builtin::Namespace => {
            let name = meta::name(object).to_owned();
            let labels = meta::metadata_mut(object).entry("labels").or_insert_with(|| json!({}));
            labels[NAME_LABEL] = json!(name);
            if creating {
                object["spec"] = json!({"finalizers": [NAMESPACE_FINALIZER]});
                object["status"] = json!({"phase": "Active"});
            }
        }
        Builtin::Secret => secret(object),
        Builtin::CoreEvent | Builtin::Event if creating => {
            let namespace = meta::namespace(object).to_owned();
            if namespace.is_empty() {
                meta::metadata_mut(object).insert("namespace".to_owned(), json!("default"));
            }
        }
        _ => {}
    }
}

fn secret(object: &mut Value) {
    if let Some(Value::Object(plain)) = meta::remove(object, "stringData") {
        let data = meta::child_mut(object, "data");
        for (key, value) in plain {
            if let Value::String(text) = value {
                data.insert(key, Value::String(STANDARD.encode(text)));
            }
        }
    }
    if object["type"].as_str().unwrap_or_default().is_empty() {
        object["type"] = json!("Opaque");
    }
}

/// Checks the kind's own rules.
pub(crate) fn validate(builtin: Builtin, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = match builtin {
        Builtin::Namespace | Builtin::ServiceAccount if old.is_none() => Vec::new(),
        Builtin::Secret => validate_secret(object, old),
        Builtin::ConfigMap => validate_config_map(object, old),
        Builtin::Lease => validate_lease(object),
        _ => Vec::new(),
    };
    if old.is_none() {
        errors.extend(validate_name(builtin, meta::name(object)));
    }
    errors
}

fn validate_name(builtin: Builtin, name: &str) -> Vec<FieldError> {
    match builtin {
        Builtin::Namespace => names::check_label("metadata.name", name),
        _ => names::check_subdomain("metadata.name", name),
    }
}

fn data_keys(object: &Value, field: &str, errors: &mut Vec<FieldError>) -> usize {
    let mut size = 0;
    for (key, value) in object[field].as_object().into_iter().flatten() {
        size += value.as_str().map_or(0, str::len);
        let valid = !key.is_empty()
            && key.len() <= 253
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            && key != "."
            && !key.starts_with("..");
        if !valid {
            errors.push(FieldError::invalid(
                format!("{field}[{key}]"),
                &Value::from(&**key),
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
                 (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
                 '[-._a-zA-Z0-9]+')",
            ));
        }
    }
    size
}

fn immutable(object: &Value, old: Option<&Value>, fields: &[&str], errors: &mut Vec<FieldError>) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else {
        return;
    };
    let why = "field is immutable when `immutable` is set";
    if object["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", why));
    }
    for field in fields {
        if object[*field] != old[*field] {
            errors.push(FieldError::forbidden(*field, why));
        }
    }
}

fn validate_secret(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if data_keys(object, "data", &mut errors) > SECRET_BYTES / 3 * 4 {
        errors.push(FieldError::too_long("data", SECRET_BYTES as u64));
    }
    if let Some(old) = old
        && old["type"] != object["type"]
    {
        errors.push(FieldError::invalid("type", &object["type"], "field is immutable"));
    }
    immutable(object, old, &["data"], &mut errors);
    errors
}

fn validate_config_map(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let size =
        data_keys(object, "data", &mut errors) + data_keys(object, "binaryData", &mut errors);
    if size > SECRET_BYTES {
        errors.push(FieldError::too_long("", SECRET_BYTES as u64));
    }
    immutable(object, old, &["data", "binaryData"], &mut errors);
    errors
}

fn validate_lease(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &object["spec"];
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
        let at = "spec.leaseDurationSeconds";
        errors.push(FieldError::invalid(
            at,
            &spec["leaseDurationSeconds"],
            "must be greater than 0",
        ));
    }
    if spec["leaseTransitions"].as_i64().is_some_and(|count| count < 0) {
        let at = "spec.leaseTransitions";
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(at, &spec["leaseTransitions"], detail));
    }
    errors
}
