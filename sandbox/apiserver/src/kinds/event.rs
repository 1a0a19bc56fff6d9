//! The two views of an event: core/v1, which is stored, and events.k8s.io/v1.

use serde_json::{Map, Value, json};

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

/// The events.k8s.io view of a stored event.
pub(crate) fn from_core(core: Value) -> Value {
    renamed(core, "events.k8s.io/v1", |name| {
        RENAMED.iter().find(|(core, _)| *core == name).map(|(_, new)| *new)
    })
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
