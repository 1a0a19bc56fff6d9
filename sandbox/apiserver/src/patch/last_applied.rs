//! The annotation in which kubectl's client-side apply keeps what it applied last.

use serde_json::{Value, json};

use crate::meta;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What was applied last, if that is known.
pub(crate) fn of(live: &Value) -> Option<Value> {
    let text = live["metadata"]["annotations"][ANNOTATION].as_str()?;
    serde_json::from_str(text).ok().filter(Value::is_object)
}

/// Makes an object say that `config` was applied last.
pub(crate) fn renew(object: &mut Value, config: &Value) {
    let mut plain = config.clone();
    if let Some(annotations) = plain["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove(ANNOTATION);
    }
    if plain["metadata"]["annotations"].is_null() {
        meta::metadata_mut(&mut plain).shift_remove("annotations");
    }
    let text = format!("{}\n", sorted(&plain));
    let annotations = meta::metadata_mut(object).entry("annotations").or_insert_with(|| json!({}));
    if annotations.is_object() {
        annotations[ANNOTATION] = json!(text);
    }
}

/// Keys in the order of their bytes, as Go writes maps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            keys.into_iter().map(|key| (key.clone(), sorted(&map[key]))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
