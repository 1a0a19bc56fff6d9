//! The schemas of a description, as JSON Schema.

use std::error::Error;

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value as Json, json};

const ROOT: &str = "urn:description";
/// The most mismatches of one value that are said.
const MOST: usize = 8;

/// Which way a value goes: a server's own properties are not asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Answer,
}

/// All schemas, once for each direction.
pub(super) struct Schemas {
    request: Registry<'static>,
    answer: Registry<'static>,
    document: Json,
    draft: Draft,
}

impl Schemas {
    pub(super) fn new(document: &Json) -> Result<Self, Box<dyn Error>> {
        let modern = document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1"));
        let draft = if modern { Draft::Draft202012 } else { Draft::Draft4 };
        let registry = |direction| -> Result<Registry<'static>, Box<dyn Error>> {
            let (mut document, document_before) = (document.clone(), document);
            adapt(&mut document, (document_before, direction), modern);
            Ok(Registry::new().draft(draft).add(ROOT, document)?.prepare()?)
        };
        let (request, answer) = (registry(Direction::Request)?, registry(Direction::Answer)?);
        Ok(Self { request, answer, document: document.clone(), draft })
    }

    /// What is wrong with a value, by the schema at a place.
    pub(super) fn check(&self, pointer: &str, value: &Json, direction: Direction) -> Vec<String> {
        let Some(validator) = self.validator(pointer, direction) else { return Vec::new() };
        let errors = validator.iter_errors(value).take(MOST);
        errors
            .map(|error| {
                format!(" {}: {}", at(error.instance_path().as_str()), short(&error.to_string()))
            })
            .collect()
    }

    /// The same for what is written as text: a number is one if it reads as one.
    pub(super) fn check_text(&self, pointer: &str, value: &Json) -> Vec<String> {
        let Some(validator) = self.validator(pointer, Direction::Request) else {
            return Vec::new();
        };
        let fitted = fitted(&validator, value);
        let readings = [value.clone(), fitted, read(value), json!([value]), json!([read(value)])];
        if readings.iter().any(|reading| validator.is_valid(reading)) {
            return Vec::new();
        }
        let errors = validator.iter_errors(value).take(1);
        errors.map(|error| short(&error.to_string())).collect()
    }

    /// A schema that cannot be used (its parts are in another file) judges nothing.
    fn validator(&self, pointer: &str, direction: Direction) -> Option<Validator> {
        self.document.pointer(pointer)?;
        let registry = match direction {
            Direction::Request => &self.request,
            Direction::Answer => &self.answer,
        };
        let pointer: String =
            percent_encoding::utf8_percent_encode(pointer, percent_encoding::CONTROLS).to_string();
        let pointer = pointer.replace('{', "%7B").replace('}', "%7D").replace(' ', "%20");
        jsonschema::options()
            .with_draft(self.draft)
            .with_registry(registry)
            .build(&json!({"$ref": format!("{ROOT}#{pointer}")}))
            .ok()
    }
}

/// The value with each text read as what it looks like where the schema wants no text.
fn fitted(validator: &Validator, value: &Json) -> Json {
    let mut value = value.clone();
    for _ in 0..64 {
        let Some(at) = validator.iter_errors(&value).find_map(|error| {
            let at = error.instance_path().as_str().to_owned();
            let text = value.pointer(&at).filter(|text| text.is_string())?;
            (read(text) != *text).then_some(at)
        }) else {
            break;
        };
        if let Some(text) = value.pointer_mut(&at) {
            *text = read(text);
        }
    }
    value
}

/// Text read as what it looks like, in maps too.
fn read(value: &Json) -> Json {
    match value {
        Json::String(text) => serde_json::from_str(text)
            .ok()
            .filter(|read: &Json| !read.is_object())
            .unwrap_or_else(|| value.clone()),
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), read(value))).collect(),
        Json::Array(items) => items.iter().map(read).collect(),
        other => other.clone(),
    }
}

/// Whether a property, or what it refers to, is marked.
fn says(root: &Json, property: &Json, key: &str) -> bool {
    let refers = property["$ref"].as_str().and_then(|at| root.pointer(at.strip_prefix('#')?));
    let parts = property["allOf"].as_array().into_iter().flatten();
    property[key] == true
        || refers.is_some_and(|property| property[key] == true)
        || parts.into_iter().any(|part| says(root, part, key))
}

/// Makes JSON Schema of what OpenAPI writes otherwise.
fn adapt(value: &mut Json, (root, direction): (&Json, Direction), modern: bool) {
    match value {
        Json::Array(items) => {
            for item in items.iter_mut() {
                adapt(item, (root, direction), modern);
            }
        }
        Json::Object(map) => {
            let key = match direction {
                Direction::Request => "readOnly",
                Direction::Answer => "writeOnly",
            };
            let own = |property: &Json| says(root, property, key);
            let ours: Vec<String> = map
                .get("properties")
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
                .filter(|(_, property)| own(property))
                .map(|(name, _)| name.clone())
                .collect();
            if let Some(Json::Array(required)) = map.get_mut("required") {
                required.retain(|name| !ours.iter().any(|own| name == own));
                // JSON Schema of that draft has no empty list here.
                if required.is_empty() {
                    map.remove("required");
                }
            }
            let nullable = map.get("nullable") == Some(&json!(true))
                || map.get("x-nullable") == Some(&json!(true));
            if nullable && !modern {
                if let Some(kind) = map.get("type").filter(|kind| kind.is_string()).cloned() {
                    map.insert("type".to_owned(), json!([kind, "null"]));
                }
                if let Some(Json::Array(values)) = map.get_mut("enum") {
                    values.push(Json::Null);
                }
            }
            // Examples are no schemas.
            for (key, inner) in map.iter_mut() {
                if !matches!(key.as_str(), "example" | "examples" | "default" | "enum") {
                    adapt(inner, (root, direction), modern);
                }
            }
        }
        _ => {}
    }
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() { "as a whole".to_owned() } else { format!("at {pointer}") }
}

/// One line of at most 200 letters.
fn short(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
