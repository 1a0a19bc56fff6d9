//! Finding the old value that a new one replaces, as transition rules and ratcheting need it.

use serde_json::Value;

use super::{ListType, Schema};

/// The old item that `item` of a keyed list continues; none in atomic lists and sets.
pub(super) fn old_item<'a>(
    list: &Schema,
    old: Option<&'a Value>,
    item: &Value,
) -> Option<&'a Value> {
    let ListType::Map(keys) = &list.list_type else {
        return None;
    };
    old?.as_array()?.iter().find(|candidate| keys.iter().all(|key| candidate[key] == item[key]))
}

pub(super) fn old_child<'a>(old: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    old?.as_object()?.get(key)
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of the value under a map key, as field.Path prints it.
pub(super) fn join_key(path: &str, key: &str) -> String {
    format!("{path}[{key}]")
}

/// The JSON type of a value, as messages name it.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
