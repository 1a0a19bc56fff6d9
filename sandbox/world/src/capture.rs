//! What a request says, found by holding it against the operation's own templates.

use std::collections::BTreeMap;

use infrafabric_adapters::compile::{CompiledOperation, Expression, Template, Tree, plain};
use serde_json::Value as Json;

use crate::form::lookup;
use crate::received::Received;

/// Values by the path that stands for them in the definition: `want.region`, `id`, `token`.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    values: BTreeMap<String, Json>,
    /// What was sent where the definition writes marks, tags or labels.
    pub(crate) marks: Vec<String>,
}

impl Captures {
    /// Holds query, headers and body against the operation.
    pub(crate) fn collect(&mut self, operation: &CompiledOperation, received: &Received) {
        for (key, template) in &operation.path.query {
            if let Some(value) = received.query.get(key) {
                self.template(template, value);
            }
        }
        for (key, template) in &operation.headers {
            if let Some(value) = received.headers.get(key.to_ascii_lowercase()) {
                self.template(template, value);
            }
        }
        if let Some((_, tree)) = operation.body.parts() {
            self.tree(tree, &received.req);
        }
    }

    /// Adds a value.
    pub(crate) fn insert(&mut self, path: String, value: Json) {
        self.values.insert(path, value);
    }

    /// The value as text.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.values.get(path).filter(|value| !value.is_null()).map(plain)
    }

    /// The first value below a name.
    pub(crate) fn any_below(&self, root: &str) -> Option<String> {
        let below = |path: &str| path.strip_prefix(root).is_some_and(|rest| rest.starts_with('.'));
        self.values.iter().find(|(path, _)| below(path)).map(|(_, value)| plain(value))
    }

    /// The values below a name, by what follows it: `name` of `want.name`.
    pub(crate) fn below(&self, root: &str) -> Json {
        let below = self.values.iter().filter_map(|(path, value)| {
            let key = path.strip_prefix(root)?.strip_prefix('.')?;
            Some((key.to_owned(), value.clone()))
        });
        Json::Object(below.collect())
    }

    fn tree(&mut self, tree: &Tree, value: &Json) {
        match (tree, value) {
            (Tree::Text(template), value) => self.template(template, value),
            (Tree::List(items), Json::Array(values)) => {
                items.iter().zip(values).for_each(|(item, value)| self.tree(item, value));
            }
            // XML and repeated form fields do not say that a list is one.
            (Tree::List(items), one) => {
                items.first().into_iter().for_each(|item| self.tree(item, one));
            }
            (Tree::Map(entries), value) => {
                for (key, inner) in entries {
                    if let Some(value) = lookup(value, key) {
                        self.tree(inner, value);
                    }
                }
            }
            _ => {}
        }
    }

    fn template(&mut self, template: &Template, value: &Json) {
        let marks = template.expressions().flat_map(Expression::paths).any(|path| {
            path[0] == "want" && path.get(1).is_some_and(|p| MARKS.contains(&p.as_str()))
        });
        if marks {
            add_marks(value, &mut self.marks);
        }
        if let Some(expression) = template.whole() {
            // `base64(want.userData)` is not the value itself; only a bare path is. What is made of a
            // token is as good as the token.
            if let [path] = expression.paths().as_slice()
                && (is_value(expression.source(), &path.join(".")) || *path == ["token"])
            {
                self.values.insert(path.join("."), value.clone());
            }
        } else if let Json::String(text) = value {
            let found = match_parts(&parts(template), text).unwrap_or_default();
            self.values.extend(found.into_iter().map(|(k, v)| (k, Json::String(v))));
        }
    }
}

/// Whether it is the value itself, perhaps written as another type.
fn is_value(source: &str, path: &str) -> bool {
    let bare = ["int(", "string(", "double("].iter().find_map(|cast| source.strip_prefix(cast));
    source == path || bare.and_then(|rest| rest.strip_suffix(')')) == Some(path)
}

/// Inputs that carry what a thing is recognised by.
const MARKS: [&str; 3] = ["marks", "tags", "labels"];

/// Texts as they are; maps of two (`Key`, `Value`) and labels as `key=value`.
fn add_marks(value: &Json, marks: &mut Vec<String>) {
    match value {
        Json::Null => {}
        Json::Array(items) => items.iter().for_each(|item| add_marks(item, marks)),
        Json::Object(entries) => {
            let field = |name: &str| entries.iter().find(|(k, _)| k.eq_ignore_ascii_case(name));
            match (field("key"), field("value")) {
                (Some((_, key)), value) => {
                    let value = value.map(|(_, value)| plain(value)).unwrap_or_default();
                    marks.push(pair(&plain(key), &value));
                }
                _ => marks.extend(entries.iter().map(|(k, v)| pair(k, &plain(v)))),
            }
        }
        one => marks.push(plain(one)),
    }
}

/// A key with its value, if it has one.
fn pair(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}={value}") }
}

/// A piece of a template as a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text that must stand there.
    Literal(String),
    /// A value, by the path that the expression reads (empty when it is no plain path).
    Value(String),
}

/// The template as a pattern.
pub(crate) fn parts(template: &Template) -> Vec<Part> {
    let mut expressions = template.expressions();
    let part = |literal: Option<&str>| {
        if let Some(text) = literal {
            return Part::Literal(text.to_owned());
        }
        let paths = expressions.next().map(Expression::paths).unwrap_or_default();
        Part::Value(paths.first().map(|path| path.join(".")).unwrap_or_default())
    };
    template.pattern().map(part).collect()
}

/// The values in a text of that pattern; a value is never empty.
pub(crate) fn match_parts(parts: &[Part], text: &str) -> Option<Vec<(String, String)>> {
    match parts {
        [] => text.is_empty().then(Vec::new),
        [Part::Literal(literal), rest @ ..] => {
            match_parts(rest, text.strip_prefix(literal.as_str())?)
        }
        [Part::Value(name)] => (!text.is_empty()).then(|| vec![(name.clone(), text.to_owned())]),
        [Part::Value(name), rest @ ..] => {
            let ends = text.char_indices().map(|(at, _)| at).skip(1).chain([text.len()]);
            for end in ends {
                if let Some(mut found) = match_parts(rest, &text[end..]) {
                    found.insert(0, (name.clone(), text[..end].to_owned()));
                    return Some(found);
                }
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_give_their_values() {
        let pattern = parts(&Template::compile("a-${want.region}-${id}b").expect("compiles"));
        let found = match_parts(&pattern, "a-x-7b").expect("matches");
        assert_eq!(found, [("want.region".into(), "x".into()), ("id".into(), "7".into())]);
        assert_eq!(match_parts(&pattern, "a-x-7c"), None);
        assert_eq!(match_parts(&pattern, "a--7b"), None);
    }

    #[test]
    fn a_body_gives_what_its_template_names() {
        let tree = json!({
            "n": "${want.name}", "z": "${want.region}a", "Key.Token": "${token}",
            "user": "${base64(want.userData)}", "tags": "${want.marks + want.tags}",
            "deep": [{"size": "${want.size}"}],
            "labels": "${want.labels.map(k, {'Key': k, 'Value': want.labels[k]})}"
        });
        let tree = Tree::compile(&tree, "").expect("compiles");
        let mut captures = Captures::default();
        captures.tree(
            &tree,
            &json!({
                "n": "web", "z": "eua", "Key": {"Token": "t1"}, "user": "eA==",
                "tags": ["m1", "t2"], "deep": [{"size": "s"}],
                "labels": [{"Key": "k", "Value": "v"}, {"Key": "mark", "Value": ""}]
            }),
        );
        let texts = ["want.name", "want.region", "token", "want.size", "want.userData"];
        let found: Vec<_> = texts.iter().map(|path| captures.text(path)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found, [some("web"), some("eu"), some("t1"), some("s"), None]);
        assert_eq!(captures.marks, ["m1", "t2", "k=v", "mark"]);
    }
}
