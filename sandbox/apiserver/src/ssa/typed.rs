//! Walking typed values: which paths a value sets, how two values differ, how they merge, and
//! what is left when paths are taken away. The rules are those of structured-merge-diff.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::{Set, Step, step_schema};
use crate::schema::{ListType, Schema};

/// How a value is shared between managers.
enum Shape<'a> {
    Leaf,
    Object(&'a Map<String, Value>),
    List(&'a [Value]),
}

fn shape<'a>(schema: Option<&Schema>, value: &'a Value) -> Shape<'a> {
    match value {
        Value::Object(map) if !schema.is_some_and(|schema| schema.map_atomic) => Shape::Object(map),
        // Lists of unknown type are atomic.
        Value::Array(items)
            if schema.is_some_and(|schema| schema.list_type != ListType::Atomic) =>
        {
            Shape::List(items)
        }
        _ => Shape::Leaf,
    }
}

fn items<'a>(schema: Option<&Schema>, list: &'a [Value]) -> Vec<(Step, &'a Value)> {
    list.iter()
        .enumerate()
        .map(|(index, item)| {
            let step = schema.and_then(|schema| Step::of_item(schema, item));
            (step.unwrap_or(Step::Index(index)), item)
        })
        .collect()
}

/// The paths that a value sets, as an applier owns them.
pub(crate) fn field_set(schema: Option<&Schema>, value: &Value) -> Set {
    let mut set = Set::default();
    collect(schema, value, &mut set);
    set
}

fn collect(schema: Option<&Schema>, value: &Value, set: &mut Set) {
    match shape(schema, value) {
        Shape::Leaf => set.insert(&[]),
        Shape::Object(map) => {
            for (key, child) in map {
                let step = [Step::Field(key.clone())];
                let node = set.node(&step);
                collect(schema.and_then(|schema| schema.child(key)), child, node);
                let declared = schema.is_some_and(|schema| schema.properties.contains_key(key));
                let empty = child.as_object().is_some_and(Map::is_empty);
                if !declared || empty || child.is_null() {
                    node.insert(&[]);
                }
                if node.is_empty() {
                    set.drop_branch(&step);
                }
            }
        }
        Shape::List(list) => {
            let below = schema.and_then(|schema| schema.items.as_deref());
            for (step, item) in items(schema, list) {
                let node = set.node(&[step]);
                collect(below, item, node);
                node.insert(&[]);
            }
        }
    }
}

/// How two values of one schema differ.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

impl Comparison {
    pub(crate) fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// Compares two values.
pub(crate) fn compare(schema: Option<&Schema>, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    differ(schema, Some(old), Some(new), &mut Vec::new(), &mut comparison);
    comparison
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    }
}

fn differ(
    schema: Option<&Schema>,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<Step>,
    out: &mut Comparison,
) {
    let shapes = (old.map(|old| shape(schema, old)), new.map(|new| shape(schema, new)));
    if is_empty(old) && is_empty(new) {
        return leaf(old, new, path, out);
    }
    match shapes {
        (Some(Shape::Object(old)), Some(Shape::Object(new))) => {
            objects(schema, old, new, path, out);
        }
        (Some(Shape::List(old)), Some(Shape::List(new))) => lists(schema, old, new, path, out),
        // Null is an empty one of what the other is.
        (Some(Shape::Object(old)), Some(Shape::Leaf)) if new == Some(&Value::Null) => {
            objects(schema, old, &Map::new(), path, out);
        }
        (Some(Shape::List(old)), Some(Shape::Leaf)) if new == Some(&Value::Null) => {
            lists(schema, old, &[], path, out);
        }
        (Some(Shape::Leaf), Some(Shape::Object(new))) if old == Some(&Value::Null) => {
            objects(schema, &Map::new(), new, path, out);
        }
        (Some(Shape::Leaf), Some(Shape::List(new))) if old == Some(&Value::Null) => {
            lists(schema, &[], new, path, out);
        }
        (None, Some(Shape::Object(new))) => {
            objects(schema, &Map::new(), new, path, out);
            out.added.insert(path);
        }
        (None, Some(Shape::List(new))) => {
            lists(schema, &[], new, path, out);
            out.added.insert(path);
        }
        (Some(Shape::Object(old)), None) => {
            objects(schema, old, &Map::new(), path, out);
            out.removed.insert(path);
        }
        (Some(Shape::List(old)), None) => {
            lists(schema, old, &[], path, out);
            out.removed.insert(path);
        }
        _ => leaf(old, new, path, out),
    }
}

fn leaf(old: Option<&Value>, new: Option<&Value>, path: &[Step], out: &mut Comparison) {
    match (old, new) {
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (old, new) if old != new => out.modified.insert(path),
        _ => {}
    }
}

fn objects(
    schema: Option<&Schema>,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    path: &mut Vec<Step>,
    out: &mut Comparison,
) {
    let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        // Equal subtrees are the common case of a status write; nothing below can differ.
        if before == after {
            continue;
        }
        path.push(Step::Field(key.clone()));
        differ(schema.and_then(|schema| schema.child(key)), before, after, path, out);
        path.pop();
    }
}

fn lists(
    schema: Option<&Schema>,
    old: &[Value],
    new: &[Value],
    path: &mut Vec<Step>,
    out: &mut Comparison,
) {
    let below = schema.and_then(|schema| schema.items.as_deref());
    let mut paired: BTreeMap<Step, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    for (step, item) in items(schema, old) {
        paired.entry(step).or_default().0 = Some(item);
    }
    for (step, item) in items(schema, new) {
        paired.entry(step).or_default().1 = Some(item);
    }
    for (step, (before, after)) in paired {
        if before == after {
            continue;
        }
        path.push(step);
        differ(below, before, after, path, out);
        path.pop();
    }
}

/// Lays an applied configuration over a live value.
pub(crate) fn merge(schema: Option<&Schema>, live: &Value, applied: &Value) -> Value {
    match (shape(schema, live), shape(schema, applied)) {
        (Shape::Object(live), Shape::Object(applied)) => {
            let mut merged = live.clone();
            for (key, value) in applied {
                let below = schema.and_then(|schema| schema.child(key));
                let value = match live.get(key) {
                    Some(current) => merge(below, current, value),
                    None => value.clone(),
                };
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Shape::List(live), Shape::List(applied)) => merge_lists(schema, live, applied),
        _ => applied.clone(),
    }
}

/// Applied items keep their relative order; live ones stay where they can.
fn merge_lists(schema: Option<&Schema>, live: &[Value], applied: &[Value]) -> Value {
    let below = schema.and_then(|schema| schema.items.as_deref());
    let (left, right) = (items(schema, live), items(schema, applied));
    let find = |list: &[(Step, &Value)], step: &Step| {
        list.iter().find(|(s, _)| s == step).map(|(_, value)| (*value).clone())
    };
    let both = |step: &Step| match (find(&left, step), find(&right, step)) {
        (Some(live), Some(applied)) => merge(below, &live, &applied),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Value::Null,
    };
    let in_left = |step: &Step| left.iter().any(|(s, _)| s == step);
    let in_right = |step: &Step| right.iter().any(|(s, _)| s == step);
    let mut shared = right.iter().map(|(step, _)| step).filter(|step| in_left(step)).peekable();
    let (mut l, mut r) = (0, 0);
    let mut merged: Vec<&Step> = Vec::new();
    let mut out = Vec::new();
    while l < left.len() || r < right.len() {
        if let (Some((step, _)), Some((other, _))) = (left.get(l), right.get(r)) {
            if step == other {
                out.push(both(step));
                merged.push(step);
                (l, r) = (l + 1, r + 1);
                shared.next();
                continue;
            }
            if in_right(step) && shared.peek().is_some_and(|next| *next != step) {
                l += 1;
                continue;
            }
        }
        if let Some((step, value)) = left.get(l) {
            if !in_right(step) {
                out.push((*value).clone());
                l += 1;
                continue;
            }
            if merged.contains(&step) {
                l += 1;
            }
        }
        if let Some((step, _)) = right.get(r) {
            out.push(both(step));
            merged.push(step);
            r += 1;
            if shared.peek().is_some_and(|next| *next == step) {
                shared.next();
            }
        }
    }
    Value::Array(out)
}

/// The value without the given paths.
pub(crate) fn remove(schema: Option<&Schema>, value: &Value, paths: &Set) -> Value {
    match shape(schema, value) {
        Shape::Leaf => value.clone(),
        Shape::Object(map) => {
            let mut out = Map::new();
            for (key, child) in map {
                let step = Step::Field(key.clone());
                let Some(node) = paths.child(&step) else {
                    out.insert(key.clone(), child.clone());
                    continue;
                };
                if !node.is_member() {
                    out.insert(key.clone(), remove(step_schema(schema, &step), child, node));
                }
            }
            // What is left empty is nothing, which validation may then refuse as null.
            if out.is_empty() && !map.is_empty() { Value::Null } else { Value::Object(out) }
        }
        Shape::List(list) => {
            let below = schema.and_then(|schema| schema.items.as_deref());
            let kept = items(schema, list).into_iter().filter_map(|(step, item)| {
                match paths.child(&step) {
                    None => Some(item.clone()),
                    Some(node) if node.is_member() => None,
                    Some(node) => Some(remove(below, item, node)),
                }
            });
            let kept: Vec<Value> = kept.collect();
            if kept.is_empty() && !list.is_empty() { Value::Null } else { Value::Array(kept) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn applied_items_keep_their_relative_order() {
        let schema = json!({"type": "array", "items": {"type": "integer"},
            "x-kubernetes-list-type": "set"});
        let schema = Schema::parse(&schema, "root").unwrap();
        let merged = merge(Some(&schema), &json!([1, 2, 3]), &json!([3, 5, 1]));
        assert_eq!(merged, json!([2, 3, 5, 1]));
    }
}
