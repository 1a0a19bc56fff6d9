//! Removing what a schema does not declare, and naming it.

use serde_json::Value;

use super::Schema;

/// Removes undeclared fields; `root` objects keep apiVersion, kind and metadata.
pub(crate) fn prune(schema: &Schema, value: &mut Value, root: bool) {
    walk(schema, value, root, "", &mut |_| {}, true);
}

/// The paths of undeclared fields.
pub(crate) fn unknown_fields(schema: &Schema, value: &Value, root: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut copy = value.clone();
    walk(schema, &mut copy, root, "", &mut |path| found.push(path), true);
    found
}

fn walk(
    schema: &Schema,
    value: &mut Value,
    root: bool,
    path: &str,
    report: &mut dyn FnMut(String),
    remove: bool,
) {
    match value {
        Value::Object(map) => {
            let reserved = root || schema.embedded;
            let open = schema.preserve_unknown;
            let mut gone = Vec::new();
            for (key, child) in map.iter_mut() {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if let Some(below) = schema.child(key) {
                    walk(below, child, false, &at, report, remove);
                } else if !(open
                    || reserved && matches!(key.as_str(), "apiVersion" | "kind" | "metadata"))
                {
                    report(at);
                    gone.push(key.clone());
                }
            }
            if remove {
                for key in gone {
                    map.shift_remove(&key);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.items.as_deref() {
                for (index, item) in items.iter_mut().enumerate() {
                    walk(below, item, false, &format!("{path}[{index}]"), report, remove);
                }
            }
        }
        _ => {}
    }
}
