//! Filling in defaults, and dropping nulls where null is no value.

use serde_json::Value;

use super::Schema;

/// Applies defaults below `value`, which itself exists; nulls that are no values vanish.
pub(crate) fn apply_defaults(schema: &Schema, value: &mut Value) {
    fill(schema, value, true);
}

/// The same, but nulls without a default stay for validation to name, as in server-side apply.
pub(crate) fn apply_defaults_keeping_nulls(schema: &Schema, value: &mut Value) {
    fill(schema, value, false);
}

fn fill(schema: &Schema, value: &mut Value, drop_all: bool) {
    match value {
        Value::Object(map) => {
            drop_nulls(schema, map, drop_all);
            for (key, child) in &schema.properties {
                if let Some(default) = &child.default
                    && !map.contains_key(key)
                {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, child) in map.iter_mut() {
                if let Some(below) = schema.child(key) {
                    fill(below, child, drop_all);
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
                    fill(below, item, drop_all);
                }
            }
        }
        _ => {}
    }
}

/// Null in a field that is not nullable counts as absent when the field has a default or is
/// optional; a required one keeps it, so that validation can name it.
fn drop_nulls(schema: &Schema, map: &mut serde_json::Map<String, Value>, all: bool) {
    if map.values().any(Value::is_null) {
        let gone: Vec<String> = map
            .iter()
            .filter(|(key, value)| {
                value.is_null()
                    && schema
                        .child(key)
                        .is_some_and(|child| !child.nullable && (all || child.default.is_some()))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            map.shift_remove(&key);
        }
    }
}
