//! From the JSON of a CustomResourceDefinition to [`Schema`].

use regex::Regex;
use serde_json::Value;

use super::{Bounds, Combined, ListType, Schema, Type, cel};
use crate::kinds::shape;
use crate::status::FieldError;

const DEPTH: usize = 64;

impl Schema {
    /// Parses a JSONSchemaProps; mistakes are reported under `field`.
    pub(crate) fn parse(json: &Value, field: &str) -> Result<Self, Vec<FieldError>> {
        let mut parser = Parser { errors: Vec::new() };
        let schema = parser.schema(json, field, 0, true);
        if parser.errors.is_empty() { Ok(schema) } else { Err(parser.errors) }
    }
}

struct Parser {
    errors: Vec<FieldError>,
}

impl Parser {
    fn schema(&mut self, json: &Value, field: &str, depth: usize, structural: bool) -> Schema {
        if depth > DEPTH {
            self.errors.push(FieldError::forbidden(field, "nested too deeply"));
            return Schema::default();
        }
        let flag = |key: &str| json[key].as_bool().unwrap_or_default();
        let mut schema = Schema {
            kind: self.kind(json, field, structural),
            nullable: flag("nullable"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            default: json.get("default").cloned(),
            required: strings(&json["required"]),
            bounds: self.bounds(json, field),
            list_type: self.list_type(json, field),
            map_atomic: json["x-kubernetes-map-type"] == "atomic",
            ..Schema::default()
        };
        for (key, child) in json["properties"].as_object().into_iter().flatten() {
            let at = format!("{field}.properties[{key}]");
            schema.properties.insert(key.clone(), self.schema(child, &at, depth + 1, structural));
        }
        if schema.embedded {
            let metadata = self.schema(&shape::metadata(), field, depth + 1, false);
            schema.properties.entry("metadata".to_owned()).or_insert(metadata);
            for key in ["apiVersion", "kind"] {
                let text = self.schema(&shape::string(), field, depth + 1, false);
                schema.properties.entry(key.to_owned()).or_insert(text);
            }
        }
        if json["additionalProperties"].is_object() {
            let at = format!("{field}.additionalProperties");
            let child = self.schema(&json["additionalProperties"], &at, depth + 1, structural);
            schema.additional = Some(Box::new(child));
        } else if json["additionalProperties"] == true {
            schema.preserve_unknown = true;
        }
        if json["items"].is_object() {
            let at = format!("{field}.items");
            let child = self.schema(&json["items"], &at, depth + 1, structural);
            schema.items = Some(Box::new(child));
        }
        schema.combined = self.combined(json, field, depth);
        schema.rules = cel::Rules::compile(json, field, &mut self.errors);
        self.check_default(&schema, field);
        summarise(&mut schema);
        schema
    }

    fn kind(&mut self, json: &Value, field: &str, structural: bool) -> Type {
        if json["x-kubernetes-int-or-string"] == true {
            return Type::IntOrString;
        }
        match json["type"].as_str().unwrap_or_default() {
            "object" => Type::Object,
            "array" => {
                if structural && !json["items"].is_object() {
                    let at = format!("{field}.items");
                    self.errors.push(FieldError::required(at, "must be specified"));
                }
                Type::Array
            }
            "string" => Type::String,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "boolean" => Type::Boolean,
            "" => {
                if structural && json["x-kubernetes-preserve-unknown-fields"] != true {
                    let at = format!("{field}.type");
                    self.errors.push(FieldError::required(
                        at,
                        "must not be empty for specified object fields",
                    ));
                }
                Type::Any
            }
            other => {
                let supported = ["array", "boolean", "integer", "number", "object", "string"]
                    .map(|t| format!("{t:?}"));
                let at = format!("{field}.type");
                self.errors.push(FieldError::not_supported(at, &Value::from(other), &supported));
                Type::Any
            }
        }
    }

    fn bounds(&mut self, json: &Value, field: &str) -> Bounds {
        let number = |key: &str| json[key].as_f64();
        let count = |key: &str| json[key].as_u64();
        let flag = |key: &str| json[key].as_bool().unwrap_or_default();
        let pattern = json["pattern"].as_str().and_then(|text| match Regex::new(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let at = format!("{field}.pattern");
                let detail = format!("must be a valid regular expression, but isn't: {error}");
                self.errors.push(FieldError::invalid(at, &json["pattern"], &detail));
                None
            }
        });
        Bounds {
            minimum: number("minimum"),
            maximum: number("maximum"),
            exclusive_minimum: flag("exclusiveMinimum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            unique_items: flag("uniqueItems"),
            pattern,
            format: json["format"].as_str().map(ToOwned::to_owned),
            choices: json["enum"].as_array().cloned(),
        }
    }

    fn list_type(&mut self, json: &Value, field: &str) -> ListType {
        match json["x-kubernetes-list-type"].as_str() {
            Some("set") => ListType::Set,
            Some("map") => {
                let keys = strings(&json["x-kubernetes-list-map-keys"]);
                if keys.is_empty() {
                    let at = format!("{field}.x-kubernetes-list-map-keys");
                    self.errors.push(FieldError::required(
                        at,
                        "must not be empty if x-kubernetes-list-type is map",
                    ));
                }
                ListType::Map(keys)
            }
            _ => ListType::Atomic,
        }
    }

    fn combined(&mut self, json: &Value, field: &str, depth: usize) -> Combined {
        let mut many = |key: &str| -> Vec<Schema> {
            let list = json[key].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .enumerate()
                .map(|(index, child)| {
                    self.schema(child, &format!("{field}.{key}[{index}]"), depth + 1, false)
                })
                .collect()
        };
        let (all, any, one) = (many("allOf"), many("anyOf"), many("oneOf"));
        let not = json["not"].is_object().then(|| {
            Box::new(self.schema(&json["not"], &format!("{field}.not"), depth + 1, false))
        });
        Combined { all, any, one, not }
    }

    /// A default must itself be valid once defaults below it are filled in.
    fn check_default(&mut self, schema: &Schema, field: &str) {
        let Some(default) = &schema.default else {
            return;
        };
        let at = format!("{field}.default");
        let mut value = default.clone();
        super::apply_defaults(schema, &mut value);
        for mut error in super::validate(schema, &value, None, "") {
            error.field = match error.field.as_str() {
                "" => at.clone(),
                below => format!("{at}.{below}"),
            };
            self.errors.push(error);
        }
        let mut pruned = value.clone();
        super::prune(schema, &mut pruned, false);
        if pruned != value {
            self.errors.push(FieldError::invalid(at, default, "must not have unknown fields"));
        }
    }
}

fn summarise(schema: &mut Schema) {
    let below = |test: fn(&Schema) -> bool, schema: &Schema| {
        schema.properties.values().any(test)
            || schema.items.as_deref().is_some_and(test)
            || schema.additional.as_deref().is_some_and(test)
    };
    schema.any_rules = schema.rules.is_some() || below(|child| child.any_rules, schema);
    schema.any_default = schema.default.is_some() || below(|child| child.any_default, schema);
}

fn strings(json: &Value) -> Vec<String> {
    json.as_array().map_or_else(Vec::new, |list| {
        list.iter().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
    })
}
