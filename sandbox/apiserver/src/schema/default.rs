//! Filling in defaults, and dropping nulls where null is no value.

use serde_json::Value;

use super::Schema;

/// Applies defaults below `value`, which itself exists.
pub(crate) fn apply_defaults(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            drop_nulls(schema, map);
            for (key, child) in &schema.properties {
                if let Some(default) = &child.default
                    && !map.contains_key(key)
                {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, child) in map.iter_mut() {
                if let Some(below) = schema.child(key) {
                    apply_defaults(below, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.items.as_deref() {
                for item in items {
                    if item.is_null()
                        && !below.nullable
                        && let Some(default) = &below.default
                    {
                        *item = default.clone();
                    }
                    apply_defaults(below, item);
                }
            }
        }
        _ => {}
    }
}

/// Null in a field that is not nullable counts as absent when the field has a default or is
/// optional; a required one keeps it, so that validation can name it.
fn drop_nulls(schema: &Schema, map: &mut serde_json::Map<String, Value>) {
    if map.values().any(Value::is_null) {
        let gone: Vec<String> = map
            .iter()
            .filter(|(key, value)| {
                value.is_null()
                    && schema
                        .child(key)
                        .is_some_and(|child| !child.nullable && !child.preserve_unknown)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            map.shift_remove(&key);
        }
    }
}
