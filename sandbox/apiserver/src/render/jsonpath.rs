//! The JSONPath that printer columns use: fields, quoted fields, indexes, wildcards and filters
//! by equality, such as `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::Value;

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Wildcard,
    Equal(Vec<String>, String),
}

impl JsonPath {
    /// Parses a path with or without its leading dot.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('{').trim_end_matches('}');
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let end = closing(after)?;
                steps.push(bracket(&after[..end])?);
                rest = &after[end + 1..];
                continue;
            }
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = field(rest);
            if !name.is_empty() {
                steps.push(if name == "*" { Step::Wildcard } else { Step::Field(name) });
            } else if !after.starts_with('[') && !after.is_empty() {
                return None;
            }
            rest = after;
        }
        Some(Self(steps))
    }

    /// All values the path leads to.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.find(value)).collect();
        }
        found
    }
}

impl Step {
    fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let Some(items) = value.as_array() else {
                    return Vec::new();
                };
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { index + length } else { *index };
                usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::Wildcard => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Equal(path, wanted) => {
                let matches = |item: &&Value| {
                    let mut at: &Value = item;
                    for key in path {
                        at = &at[key];
                    }
                    match at {
                        Value::String(text) => text == wanted,
                        other => serde_json::from_str::<Value>(wanted).is_ok_and(|w| w == *other),
                    }
                };
                value
                    .as_array()
                    .map_or_else(Vec::new, |items| items.iter().filter(matches).collect())
            }
        }
    }
}

/// A field name up to the next separator; a backslash takes the next character as it is.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        if escaped {
            name.push(character);
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == '.' || character == '[' {
            return (name, &text[index..]);
        } else {
            name.push(character);
        }
    }
    (name, "")
}

/// The end of a bracket, past quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, ']') => return Some(index),
            _ => {}
        }
    }
    None
}

fn bracket(inside: &str) -> Option<Step> {
    let inside = inside.trim();
    if inside == "*" {
        return Some(Step::Wildcard);
    }
    if let Some(filter) = inside.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        let (path, value) = filter.split_once("==")?;
        let path = path.trim().strip_prefix('@')?.trim_start_matches('.');
        let path = path.split('.').map(ToOwned::to_owned).collect();
        let value = value.trim().trim_matches(['"', '\'']);
        return Some(Step::Equal(path, value.to_owned()));
    }
    if inside.starts_with(['\'', '"']) {
        return Some(Step::Field(inside.trim_matches(['"', '\'']).to_owned()));
    }
    inside.parse().ok().map(Step::Index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_find_what_they_name() {
        let object = json!({"spec": {"list": [1, 2, 3]}, "metadata": {"labels": {"a.b/c": "x"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        for (path, expected) in [
            (".spec.list[1]", json!([2])),
            (".spec.list[-1]", json!([3])),
            (".spec.list[*]", json!([1, 2, 3])),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"])),
            (r".metadata.labels.a\.b/c", json!(["x"])),
            (".metadata.labels['a.b/c']", json!(["x"])),
            (".gone.deep", json!([])),
        ] {
            let found = JsonPath::parse(path).unwrap();
            assert_eq!(json!(found.find(&object)), expected, "{path}");
        }
    }
}
