//! Form bodies: the flat names as sent, and the lists and maps they were flattened from.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// Every flat name with its value, and beside them what dotted names stand for: `Tag.1.Key` is
/// the list `Tag` of maps with `Key`. A flat name wins over a nested one.
pub(crate) fn parse(body: &[u8]) -> Json {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let mut root = Node::default();
    for (name, value) in &pairs {
        let mut node = &mut root;
        for step in name.split('.') {
            node = node.children.entry(step.to_owned()).or_default();
        }
        node.value = Some(value.clone());
    }
    let mut all = match root.into_json() {
        Json::Object(map) => map,
        _ => Map::new(),
    };
    for (name, value) in pairs {
        all.insert(name, Json::String(value));
    }
    Json::Object(all)
}

#[derive(Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn into_json(self) -> Json {
        if self.children.is_empty() {
            return self.value.map_or(Json::Null, Json::String);
        }
        let indices: Option<Vec<usize>> =
            self.children.keys().map(|key| key.parse().ok()).collect();
        if indices.is_some_and(|all| !all.contains(&0)) {
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
        assert_eq!(lookup(&req, "Place.Zone"), Some(&json!("z/1")));
        assert_eq!(lookup(&json!({"Tag": [{"Key": "a"}]}), "Tag.1.Key"), Some(&json!("a")));
        assert_eq!(lookup(&json!({"N": ["q"]}), "N.1"), Some(&json!("q")));
        assert_eq!(lookup(&json!({"N": ["q"]}), "N.2"), None);
    }
}
