//! Removing what a schema does not declare, and naming it.

use serde_json::Value;

use super::Schema;
use super::values::Path;

/// Removes undeclared fields; `root` objects keep apiVersion, kind and metadata.
pub(crate) fn prune(schema: &Schema, value: &mut Value, root: bool) {
    match value {
        Value::Object(map) => {
            let declared = |key: &str| is_declared(schema, key, root);
            if map.keys().any(|key| !declared(key)) {
                map.retain(|key, _| declared(key));
            }
            for (key, child) in map.iter_mut() {
                if let Some(below) = schema.child(key) {
                    prune(below, child, false);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.items.as_deref() {
                for item in items {
                    prune(below, item, false);
                }
            }
        }
        _ => {}
    }
}

/// The paths of undeclared fields.
pub(crate) fn unknown_fields(schema: &Schema, value: &Value, root: bool) -> Vec<String> {
    let mut found = Vec::new();
    look(schema, value, root, &Path::Start(""), &mut found);
    found
}

fn look(schema: &Schema, value: &Value, root: bool, path: &Path<'_>, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let at = Path::Field(path, key);
                if let Some(below) = schema.child(key) {
                    look(below, child, false, &at, found);
                } else if !is_declared(schema, key, root) {
                    found.push(at.text());
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.items.as_deref() {
                for (index, item) in items.iter().enumerate() {
                    look(below, item, false, &Path::Item(path, index), found);
                }
            }
        }
        _ => {}
    }
}

fn is_declared(schema: &Schema, key: &str, root: bool) -> bool {
    schema.preserve_unknown
        || schema.child(key).is_some()
        || (root || schema.embedded) && matches!(key, "apiVersion" | "kind" | "metadata")
}
