//! What the built-in kinds add to the rules that hold for all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Builtin, event};
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
                // Nobody owns these: they are no request's doing.
                object["spec"] = json!({"finalizers": [NAMESPACE_FINALIZER]});
                object["status"] = json!({"phase": "Active"});
            }
        }
        Builtin::Secret => secret(object),
        Builtin::Node => node(object, creating),
        Builtin::CoreEvent | Builtin::Event if creating => {
            event::complete(object, builtin == Builtin::CoreEvent);
            let namespace = meta::namespace(object).to_owned();
            if namespace.is_empty() {
                meta::metadata_mut(object).insert("namespace".to_owned(), json!("default"));
            }
        }
        _ => {}
    }
}

/// A node is not ready before somebody says so, and may use all that it has.
fn node(object: &mut Value, creating: bool) {
    if creating {
        let spec = meta::child_mut(object, "spec");
        let taint = json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]);
        spec.entry("taints").or_insert(taint);
        let status = meta::child_mut(object, "status");
        status.entry("daemonEndpoints").or_insert_with(|| json!({"kubeletEndpoint": {"Port": 0}}));
        status.entry("nodeInfo").or_insert_with(|| {
            json!({"machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "",
                "osImage": "", "containerRuntimeVersion": "", "kubeletVersion": "",
                "kubeProxyVersion": "", "operatingSystem": "", "architecture": ""})
        });
    }
    let capacity = object["status"]["capacity"].clone();
    if capacity.is_object() && object["status"]["allocatable"].is_null() {
        object["status"]["allocatable"] = capacity;
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
        Builtin::CoreEvent if old.is_none() => event::validate_place(object),
        Builtin::Event if old.is_none() => {
            let errors = event::validate(object);
            if errors.is_empty() { event::validate_place(object) } else { errors }
        }
        Builtin::Namespace => validate_namespace(object),
        _ => Vec::new(),
    };
    if old.is_none() {
        errors.extend(validate_name(builtin, meta::name(object)));
    }
    errors
}

fn validate_name(builtin: Builtin, name: &str) -> Vec<FieldError> {
    match builtin {
        Builtin::Namespace if name.contains('.') => {
            let detail = "must not contain dots";
            vec![FieldError::invalid("metadata.name", &Value::from(name), detail)]
        }
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
        if key == "." || key.starts_with("..") {
            let what = if key == "." || key == ".." { "be" } else { "start with" };
            let detail = match what {
                "be" => format!("must not be '{key}'"),
                _ => "must not start with '..'".to_owned(),
            };
            let at = format!("{field}[{key}]");
            errors.push(FieldError::invalid(at, &Value::from(&**key), &detail));
        } else if !valid {
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
    if old.is_none() {
        errors.extend(secret_type(object));
    }
    if let Some(old) = old
        && old["type"] != object["type"]
    {
        errors.push(FieldError::invalid("type", &object["type"], "field is immutable"));
    }
    immutable(object, old, &["data"], &mut errors);
    errors
}

/// What the well-known types must hold.
fn secret_type(object: &Value) -> Vec<FieldError> {
    let data = &object["data"];
    let has = |key: &str| data.get(key).is_some();
    let demand = |keys: &[&str]| {
        let missing = keys.iter().filter(|key| !has(key));
        missing.map(|key| FieldError::required(format!("data[{key}]"), "")).collect()
    };
    match object["type"].as_str().unwrap_or_default() {
        "kubernetes.io/tls" => demand(&["tls.crt", "tls.key"]),
        "kubernetes.io/ssh-auth" => demand(&["ssh-privatekey"]),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            demand(&["username", "password"])
        }
        kind @ ("kubernetes.io/dockerconfigjson" | "kubernetes.io/dockercfg") => {
            let json = kind.ends_with("json");
            let key = if json { ".dockerconfigjson" } else { ".dockercfg" };
            let Some(text) = data[key].as_str() else {
                return demand(&[key]);
            };
            let bytes = STANDARD.decode(text).unwrap_or_default();
            match serde_json::from_slice::<Value>(&bytes) {
                Ok(_) => Vec::new(),
                Err(error) => {
                    let hidden = Value::from("<secret contents redacted>");
                    let at = format!("data[{key}]");
                    vec![FieldError::invalid(at, &hidden, &error.to_string())]
                }
            }
        }
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            let given = object["metadata"]["annotations"][name].as_str().unwrap_or_default();
            if given.is_empty() {
                vec![FieldError::required(format!("metadata.annotations[{name}]"), "")]
            } else {
                Vec::new()
            }
        }
        _ => Vec::new(),
    }
}

/// The phase says whether the deletion has begun.
fn validate_namespace(object: &Value) -> Vec<FieldError> {
    let phase = &object["status"]["phase"];
    let wanted = if meta::is_deleting(object) { "Terminating" } else { "Active" };
    if phase == wanted {
        return Vec::new();
    }
    let why = if wanted == "Active" { "is" } else { "is not" };
    let detail = format!("may only be '{wanted}' if `deletionTimestamp` {why} empty");
    vec![FieldError::invalid("status.Phase", phase, &detail)]
}

fn validate_config_map(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let size =
        data_keys(object, "data", &mut errors) + data_keys(object, "binaryData", &mut errors);
    if size > SECRET_BYTES {
        errors.push(FieldError::too_long("[]", SECRET_BYTES as u64));
    }
    for key in object["data"].as_object().into_iter().flatten().map(|(key, _)| key) {
        if object["binaryData"].get(key).is_some() {
            let at = format!("data[{key}]");
            let detail = "duplicate of key present in binaryData";
            errors.push(FieldError::invalid(at, &Value::from(&**key), detail));
        }
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
