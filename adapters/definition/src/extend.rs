//! Definitions that change another one: dialects of a shared protocol.

use std::borrow::Cow;
use std::collections::HashSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::Definition;

/// A definition as it is given: whole, or what it changes of the one that it `extends`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Given(pub Json);

impl Given {
    /// The name of the definition that it changes.
    pub fn extends(&self) -> Option<&str> {
        self.0.get("extends")?.as_str()
    }
}

/// What a whole definition must have, and an extension need not.
const WHOLE: [&str; 6] = ["title", "domain", "docs", "checked", "endpoint", "auth"];

impl JsonSchema for Given {
    fn schema_name() -> Cow<'static, str> {
        "Given".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({});
        if let Json::Object(map) = Definition::json_schema(generator).to_value() {
            for (key, mut value) in map {
                // What an extension leaves out its base has.
                if key != "required" {
                    strip(&mut value);
                    explain_once(&mut value, &mut HashSet::new());
                    schema.insert(key, value);
                }
            }
        }
        let has = WHOLE.map(|name| format!("has(self.{name})")).join(" && ");
        schema.insert(
            "x-kubernetes-validations".to_owned(),
            json!([{
                "rule": format!("has(self.extends) || ({has})"),
                "message": format!("without `extends`, a definition has {}", WHOLE.join(", ")),
            }, {
                "rule": "has(self.extends) || has(self.verify) != has(self.unproven)",
                "message": "without `extends`, a definition has verify or unproven",
            }]),
        );
        schema
    }
}

/// Leaves the text of each set of properties where it stands first: an operation is one in many places, and
/// clients load the whole schema.
fn explain_once(schema: &mut Json, seen: &mut HashSet<String>) {
    match schema {
        Json::Object(map) => {
            // `kubectl explain` begins with how a thing is made.
            let is_first = |key: &str| matches!(key, "objects" | "create" | "additionalProperties");
            let mut keys: Vec<String> = map.keys().cloned().collect();
            keys.sort_by_key(|key| !is_first(key));
            if map.get("properties").is_some_and(|all| !seen.insert(all.to_string())) {
                map.entry("properties").and_modify(silence);
                return;
            }
            for key in keys {
                map.entry(key).and_modify(|value| explain_once(value, seen));
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| explain_once(item, seen)),
        _ => {}
    }
}

/// Takes every `description` out of a schema.
fn silence(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            // A property of that name is a map.
            if map.get("description").is_some_and(Json::is_string) {
                map.remove("description");
            }
            map.values_mut().for_each(silence);
        }
        Json::Array(items) => items.iter_mut().for_each(silence),
        _ => {}
    }
}

/// Takes every `required` out of a schema.
fn strip(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            // A property of that name is a map.
            if map.get("required").is_some_and(Json::is_array) {
                map.remove("required");
            }
            // The elements of a list are replaced together with it.
            map.iter_mut().filter(|(key, _)| *key != "items").for_each(|(_, inner)| strip(inner));
        }
        Json::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The whole that an extension makes of its base.
pub fn extended(mut base: Json, over: &Json) -> Json {
    let without = over.get("without").and_then(Json::as_array).into_iter().flatten();
    for path in without.filter_map(Json::as_str) {
        remove(&mut base, path);
    }
    let mut over = over.clone();
    if let Json::Object(map) = &mut over {
        map.remove("without");
    }
    merge(&mut base, over);
    base
}

fn remove(from: &mut Json, path: &str) {
    let Some(map) = from.as_object_mut() else { return };
    match path.split_once('.') {
        Some((key, rest)) => map.get_mut(key).into_iter().for_each(|inner| remove(inner, rest)),
        None => {
            map.remove(path);
        }
    }
}

/// RFC 7386, with null as a value of its own: what is not taken over is said in `without`.
fn merge(into: &mut Json, over: Json) {
    match (into, over) {
        (Json::Object(into), Json::Object(over)) => {
            for (key, value) in over {
                match into.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, over) => *into = over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_changes_what_it_names() {
        let base = json!({"title": "A", "errors": [1, 2],
            "objects": {"machine": {"create": {"post": "/a", "json": {"x": 1}}, "verbs": {"stop": {}, "start": {}}}}});
        let over = json!({"extends": "a", "title": "B", "errors": [3], "without": ["objects.machine.verbs.stop", "no.such"],
            "objects": {"machine": {"create": {"json": {"y": 2}}}}});
        let whole = json!({"extends": "a", "title": "B", "errors": [3],
            "objects": {"machine": {"create": {"post": "/a", "json": {"x": 1, "y": 2}}, "verbs": {"start": {}}}}});
        assert_eq!(extended(base, &over), whole);
    }
}
