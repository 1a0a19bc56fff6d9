//! Strategic merge patch, over the list types that the built-in schemas declare.

use serde_json::{Map, Value};

use crate::schema::{ListType, Schema};
use crate::status::{Failure, Result, json_sort};

/// Applies a strategic merge patch.
pub(crate) fn patch(schema: &Schema, live: &Value, patch: &Value) -> Result<Value> {
    let Value::Object(map) = patch else {
        return Err(Failure::bad_request(format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            json_sort(patch)
        )));
    };
    Ok(object(Some(schema), live, map))
}

fn object(schema: Option<&Schema>, live: &Value, patch: &Map<String, Value>) -> Value {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => return without_directives(patch),
        Some("delete") => return Value::Object(Map::new()),
        _ => {}
    }
    let mut merged = live.as_object().cloned().unwrap_or_default();
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        merged.retain(|key, _| retained.iter().any(|kept| kept == key));
    }
    for (key, change) in patch {
        if let Some(target) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(items)), Value::Array(gone)) =
                (merged.get_mut(target), change)
            {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if let Some(target) = key.strip_prefix("$setElementOrder/")
            && !patch.contains_key(target)
            && let (Some(Value::Array(items)), Value::Array(order)) =
                (merged.get_mut(target), change)
        {
            let below = schema.and_then(|schema| schema.child(target));
            let server = items.clone();
            *items = ordered(below, std::mem::take(items), order, &server);
        }
        if key.starts_with('$') {
            continue;
        }
        let below = schema.and_then(|schema| schema.child(key));
        match change {
            Value::Null => {
                merged.shift_remove(key);
            }
            Value::Object(map) => {
                let current = merged.get(key).cloned().unwrap_or_default();
                merged.insert(key.clone(), object(below, &current, map));
            }
            Value::Array(items) => {
                let current = merged.get(key).and_then(Value::as_array).cloned();
                let order = patch.get(&format!("$setElementOrder/{key}"));
                let order = order.and_then(Value::as_array).unwrap_or(items);
                let list = list(below, current.unwrap_or_default(), items, order);
                merged.insert(key.clone(), Value::Array(list));
            }
            scalar => {
                merged.insert(key.clone(), scalar.clone());
            }
        }
    }
    Value::Object(merged)
}

fn without_directives(patch: &Map<String, Value>) -> Value {
    patch
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn list(schema: Option<&Schema>, live: Vec<Value>, patch: &[Value], order: &[Value]) -> Vec<Value> {
    let list_type = schema.map_or(&ListType::Atomic, |schema| &schema.list_type);
    let below = schema.and_then(|schema| schema.items.as_deref());
    let server = live.clone();
    let merged = match list_type {
        ListType::Atomic => return patch.to_vec(),
        ListType::Set => {
            let mut merged = live;
            for item in patch {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
            merged
        }
        ListType::Map(keys) => {
            if patch.iter().any(|item| item["$patch"] == "replace") {
                return patch.iter().filter(|item| item["$patch"] != "replace").cloned().collect();
            }
            keyed(below, keys, live, patch)
        }
    };
    ordered(schema, merged, order, &server)
}

/// What the patch names, in its order, and what only the server has, each before what followed it
/// there. What only the patch has comes first.
fn ordered(
    schema: Option<&Schema>,
    merged: Vec<Value>,
    order: &[Value],
    server: &[Value],
) -> Vec<Value> {
    let same = |one: &Value, other: &Value| match schema.map(|schema| &schema.list_type) {
        Some(ListType::Map(keys)) => keys.iter().all(|key| one[key] == other[key]),
        _ => one == other,
    };
    let within = |list: &[Value], item: &Value| list.iter().position(|found| same(found, item));
    let (mut named, only): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| within(order, item).is_some());
    named.sort_by_key(|item| within(order, item));
    let mut only = only.into_iter().peekable();
    let mut out = Vec::new();
    for item in named {
        let place = within(server, &item);
        while place.is_some()
            && only
                .peek()
                .is_some_and(|kept| within(server, kept).is_some_and(|at| Some(at) < place))
        {
            out.extend(only.next());
        }
        out.push(item);
    }
    out.extend(only);
    out
}

fn keyed(below: Option<&Schema>, keys: &[String], live: Vec<Value>, patch: &[Value]) -> Vec<Value> {
    let mut merged = live;
    for item in patch {
        let same = |other: &Value| keys.iter().all(|key| other[key] == item[key]);
        let at = merged.iter().position(same);
        match (item["$patch"].as_str(), at, item) {
            (Some("delete"), Some(at), _) => {
                merged.remove(at);
            }
            (Some("delete"), None, _) => {}
            (_, Some(at), Value::Object(map)) => merged[at] = object(below, &merged[at], map),
            (_, _, item) => merged.push(item.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::shape;

    #[test]
    fn keyed_lists_merge_and_directives_remove() {
        let schema = shape::kind("Test", [("data", shape::map(shape::string()))]);
        let schema = Schema::parse(&schema, "root").unwrap();
        let live = json!({"data": {"a": "1", "b": "2"}, "metadata": {
            "finalizers": ["x", "y"], "ownerReferences": [{"uid": "1"}, {"uid": "2"}]}});
        let change = json!({"data": {"a": null, "c": "3"}, "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["x"],
            "ownerReferences": [{"$patch": "delete", "uid": "1"}, {"uid": "3"}]}});
        assert_eq!(
            patch(&schema, &live, &change).unwrap(),
            json!({"data": {"b": "2", "c": "3"}, "metadata": {
                "finalizers": ["y"], "ownerReferences": [{"uid": "3"}, {"uid": "2"}]}})
        );
    }
}
