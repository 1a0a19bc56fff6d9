//! Finding the old value that a new one replaces, as transition rules and ratcheting need it.

use std::fmt::Write as _;

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

/// Where a value is, written out only when somebody must be told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path<'a> {
    Start(&'a str),
    Field(&'a Path<'a>, &'a str),
    /// The value under a map key, as field.Path prints it.
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        // Writing into a String cannot fail.
        match self {
            Self::Start(start) => text.push_str(start),
            Self::Field(above, field) => {
                above.write(text);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(field);
            }
            Self::Key(above, key) => {
                above.write(text);
                let _ = write!(text, "[{key}]");
            }
            Self::Item(above, index) => {
                above.write(text);
                let _ = write!(text, "[{index}]");
            }
        }
    }
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
