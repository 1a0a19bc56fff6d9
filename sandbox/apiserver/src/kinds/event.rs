//! The two views of an event: core/v1, which is stored, and events.k8s.io/v1.

use serde_json::{Map, Value, json};

use crate::status::FieldError;

/// Field names: (core/v1, events.k8s.io/v1).
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Fills in what every event has, in either view.
pub(crate) fn complete(event: &mut Value, core: bool) {
    let own = |name: &'static str| {
        let renamed = RENAMED.iter().find(|(core, _)| *core == name).map(|(_, new)| *new);
        renamed.filter(|_| !core).unwrap_or(name)
    };
    let Value::Object(map) = event else { return };
    for name in ["eventTime", "firstTimestamp", "lastTimestamp"] {
        map.entry(own(name)).or_insert(Value::Null);
    }
    map.entry(own("source")).or_insert_with(|| json!({}));
    for name in ["reportingComponent", "reportingInstance"] {
        map.entry(own(name)).or_insert_with(|| json!(""));
    }
}

/// An event is where its object is; those without a namespace have theirs in `default`.
pub(crate) fn validate_place(event: &Value) -> Vec<FieldError> {
    let about = &event["involvedObject"];
    let about = if about.is_null() { &event["regarding"] } else { about };
    let (own, wanted) = (crate::meta::namespace(event), &about["namespace"]);
    let wanted = wanted.as_str().unwrap_or_default();
    if wanted == own || wanted.is_empty() && matches!(own, "default" | "kube-system") {
        return Vec::new();
    }
    let detail = "does not match event.namespace";
    vec![FieldError::invalid("involvedObject.namespace", &json!(wanted), detail)]
}

/// What the newer view demands of a new event.
pub(crate) fn validate(event: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    if text("reportingController").is_empty() {
        for detail in ["name part must be non-empty", crate::meta::names::NAME_PART] {
            errors.push(FieldError::invalid("reportingController", &json!(""), detail));
        }
    }
    for key in ["reportingInstance", "action", "reason"] {
        if text(key).is_empty() {
            errors.push(FieldError::required(key, ""));
        }
    }
    if !matches!(text("type"), "Normal" | "Warning") {
        let detail = format!("has invalid value: {}", text("type"));
        errors.push(FieldError::invalid("type", &json!(""), &detail));
    }
    errors
}

/// The events.k8s.io view of a stored event.
pub(crate) fn from_core(core: Value) -> Value {
    let mut event = renamed(core, "events.k8s.io/v1", |name| {
        RENAMED.iter().find(|(core, _)| *core == name).map(|(_, new)| *new)
    });
    for key in ["reportingController", "reportingInstance"] {
        if event[key] == "" {
            crate::meta::remove(&mut event, key);
        }
    }
    event
}

/// The stored form of an events.k8s.io event.
pub(crate) fn to_core(event: Value) -> Value {
    renamed(event, "v1", |name| RENAMED.iter().find(|(_, new)| *new == name).map(|(core, _)| *core))
}

fn renamed(event: Value, api_version: &str, name: impl Fn(&str) -> Option<&'static str>) -> Value {
    let Value::Object(fields) = event else {
        return event;
    };
    let mut out: Map<String, Value> = fields
        .into_iter()
        .map(|(key, value)| (name(&key).map_or(key.clone(), ToOwned::to_owned), value))
        .collect();
    out.insert("apiVersion".to_owned(), json!(api_version));
    Value::Object(out)
}
