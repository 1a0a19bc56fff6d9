//! Checking a value against a schema, with the messages of the real server.

use serde_json::Value;

use super::values::{Path, old_child, old_item, type_of};
use super::{Bounds, ListType, Schema, Type, formats};
use crate::status::{FieldError, json_sort};

/// Every mistake in `value`. What did not change since `old` is not judged again (ratcheting).
pub(crate) fn validate(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(schema, value, old, &Path::Start(path), &mut errors);
    errors
}

fn check(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    if old == Some(value) || value.is_null() && (schema.nullable || schema.kind == Type::Any) {
        return;
    }
    if !has_type(schema.kind, value) {
        let path = &path.text();
        let found = Value::from(type_of(value));
        let detail = format!("{path} in body must be of type {}: {found}", schema.kind.name());
        errors.push(FieldError::type_invalid(path, &found, &detail));
        if schema.kind == Type::Integer && value.is_number() {
            let detail =
                format!("Checked value must be of type integer (default format) in {path}");
            errors.push(FieldError::invalid("<nil>", &Value::from(""), &detail));
        }
        return;
    }
    if let Some(choices) = &schema.bounds.choices
        && !choices.contains(value)
    {
        let supported: Vec<String> = choices.iter().map(ToString::to_string).collect();
        errors.push(FieldError::not_supported(path.text(), value, &supported));
    }
    if schema.kind == Type::Integer
        && schema.bounds.format.as_deref() == Some("int32")
        && value.as_i64().is_some_and(|number| i32::try_from(number).is_err())
    {
        let path = path.text();
        let detail = format!("Checked value must be of type integer with format int32 in {path}");
        errors.push(FieldError::invalid("<nil>", &Value::from(""), &detail));
    }
    match value {
        Value::Object(map) => object(schema, map, old, path, errors),
        Value::Array(items) => array(schema, value, items, old, path, errors),
        Value::String(text) => string(&schema.bounds, text, value, path, errors),
        Value::Number(number) => {
            numeric(&schema.bounds, number.as_f64().unwrap_or_default(), value, path, errors);
        }
        Value::Null | Value::Bool(_) => {}
    }
    combined(schema, value, path, errors);
}

fn has_type(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Any => true,
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Integer => value.is_i64() || value.is_u64(),
        Type::Number => value.is_number(),
        Type::Boolean => value.is_boolean(),
        Type::IntOrString => value.is_string() || value.is_i64(),
    }
}

fn object(
    schema: &Schema,
    map: &serde_json::Map<String, Value>,
    old: Option<&Value>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    for key in &schema.required {
        if !map.contains_key(key) {
            errors.push(FieldError::required(Path::Field(path, key).text(), ""));
        }
    }
    for key in ["apiVersion", "kind"] {
        let empty = map.get(key).and_then(Value::as_str).unwrap_or_default().is_empty();
        if schema.embedded && empty {
            errors.push(FieldError::required(Path::Field(path, key).text(), ""));
        }
    }
    let bounds = &schema.bounds;
    if let Some(maximum) = bounds.max_properties.filter(|m| map.len() as u64 > *m) {
        errors.push(FieldError::too_many(path.text(), map.len(), maximum));
    }
    if let Some(minimum) = bounds.min_properties.filter(|m| (map.len() as u64) < *m) {
        let path = &path.text();
        let detail = format!("{path} in body should have at least {minimum} properties");
        errors.push(FieldError::invalid(path, &Value::from(map.len()), &detail));
    }
    for (key, child) in map {
        if let Some(below) = schema.child(key) {
            check(below, child, old_child(old, key), &Path::Field(path, key), errors);
        }
    }
}

fn array(
    schema: &Schema,
    value: &Value,
    items: &[Value],
    old: Option<&Value>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let bounds = &schema.bounds;
    if let Some(maximum) = bounds.max_items.filter(|m| items.len() as u64 > *m) {
        errors.push(FieldError::too_many(path.text(), items.len(), maximum));
    }
    if let Some(minimum) = bounds.min_items.filter(|m| (items.len() as u64) < *m) {
        let path = &path.text();
        let detail = format!("{path} in body should have at least {minimum} items");
        errors.push(FieldError::invalid(path, &Value::from(items.len()), &detail));
    }
    if bounds.unique_items && (1..items.len()).any(|i| items[..i].contains(&items[i])) {
        let path = &path.text();
        let detail = format!("{path} in body shouldn't contain duplicates");
        errors.push(FieldError::invalid(path, value, &detail));
    }
    if let Some(below) = schema.items.as_deref() {
        for (index, item) in items.iter().enumerate() {
            let at = Path::Item(path, index);
            check(below, item, old_item(schema, old, item), &at, errors);
        }
    }
    duplicates(schema, items, path, errors);
}

fn duplicates(schema: &Schema, items: &[Value], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let keys_of = |item: &Value| match &schema.list_type {
        ListType::Atomic => None,
        ListType::Set => Some(item.clone()),
        ListType::Map(keys) => Some(
            keys.iter()
                .filter_map(|key| Some((key.clone(), item.get(key)?.clone())))
                .collect::<Value>(),
        ),
    };
    let mut seen = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if matches!(schema.list_type, ListType::Map(_)) && !item.is_object() && !item.is_null() {
            let detail = "must be an object for an array of list-type map";
            errors.push(FieldError::invalid(Path::Item(path, index).text(), item, detail));
            return;
        }
        let Some(keys) = keys_of(item) else { return };
        if seen.contains(&keys) {
            errors.push(FieldError::duplicate(Path::Item(path, index).text(), &keys));
        } else {
            seen.push(keys);
        }
    }
}

fn string(
    bounds: &Bounds,
    text: &str,
    value: &Value,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let bounded = bounds.max_length.is_some() || bounds.min_length.is_some();
    let length = if bounded { text.chars().count() as u64 } else { 0 };
    // The first mistake of these is the one that is named.
    if let Some(maximum) = bounds.max_length.filter(|maximum| length > *maximum) {
        errors.push(FieldError::too_long(path.text(), maximum));
    } else if let Some(minimum) = bounds.min_length.filter(|minimum| length < *minimum) {
        let path = &path.text();
        let detail = format!("{path} in body should be at least {minimum} chars long");
        errors.push(FieldError::invalid(path, value, &detail));
    } else if let Some(pattern) = bounds.pattern.as_ref().filter(|pattern| !pattern.is_match(text))
    {
        let path = &path.text();
        let detail = format!("{path} in body should match '{pattern}'");
        errors.push(FieldError::invalid(path, value, &detail));
    }
    if let Some(format) = bounds.format.as_deref().filter(|format| !formats::holds(format, text)) {
        let path = &path.text();
        let detail = format!("{path} in body must be of type {format}: {value}");
        errors.push(FieldError::type_invalid(path, value, &detail));
    }
}

fn numeric(
    bounds: &Bounds,
    number: f64,
    value: &Value,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mut refuse = |detail: String| {
        let path = &path.text();
        errors.push(FieldError::invalid(path, value, &format!("{path} in body {detail}")));
    };
    if let Some(minimum) = bounds.minimum {
        if bounds.exclusive_minimum && number <= minimum {
            refuse(format!("should be greater than {minimum}"));
        } else if number < minimum {
            refuse(format!("should be greater than or equal to {minimum}"));
        }
    }
    if let Some(maximum) = bounds.maximum {
        if bounds.exclusive_maximum && number >= maximum {
            refuse(format!("should be less than {maximum}"));
        } else if number > maximum {
            refuse(format!("should be less than or equal to {maximum}"));
        }
    }
    if let Some(step) = bounds.multiple_of
        && ((number / step) - (number / step).round()).abs() > 1e-9
    {
        refuse(format!("should be a multiple of {step}"));
    }
}

fn combined(schema: &Schema, value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let combined = &schema.combined;
    if combined.all.is_empty()
        && combined.any.is_empty()
        && combined.one.is_empty()
        && combined.not.is_none()
    {
        return;
    }
    let path = &path.text();
    let valid = |branch: &Schema| validate(branch, value, None, path).is_empty();
    let refusal = |what: &str| {
        let detail = format!("\"{path}\" {what}");
        FieldError::invalid("<nil>", &Value::from(""), &detail)
    };
    if !combined.any.is_empty() && !combined.any.iter().any(valid) {
        errors.push(refusal("must validate at least one schema (anyOf)"));
        let branches = combined.any.iter().map(|one| validate(one, value, None, path));
        errors.extend(branches.min_by_key(Vec::len).unwrap_or_default());
    }
    if !combined.one.is_empty() {
        match combined.one.iter().filter(|branch| valid(branch)).count() {
            1 => {}
            0 => {
                errors.push(refusal(
                    "must validate one and only one schema (oneOf). Found none valid",
                ));
                // The branch that is nearest says what it lacks.
                let branches = combined.one.iter().map(|one| validate(one, value, None, path));
                errors.extend(branches.min_by_key(Vec::len).unwrap_or_default());
            }
            n => errors.push(refusal(&format!(
                "must validate one and only one schema (oneOf). Found {n} valid alternatives"
            ))),
        }
    }
    if combined.not.as_deref().is_some_and(valid) {
        errors.push(refusal("must not validate the schema (not)"));
    }
    for branch in &combined.all {
        errors.extend(validate(branch, value, None, path));
    }
}

/// What keeps an embedded object from being decoded as one.
pub(crate) fn embedded_mistake(schema: &Schema, value: &Value) -> Option<String> {
    embedded(schema, value, &Path::Start(""))
}

fn embedded(schema: &Schema, value: &Value, path: &Path<'_>) -> Option<String> {
    match value {
        Value::Object(map) => {
            if schema.embedded {
                for key in ["apiVersion", "kind"] {
                    if let Some(other) = map.get(key).filter(|value| !value.is_string()) {
                        let at = Path::Field(path, key).text();
                        return Some(format!("{at}: Invalid value: {other}: must be a string"));
                    }
                }
                let below = schema.properties.get("metadata")?;
                let metadata = map.get("metadata").unwrap_or(&Value::Null);
                let first = validate(below, metadata, None, "").into_iter().next();
                if let Some(first) = first.filter(|_| !metadata.is_null()) {
                    let at = Path::Field(path, "metadata").text();
                    let field = first.field.split(['.', '[']).next().unwrap_or_default();
                    let found = first.field.split('.').fold(metadata, |value, key| &value[key]);
                    return Some(format!(
                        "{at}: Invalid value: {metadata}: json: cannot unmarshal {} into Go \
                         struct field ObjectMeta.{field} of type string",
                        json_sort(found)
                    ));
                }
            }
            map.iter().find_map(|(key, child)| {
                embedded(schema.child(key)?, child, &Path::Field(path, key))
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            embedded(schema.items.as_deref()?, item, &Path::Item(path, index))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(schema: &Value, value: &Value) -> Vec<String> {
        let schema = Schema::parse(schema, "root").unwrap();
        validate(&schema, value, None, "spec").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn messages_are_those_of_the_real_server() {
        let schema = json!({"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1},
            "mode": {"type": "string", "enum": ["a", "b"]},
            "name": {"type": "string", "maxLength": 2},
            "keys": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        }});
        assert_eq!(messages(&schema, &json!({})), ["spec.size: Required value"]);
        let bad = json!({"size": 0, "mode": "c", "name": "abc", "keys": ["x", "x"]});
        assert_eq!(
            messages(&schema, &bad),
            [
                "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
                "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"",
                "spec.name: Too long: may not be more than 2 bytes",
                "spec.keys[1]: Duplicate value: \"x\"",
            ]
        );
        assert_eq!(
            messages(&schema, &json!({"size": "1"})),
            ["spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \
              \"string\""]
        );
    }

    #[test]
    fn unchanged_mistakes_pass_and_changed_ones_do_not() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "integer", "minimum": 1}, "b": {"type": "integer"}}});
        let schema = Schema::parse(&schema, "root").unwrap();
        let old = json!({"a": 0, "b": 1});
        assert!(validate(&schema, &json!({"a": 0, "b": 2}), Some(&old), "").is_empty());
        assert_eq!(validate(&schema, &json!({"a": -1, "b": 1}), Some(&old), "").len(), 1);
    }
}
