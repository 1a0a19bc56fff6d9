//! Field selectors: `metadata.name=a,involvedObject.kind!=Pod`.

use serde_json::Value;

use crate::status::{Failure, Result};

/// A parsed selector; empty selects everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    path: String,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// Parses a selector over metadata.name, metadata.namespace and the `selectable` paths.
    pub(crate) fn parse(text: &str, selectable: &[String]) -> Result<Self> {
        let mut requirements = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) =
                part.split_once("==").or_else(|| part.split_once('='))
            {
                (path, value, true)
            } else {
                return Err(Failure::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{part}'"
                )));
            };
            let path = path.trim().to_owned();
            let known = path == "metadata.name"
                || path == "metadata.namespace"
                || selectable.contains(&path);
            if !known {
                return Err(Failure::bad_request(format!("field label not supported: {path}")));
            }
            requirements.push(Requirement { path, value: value.trim().to_owned(), equal });
        }
        Ok(Self(requirements))
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// The name this selector pins, so that a list need not look further.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.iter().find(|r| r.equal && r.path == "metadata.name").map(|r| r.value.as_str())
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let found = lookup(object, &requirement.path);
            (found == requirement.value) == requirement.equal
        })
    }
}

fn lookup(object: &Value, path: &str) -> String {
    let mut value = object;
    for segment in path.split('.') {
        value = &value[segment];
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
        scalar => scalar.to_string(),
    }
}
