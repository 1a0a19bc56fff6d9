//! Sets of field paths: what a manager owns.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::schema::{ListType, Schema};

/// One step of a path. The order is the one `fieldsV1` is written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A field of an object: `f:name`.
    Field(String),
    /// An item of a keyed list, by its keys as sorted JSON: `k:{…}`.
    Key(String),
    /// An item of a set, by its value as JSON: `v:…`.
    Item(String),
    /// An item by position: `i:0`.
    Index(usize),
}

impl Step {
    fn parse(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_once(':')?;
        match tag {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => Some(Self::Key(sorted_text(serde_json::from_str(rest).ok()?))),
            "v" => Some(Self::Item(rest.to_owned())),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Item(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// The step as conflict messages show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Field(name) => format!(".{name}"),
            Self::Key(keys) => {
                let parsed: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let all: Vec<String> = parsed.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("[{}]", all.join(","))
            }
            Self::Item(value) => format!("[={value}]"),
            Self::Index(index) => format!("[{index}]"),
        }
    }

    /// The step to one item of a list; keys that are absent count with their defaults.
    pub(crate) fn of_item(list: &Schema, item: &Value) -> Option<Self> {
        match &list.list_type {
            ListType::Atomic => None,
            ListType::Set => Some(Self::Item(item.to_string())),
            ListType::Map(keys) => {
                let mut found = Map::new();
                for key in keys {
                    let default = || {
                        let item = list.items.as_deref()?;
                        item.properties.get(key)?.default.clone()
                    };
                    if let Some(value) = item.get(key).cloned().or_else(default) {
                        found.insert(key.clone(), value);
                    }
                }
                (!found.is_empty()).then(|| Self::Key(sorted_text(found)))
            }
        }
    }
}

fn sorted_text(map: Map<String, Value>) -> String {
    let sorted: BTreeMap<String, Value> = map.into_iter().collect();
    serde_json::to_string(&sorted).unwrap_or_default()
}

/// A set of paths, as a tree. A node that is a member stands for its own path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Set {
    member: bool,
    children: BTreeMap<Step, Set>,
}

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    pub(crate) fn is_member(&self) -> bool {
        self.member
    }

    pub(crate) fn child(&self, step: &Step) -> Option<&Set> {
        self.children.get(step)
    }

    pub(crate) fn insert(&mut self, path: &[Step]) {
        self.node(path).member = true;
    }

    /// The node at a path, made when absent.
    pub(crate) fn node(&mut self, path: &[Step]) -> &mut Set {
        path.iter().fold(self, |node, step| {
            // Looked up first: cloning the step is only needed for new nodes.
            node.children.entry(step.clone()).or_default()
        })
    }

    pub(crate) fn union(&mut self, other: &Set) {
        self.member |= other.member;
        for (step, theirs) in &other.children {
            self.children.entry(step.clone()).or_default().union(theirs);
        }
    }

    pub(crate) fn intersection(&self, other: &Set) -> Set {
        let children = self
            .children
            .iter()
            .filter_map(|(step, mine)| {
                let both = mine.intersection(other.children.get(step)?);
                (!both.is_empty()).then(|| (step.clone(), both))
            })
            .collect();
        Set { member: self.member && other.member, children }
    }

    pub(crate) fn difference(&self, other: &Set) -> Set {
        let children = self
            .children
            .iter()
            .filter_map(|(step, mine)| {
                let left = match other.children.get(step) {
                    Some(theirs) => mine.difference(theirs),
                    None => mine.clone(),
                };
                (!left.is_empty()).then(|| (step.clone(), left))
            })
            .collect();
        Set { member: self.member && !other.member, children }
    }

    /// Drops a whole branch.
    pub(crate) fn drop_branch(&mut self, path: &[Step]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if rest.is_empty() {
            self.children.remove(first);
        } else if let Some(child) = self.children.get_mut(first) {
            child.drop_branch(rest);
            if child.is_empty() {
                self.children.remove(first);
            }
        }
    }

    /// Keeps only the branches that begin with `path`.
    pub(crate) fn keep_branch(&mut self, first: &Step) {
        self.children.retain(|step, _| step == first);
    }

    /// Makes members of the declared fields that have owned children.
    pub(crate) fn with_named_parents(&self, schema: Option<&Schema>) -> Set {
        let children = self
            .children
            .iter()
            .map(|(step, node)| {
                let below = step_schema(schema, step);
                let mut node_with = node.with_named_parents(below);
                if let (Step::Field(name), Some(schema)) = (step, schema)
                    && !node.children.is_empty()
                    && schema.properties.contains_key(name)
                {
                    node_with.member = true;
                }
                (step.clone(), node_with)
            })
            .collect();
        Set { member: self.member, children }
    }

    /// Every member's path as conflict messages show it.
    pub(crate) fn shown(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.collect_shown("", &mut all);
        all
    }

    /// The members of a level come before those below it.
    fn collect_shown(&self, path: &str, all: &mut Vec<String>) {
        let at = |step: &Step| format!("{path}{}", step.shown());
        let members = self.children.iter().filter(|(_, child)| child.member);
        all.extend(members.map(|(step, _)| at(step)));
        for (step, child) in &self.children {
            child.collect_shown(&at(step), all);
        }
    }

    /// Writes `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (step, child) in &self.children {
            let mut below = child.to_json();
            if child.member && !child.children.is_empty() {
                let mut with_dot = Map::new();
                with_dot.insert(".".to_owned(), Value::Object(Map::new()));
                if let Value::Object(rest) = below {
                    with_dot.extend(rest);
                }
                below = Value::Object(with_dot);
            }
            map.insert(step.text(), below);
        }
        Value::Object(map)
    }

    /// Reads `fieldsV1`.
    pub(crate) fn from_json(json: &Value) -> Option<Set> {
        let mut set = Set::default();
        for (key, child) in json.as_object()? {
            if key == "." {
                set.member = true;
                continue;
            }
            let step = Step::parse(key)?;
            let mut below = Set::from_json(child)?;
            if child.as_object().is_some_and(Map::is_empty) {
                below.member = true;
            }
            set.children.insert(step, below);
        }
        Some(set)
    }
}

/// The schema below one step.
pub(crate) fn step_schema<'a>(schema: Option<&'a Schema>, step: &Step) -> Option<&'a Schema> {
    match step {
        Step::Field(name) => schema?.child(name),
        _ => schema?.items.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_v1_survives_a_round_trip() {
        let fields = json!({"f:spec": {"f:ports": {".": {},
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}, "f:size": {}}});
        let set = Set::from_json(&fields).unwrap();
        assert_eq!(set.to_json(), fields);
        assert_eq!(
            set.shown(),
            [
                ".spec.ports",
                ".spec.size",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].port"
            ]
        );
        assert!(set.difference(&set).is_empty());
        assert_eq!(set.intersection(&set), set);
    }
}
