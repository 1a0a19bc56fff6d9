//! The type check that an applied configuration must pass before it is merged.

use serde_json::Value;

use super::set::Step;
use crate::schema::{ListType, Schema, Type};
use crate::status::json_sort;

/// The mistakes that keep a configuration from being a typed value.
pub(crate) fn type_errors(schema: &Schema, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    check(schema, value, "", &mut errors);
    errors
}

fn check(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<String>) {
    let refuse = |what: &str| {
        let found = match what {
            "numeric (int or float)" => json_sort(value).to_owned(),
            "map" | "list" => format!("&{{{}}}", as_go(value)),
            _ => format!("&value.valueUnstructured{{Value:{value}}}"),
        };
        format!("{path}: expected {what}, got {found}")
    };
    match (schema.kind, value) {
        (_, Value::Null) => {}
        (Type::Object, Value::Object(map)) => {
            for (key, child) in map {
                let at = format!("{path}.{key}");
                let reserved = (path.is_empty() || schema.embedded)
                    && matches!(key.as_str(), "apiVersion" | "kind" | "metadata");
                match schema.child(key) {
                    Some(below) => check(below, child, &at, errors),
                    None if schema.preserve_unknown || reserved => {}
                    None => errors.push(format!("{at}: field not declared in schema")),
                }
            }
        }
        (Type::Object, _) => errors.push(refuse("map")),
        (Type::Array, Value::Array(items)) => list(schema, items, path, errors),
        (Type::Array, _) => errors.push(refuse("list")),
        (Type::String, value) if !value.is_string() => errors.push(refuse("string")),
        (Type::Boolean, value) if !value.is_boolean() => errors.push(refuse("boolean")),
        (Type::Integer | Type::Number, value) if !value.is_number() => {
            errors.push(refuse("numeric (int or float)"));
        }
        _ => {}
    }
}

/// A value as Go prints it.
fn as_go(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(as_go).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let mut members: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}:{}", as_go(value))).collect();
            members.sort();
            format!("map[{}]", members.join(" "))
        }
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

fn list(schema: &Schema, items: &[Value], path: &str, errors: &mut Vec<String>) {
    let Some(below) = schema.items.as_deref() else {
        return;
    };
    let mut seen = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let step = Step::of_item(schema, item);
        let at = step
            .as_ref()
            .map_or_else(|| format!("{path}[{index}]"), |step| format!("{path}{}", step.shown()));
        if let (None, ListType::Map(keys)) = (&step, &schema.list_type) {
            errors.push(format!(
                "{path}: element {index}: associative list with keys has an element that omits \
                 key field {:?} (and doesn't have default value)",
                keys.first().map(String::as_str).unwrap_or_default()
            ));
            continue;
        }
        if let Some(step) = step {
            if seen.contains(&step) {
                errors.push(format!("{path}: duplicate entries for key {}", step.shown()));
            }
            seen.push(step);
        }
        check(below, item, &at, errors);
    }
}
