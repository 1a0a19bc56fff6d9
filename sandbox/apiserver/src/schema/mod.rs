//! Structural schemas: parsed once, then pruning, defaulting, validation and merging walk them.
//!
//! Built-in kinds are described in the same terms, so one engine serves all kinds.

pub(crate) mod cel;
mod default;
pub(crate) mod formats;
mod parse;
mod prune;
mod validate;
mod values;

use indexmap::IndexMap;
use regex::Regex;
use serde_json::Value;

pub(crate) use default::{apply_defaults, apply_defaults_keeping_nulls};
pub(crate) use prune::{prune, unknown_fields};
pub(crate) use validate::{embedded_mistake, validate};

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Type {
    /// Nothing is known: only with preserve-unknown-fields.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::IntOrString => "integer,string",
        }
    }
}

/// How appliers share a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// The bounds on a value; absent ones do not hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Option<String>,
    pub(crate) choices: Option<Vec<Value>>,
}

/// Value validations that combine others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Combined {
    pub(crate) all: Vec<Schema>,
    pub(crate) any: Vec<Schema>,
    pub(crate) one: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
}

/// One node of a structural schema.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the schema format")]
pub(crate) struct Schema {
    pub(crate) kind: Type,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded: bool,
    /// Whether this is a built-in kind, whose spec and status are never absent.
    pub(crate) typed: bool,
    pub(crate) default: Option<Value>,
    pub(crate) properties: IndexMap<String, Schema>,
    /// The schema of values under undeclared keys: makes this a map.
    pub(crate) additional: Option<Box<Schema>>,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) required: Vec<String>,
    pub(crate) bounds: Bounds,
    pub(crate) combined: Combined,
    pub(crate) list_type: ListType,
    pub(crate) map_atomic: bool,
    pub(crate) rules: Option<cel::Rules>,
    /// Whether any node at or below this one carries rules.
    pub(crate) any_rules: bool,
    /// Whether any node at or below this one has a default.
    pub(crate) any_default: bool,
}

impl Schema {
    /// The schema of the value under `key`, if that key may be there.
    pub(crate) fn child(&self, key: &str) -> Option<&Schema> {
        self.properties.get(key).or(self.additional.as_deref())
    }
}
