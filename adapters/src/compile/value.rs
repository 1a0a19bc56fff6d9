//! JSON to CEL values and back, with numbers by their value and null as absence.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value as Cel;
use cel::objects::{Key, OptionalValue};
use serde_json::{Map, Number, Value as Json};

/// The value as expressions see it. A whole number is an int however it was written (`80.0`), and
/// a map entry that is null is left out, so that a missing and a null path are the same.
pub(crate) fn to_cel(json: &Json) -> Cel {
    match json {
        Json::Null => Cel::Null,
        Json::Bool(value) => Cel::Bool(*value),
        Json::Number(number) => number_to_cel(number),
        Json::String(text) => Cel::String(Arc::new(text.clone())),
        Json::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Json::Object(entries) => {
            let map: HashMap<Key, Cel> = entries
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (Key::String(Arc::new(key.clone())), to_cel(value)))
                .collect();
            Cel::Map(cel::objects::Map { map: Arc::new(map) })
        }
    }
}

fn number_to_cel(number: &Number) -> Cel {
    if let Some(int) = number.as_i64() {
        return Cel::Int(int);
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    match whole(float) {
        Some(int) => Cel::Int(int),
        None => Cel::Float(float),
    }
}

/// The integer a double stands for, if it is one that a double can hold exactly.
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

/// A key as JSON has it. Nearly all are texts, which need no formatting.
fn name(key: &Key) -> String {
    match key {
        Key::String(text) => text.as_ref().clone(),
        other => other.to_string(),
    }
}

/// The value as JSON; `None` when it is absent (null, an empty optional) or has no JSON form.
pub(crate) fn to_json(cel: &Cel) -> Option<Json> {
    match cel {
        Cel::Null | Cel::Function(..) | Cel::Struct(_) => None,
        Cel::Bool(value) => Some(Json::Bool(*value)),
        Cel::Int(int) => Some(Json::from(*int)),
        Cel::UInt(int) => Some(Json::from(*int)),
        Cel::Float(float) => match whole(*float) {
            Some(int) => Some(Json::from(int)),
            None => Number::from_f64(*float).map(Json::Number),
        },
        Cel::String(text) => Some(Json::String(text.as_ref().clone())),
        Cel::List(items) => Some(Json::Array(items.iter().filter_map(to_json).collect())),
        Cel::Map(map) => {
            // The order of a CEL map is arbitrary; sorted keys make a request's digest repeatable.
            let mut entries: Vec<(String, Json)> = map
                .map
                .iter()
                .filter_map(|(key, value)| Some((name(key), to_json(value)?)))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Some(Json::Object(Map::from_iter(entries)))
        }
        Cel::Opaque(opaque) => {
            opaque.downcast_ref::<OptionalValue>().and_then(OptionalValue::value).and_then(to_json)
        }
        other => other.json().ok(),
    }
}
