//! Request bodies to JSON values: JSON and YAML, duplicate keys noticed, numbers as the API has them.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A body and the keys that appeared twice in one object.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) value: Value,
    pub(crate) duplicates: Vec<String>,
}

/// Parses JSON. Depth is limited by the parser (128 levels).
pub(crate) fn json(bytes: &[u8]) -> Result<Decoded, serde_json::Error> {
    let duplicates = RefCell::new(Vec::new());
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = Seed { path: None, duplicates: &duplicates }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(Decoded { value, duplicates: duplicates.into_inner() })
}

/// Parses YAML; budgets against alias bombs are the parser's.
pub(crate) fn yaml(text: &str) -> Result<Decoded, serde_saphyr::Error> {
    use serde_saphyr::options::DuplicateKeyPolicy::{Error, LastWins};
    match first_document(text, Error) {
        Ok(value) => Ok(Decoded { value: normal_numbers(value), duplicates: Vec::new() }),
        Err(error) => {
            let said = error.to_string();
            let Some((_, key)) = said.split_once("duplicate mapping key: ") else {
                return Err(error);
            };
            // The last one counts, as it does to the real server; who validates strictly refuses.
            let key = key.split(',').next().unwrap_or_default().to_owned();
            let value = first_document(text, LastWins)?;
            Ok(Decoded { value: normal_numbers(value), duplicates: vec![key] })
        }
    }
}

/// The first of several documents; numbers such as 010 are octal, as in YAML 1.1.
fn first_document(
    text: &str,
    duplicates: serde_saphyr::options::DuplicateKeyPolicy,
) -> Result<Value, serde_saphyr::Error> {
    let end = text.match_indices("\n---").find(|(at, _)| {
        let before = text[..*at].lines().any(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with("---")
        });
        let after = text[at + 4..].chars().next();
        before && after.is_none_or(char::is_whitespace)
    });
    let text = end.map_or(text, |(at, _)| &text[..=at]);
    let options = serde_saphyr::options! {
        duplicate_keys: duplicates,
        legacy_octal_numbers: true,
    };
    serde_saphyr::from_str_with_options(text, options)
}

fn normal_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_i64().map_or_else(
            || number.as_f64().map_or(Value::Null, float),
            |integer| Value::Number(integer.into()),
        ),
        Value::Array(items) => items.into_iter().map(normal_numbers).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, normal_numbers(value))).collect()
        }
        other => other,
    }
}

/// Integral floats are integers to the API, as they are to the real server after one round trip.
#[expect(clippy::cast_possible_truncation, reason = "the range check makes the cast exact")]
fn float(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        Value::Number(Number::from(number as i64))
    } else {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

/// Where the parser is, written out only for a key that appears twice.
#[derive(Clone, Copy)]
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Key(key) if self.above.is_some() => write!(f, ".{key}"),
            Step::Key(key) => f.write_str(key),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    path: Option<&'a Place<'a>>,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond int64 the API itself keeps a float64")]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value)
            .map_or_else(|_| float(value as f64), |value| Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let place = Place { above: self.path, step: Step::Item(items.len()) };
            let seed = Seed { path: Some(&place), duplicates: self.duplicates };
            match access.next_element_seed(seed)? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let place = Place { above: self.path, step: Step::Key(&key) };
            let seed = Seed { path: Some(&place), duplicates: self.duplicates };
            let value = access.next_value_seed(seed)?;
            if map.contains_key(&key) {
                self.duplicates.borrow_mut().push(place.to_string());
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integral_floats_become_integers_and_duplicates_are_named() {
        let decoded = json(br#"{"a": 80.0, "b": {"c": 1, "c": 1.5}}"#).unwrap();
        assert_eq!(decoded.value.to_string(), r#"{"a":80,"b":{"c":1.5}}"#);
        assert_eq!(decoded.duplicates, ["b.c"]);
    }

    #[test]
    fn a_depth_bomb_is_refused() {
        assert!(json("[".repeat(100_000).as_bytes()).is_err());
    }
}
