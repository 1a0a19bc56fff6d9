//! Bounded strings, so that each has its maximum in the schema of the API.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One line of text or a template: literal text with expressions in `${}`. At most 1,000 bytes.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Text(#[schemars(length(max = 1000))] pub String);

/// A text of many lines, such as a key in PEM. At most 10,000 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Document(#[schemars(length(max = 10000))] pub String);

/// A name inside a definition: a letter, then letters, digits, `-` and `_`. At most 63 bytes.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Name(
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_-]*$"), length(min = 1, max = 63))] pub String,
);

/// A day, `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Date(#[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"), length(max = 10))] pub String);

/// A span of time: a whole number and `ms`, `s`, `m` or `h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Span(
    #[schemars(regex(pattern = r"^[0-9]{1,6}(ms|s|m|h)$"), length(max = 8))] pub String,
);

impl Span {
    /// The time it stands for, or `None` when it is not of the form `30s`.
    pub fn duration(&self) -> Option<Duration> {
        let digits = self.0.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let count: u64 = digits.parse().ok()?;
        match &self.0[digits.len()..] {
            "ms" => Some(Duration::from_millis(count)),
            "s" => Some(Duration::from_secs(count)),
            "m" => Some(Duration::from_secs(count * 60)),
            "h" => Some(Duration::from_secs(count * 3600)),
            _ => None,
        }
    }
}

/// A piece of a request or an answer in the provider's own shape; its strings are templates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Free(pub serde_json::Value);

impl JsonSchema for Free {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Free".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
    }
}

macro_rules! string_like {
    ($($name:ident),*) => {$(
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

string_like!(Text, Document, Name, Date, Span);
