//! Form bodies: the flat names as sent, and the lists and maps they were flattened from.

use std::collections::BTreeMap;

use infrafabric_adapters::compile::plain;
use serde_json::{Map, Value as Json};

use crate::received::add;

/// Every flat name with its value, and beside them what dotted and bracketed names stand for:
/// `Tag.1.Key` and `Tag[0][Key]` are the list `Tag` of maps with `Key`. A flat name wins over a
/// nested one; a repeated one is a list.
pub(crate) fn parse(body: &[u8]) -> Json {
    let mut flat = Map::new();
    for (name, value) in form_urlencoded::parse(body).into_owned() {
        add(&mut flat, name, Json::String(value));
    }
    let mut all = match nested(body) {
        Json::Object(map) => map,
        _ => Map::new(),
    };
    all.extend(flat);
    Json::Object(all)
}

/// The lists and maps that dotted and bracketed names stand for.
pub fn nested(body: &[u8]) -> Json {
    let mut root = Node::default();
    for (name, value) in form_urlencoded::parse(body).into_owned() {
        let mut node = &mut root;
        let bracketed = name.contains('[');
        let steps = name.split(if bracketed { '[' } else { '.' });
        for step in steps.map(|step| step.trim_end_matches(']')) {
            node.first = usize::from(!bracketed);
            // `ids[]=a&ids[]=b` is a list too.
            let step =
                if step.is_empty() { node.children.len().to_string() } else { step.to_owned() };
            node = node.children.entry(step).or_default();
        }
        node.value = Some(value);
    }
    root.into_json()
}

/// A form of one level.
pub(crate) fn write(body: &Json) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in body.as_object().into_iter().flatten() {
        match value {
            Json::Null => {}
            Json::Array(items) => items.iter().for_each(|item| {
                form.append_pair(name, &plain(item));
            }),
            one => {
                form.append_pair(name, &plain(one));
            }
        }
    }
    form.finish()
}

#[derive(Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
    /// Where lists begin to count.
    first: usize,
}

impl Node {
    fn into_json(self) -> Json {
        if self.children.is_empty() {
            return self.value.map_or(Json::Null, Json::String);
        }
        let indices: Option<Vec<usize>> =
            self.children.keys().map(|key| key.parse().ok()).collect();
        if indices.is_some_and(|all| all.iter().all(|index| *index >= self.first)) {
            let mut items: Vec<(usize, Json)> = self
                .children
                .into_iter()
                .map(|(key, node)| (key.parse().unwrap_or_default(), node.into_json()))
                .collect();
            items.sort_by_key(|(index, _)| *index);
            return Json::Array(items.into_iter().map(|(_, item)| item).collect());
        }
        Json::Object(self.children.into_iter().map(|(k, node)| (k, node.into_json())).collect())
    }
}

/// The value of a name that may be dotted, inside a nested value: `Placement.Zone`.
pub(crate) fn lookup<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    if let Some(found) = value.get(name) {
        return Some(found);
    }
    let (head, tail) = name.split_once('.')?;
    let inner = match value {
        Json::Array(items) => items.get(head.parse::<usize>().ok()?.checked_sub(1)?)?,
        other => other.get(head)?,
    };
    match inner {
        Json::Array(items) => match tail.split_once('.') {
            Some((index, rest)) => {
                lookup(items.get(index.parse::<usize>().ok()?.checked_sub(1)?)?, rest)
            }
            None => items.get(tail.parse::<usize>().ok()?.checked_sub(1)?),
        },
        other => lookup(other, tail),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_is_flat_and_nested() {
        let req =
            parse(b"Action=Run&Tag.2.Key=b&Tag.1.Key=a+x&Tag.10.Key=c&Place.Zone=z%2F1&N.1=q");
        assert_eq!(req["Tag.1.Key"], "a x");
        assert_eq!(req["Tag"], json!([{"Key": "a x"}, {"Key": "b"}, {"Key": "c"}]));
        assert_eq!(req["Place"], json!({"Zone": "z/1"}));
        assert_eq!(req["N"], json!(["q"]));
        let other = parse(b"a[0][b]=1&a[1][b]=2&c[d]=x&e=1&e=2");
        assert_eq!(other["a"], json!([{"b": "1"}, {"b": "2"}]));
        assert_eq!((&other["c"], &other["e"]), (&json!({"d": "x"}), &json!(["1", "2"])));
        assert_eq!(lookup(&req, "Place.Zone"), Some(&json!("z/1")));
        assert_eq!(lookup(&json!({"Tag": [{"Key": "a"}]}), "Tag.1.Key"), Some(&json!("a")));
        assert_eq!(lookup(&json!({"N": ["q"]}), "N.1"), Some(&json!("q")));
        assert_eq!(lookup(&json!({"N": ["q"]}), "N.2"), None);
    }
}
