//! `metadata.managedFields`: who owns what, as it is written down.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::set::{Set, Step};
use crate::meta;

/// How many update managers keep an entry of their own.
const UPDATE_MANAGERS: usize = 10;
/// The manager that takes over the entries beyond that.
const ANCIENT: &str = "ancient-changes";

/// The identity of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) manager: String,
    pub(crate) apply: bool,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

impl Identity {
    fn operation(&self) -> &'static str {
        if self.apply { "Apply" } else { "Update" }
    }

    /// Apply entries are the same manager whatever version they used.
    fn same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.apply == other.apply
            && self.subresource == other.subresource
            && (self.apply || self.api_version == other.api_version)
    }

    /// The manager as conflict messages name it.
    pub(crate) fn shown(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            let _ = write!(text, " with subresource {:?}", self.subresource);
        }
        if !self.apply {
            let _ = write!(text, " using {}", self.api_version);
        }
        text
    }
}

/// One manager and what it owns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) who: Identity,
    pub(crate) time: Option<String>,
    pub(crate) set: Set,
}

/// All managers of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Managers(pub(crate) Vec<Entry>);

impl Managers {
    /// Reads the entries; `None` when they are not well formed.
    pub(crate) fn read(object: &Value) -> Option<Self> {
        let Some(list) = object["metadata"]["managedFields"].as_array() else {
            return Some(Self::default());
        };
        list.iter()
            .map(|entry| {
                let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                if !matches!(entry["fieldsType"].as_str(), None | Some("FieldsV1")) {
                    return None;
                }
                let apply = match entry["operation"].as_str() {
                    Some("Apply") => true,
                    Some("Update") => false,
                    _ => return None,
                };
                let who = Identity {
                    manager: text("manager"),
                    apply,
                    api_version: text("apiVersion"),
                    subresource: text("subresource"),
                };
                let time = entry["time"].as_str().map(ToOwned::to_owned);
                let set = Set::from_json(entry.get("fieldsV1").unwrap_or(&json!({})))?;
                Some(Entry { who, time, set })
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// Writes the entries in the order of the real server; an empty list removes the field.
    pub(crate) fn write(mut self, object: &mut Value) {
        self.0.retain(|entry| !entry.set.is_empty());
        self.0.sort_by(|a, b| {
            let key = |e: &Entry| (!e.who.apply, e.time.clone().unwrap_or_default());
            key(a)
                .cmp(&key(b))
                .then_with(|| a.who.manager.cmp(&b.who.manager))
                .then_with(|| a.who.api_version.cmp(&b.who.api_version))
                .then_with(|| a.who.subresource.cmp(&b.who.subresource))
        });
        let metadata = meta::metadata_mut(object);
        metadata.shift_remove("managedFields");
        if !self.0.is_empty() {
            let entries = self.0.iter().map(Entry::to_json).collect();
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }

    pub(crate) fn position(&self, who: &Identity) -> Option<usize> {
        self.0.iter().position(|entry| entry.who.same(who))
    }

    /// Merges the oldest update entries when there are too many.
    pub(crate) fn cap(&mut self) {
        let updates = self.0.iter().filter(|entry| !entry.who.apply).count();
        if updates <= UPDATE_MANAGERS {
            return;
        }
        self.0.sort_by(|a, b| a.time.cmp(&b.time));
        let mut excess = updates - UPDATE_MANAGERS + 1;
        let mut kept = Vec::new();
        let mut ancient: Option<Entry> = None;
        for mut entry in std::mem::take(&mut self.0) {
            if entry.who.apply || excess == 0 {
                kept.push(entry);
                continue;
            }
            excess -= 1;
            match &mut ancient {
                Some(merged) if merged.who.api_version == entry.who.api_version => {
                    merged.set.union(&entry.set);
                    merged.time = entry.time.take();
                }
                Some(_) => kept.push(entry),
                None => {
                    ANCIENT.clone_into(&mut entry.who.manager);
                    entry.who.subresource.clear();
                    ancient = Some(entry);
                }
            }
        }
        kept.extend(ancient);
        self.0 = kept;
    }
}

impl Entry {
    fn to_json(&self) -> Value {
        let mut json = json!({});
        if !self.who.manager.is_empty() {
            json["manager"] = json!(self.who.manager);
        }
        json["operation"] = json!(self.who.operation());
        json["apiVersion"] = json!(self.who.api_version);
        if let Some(time) = &self.time {
            json["time"] = json!(time);
        }
        json["fieldsType"] = json!("FieldsV1");
        json["fieldsV1"] = self.set.to_json();
        if !self.who.subresource.is_empty() {
            json["subresource"] = json!(self.who.subresource);
        }
        json
    }
}

/// Drops the paths that nobody owns because the server does.
pub(crate) fn strip(set: &mut Set) {
    let field = |name: &str| Step::Field(name.to_owned());
    for top in ["apiVersion", "kind"] {
        set.drop_branch(&[field(top)]);
    }
    for name in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        set.drop_branch(&[field("metadata"), field(name)]);
    }
    // `metadata` itself is never a member; its owned children are.
    let mut alone = Set::default();
    alone.insert(&[field("metadata")]);
    *set = set.difference(&alone);
}
