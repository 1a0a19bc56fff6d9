//! CustomResourceDefinitions: judged, established, turned into served resources.

pub(crate) mod controller;
pub(crate) mod validate;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock;
use crate::kinds::shape;
use crate::meta;
use crate::registry::priority;
use crate::render::columns::Column;
use crate::resource::{Flavour, Resource, Scale};
use crate::schema::Schema;
use crate::store::Stored;

/// The finalizer that keeps a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What a parsed definition was parsed from: uid, generation, whether it terminates.
type Parsed = (String, i64, bool);

/// Parsed definitions, so that a change parses only what changed.
#[derive(Default)]
pub(crate) struct Definitions {
    parsed: HashMap<String, (Parsed, Vec<Arc<Resource>>)>,
}

impl Definitions {
    /// The resources of all definitions whose names are accepted.
    pub(crate) fn resources(&mut self, stored: &[(String, Arc<Stored>)]) -> Vec<Arc<Resource>> {
        self.parsed.retain(|name, _| stored.iter().any(|(key, _)| key == name));
        let mut all = Vec::new();
        for (name, stored) in stored {
            let definition = stored.value();
            let names = &definition["spec"]["names"];
            let accepted = &definition["status"]["acceptedNames"];
            if ["plural", "kind", "listKind"].iter().any(|key| names[*key] != accepted[*key]) {
                continue;
            }
            let state = (stored.uid.clone(), meta::generation(&definition), stored.deleting);
            match self.parsed.get(name) {
                Some((known, resources)) if *known == state => {
                    all.extend(resources.iter().cloned());
                }
                _ => {
                    let resources = served(&definition);
                    all.extend(resources.iter().cloned());
                    self.parsed.insert(name.clone(), (state, resources));
                }
            }
        }
        all
    }
}

/// The resources that a valid definition serves.
fn served(definition: &Value) -> Vec<Arc<Resource>> {
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    versions
        .iter()
        .filter(|version| version["served"] == true)
        .map(|version| Arc::new(resource(definition, version, versions)))
        .collect()
}

fn resource(definition: &Value, version: &Value, versions: &[Value]) -> Resource {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().map_or_else(Vec::new, |list| list.iter().map(text).collect())
    };
    let group = text(&spec["group"]);
    let plural = text(&names["plural"]);
    let storage = versions.iter().find(|version| version["storage"] == true);
    let storage = storage.map(|version| text(&version["name"])).unwrap_or_default();
    let document = document(version);
    // The definition was validated before it was stored.
    let schema = Arc::new(Schema::parse(&document, "schema").unwrap_or_default());
    let storage_schema = match versions.iter().find(|version| version["storage"] == true) {
        Some(stored) if stored["name"] != version["name"] => {
            let document = self::document(stored);
            Arc::new(Schema::parse(&document, "schema").unwrap_or_default())
        }
        _ => Arc::clone(&schema),
    };
    let kind = text(&names["kind"]);
    let own = text(&version["name"]);
    let deprecation = (version["deprecated"] == true).then(|| {
        let newer = versions.iter().filter(|other| {
            other["served"] == true
                && other["deprecated"] != true
                && priority(&text(&other["name"])) > priority(&own)
        });
        let newer = newer.map(|other| text(&other["name"])).max_by_key(|name| priority(name));
        let instead = newer.map_or_else(String::new, |name| format!("; use {group}/{name} {kind}"));
        version["deprecationWarning"].as_str().map_or_else(
            || format!("{group}/{own} {kind} is deprecated{instead}"),
            ToOwned::to_owned,
        )
    });
    let selectable = version["selectableFields"].as_array().map_or_else(Vec::new, |fields| {
        fields.iter().map(|f| text(&f["jsonPath"]).trim_start_matches('.').to_owned()).collect()
    });
    Resource {
        version: text(&version["name"]),
        kind,
        list_kind: text(&names["listKind"]),
        singular: text(&names["singular"]),
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        status: version["subresources"]["status"].is_object(),
        flavour: Flavour::Custom,
        table: format!("{group}/{plural}").into(),
        schema,
        storage_schema,
        scale: scale(&version["subresources"]["scale"]),
        document: Arc::new(document),
        columns: Arc::new(Column::declared(&version["additionalPrinterColumns"])),
        selectable,
        epoch: u64::try_from(meta::generation(definition)).unwrap_or_default(),
        storage_version: format!("{group}/{storage}"),
        terminating: meta::is_deleting(definition),
        deprecation,
        group,
        plural,
    }
}

fn scale(declared: &Value) -> Option<Arc<Scale>> {
    let path = |key: &str| -> Option<Vec<String>> {
        let path = declared[key].as_str().filter(|path| !path.is_empty())?;
        Some(path.trim_start_matches('.').split('.').map(ToOwned::to_owned).collect())
    };
    Some(Arc::new(Scale {
        spec_replicas: path("specReplicasPath")?,
        status_replicas: path("statusReplicasPath")?,
        selector: path("labelSelectorPath"),
    }))
}

/// The schema of a version, with the fields that every object has.
fn document(version: &Value) -> Value {
    let mut document = version["schema"]["openAPIV3Schema"].clone();
    if !document.is_object() {
        document = shape::free();
    }
    shape::root(&mut document);
    document
}

/// Fills in the names and status that may be left out.
pub(crate) fn prepare(definition: &mut Value) {
    let spec = meta::child_mut(definition, "spec");
    let kind =
        spec.get("names").and_then(|names| names["kind"].as_str()).unwrap_or_default().to_owned();
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    let names = spec.entry("names").or_insert_with(|| json!({}));
    if names.is_object() {
        for (key, value) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))]
        {
            if !kind.is_empty() && names[key].as_str().unwrap_or_default().is_empty() {
                names[key] = json!(value);
            }
        }
    }
    let storage = definition["spec"]["versions"]
        .as_array()
        .and_then(|versions| versions.iter().find(|version| version["storage"] == true))
        .map(|version| version["name"].clone());
    let status = meta::child_mut(definition, "status");
    status.entry("acceptedNames").or_insert_with(|| json!({"plural": "", "kind": ""}));
    status.entry("conditions").or_insert(Value::Null);
    let stored = status.entry("storedVersions").or_insert_with(|| json!([]));
    if let (Some(list), Some(storage)) = (stored.as_array_mut(), storage)
        && !list.contains(&storage)
    {
        list.push(storage);
    }
}

/// Sets or replaces one condition.
fn condition(definition: &mut Value, kind: &str, status: bool, reason: &str, message: &str) {
    let status = if status { "True" } else { "False" };
    let list = meta::child_mut(definition, "status").entry("conditions").or_insert(Value::Null);
    if list.is_null() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else {
        return;
    };
    let old = list.iter().position(|condition| condition["type"] == kind);
    let mut new = json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": clock::timestamp()});
    match old {
        Some(at) => {
            if list[at]["status"] == status {
                new["lastTransitionTime"] = list[at]["lastTransitionTime"].clone();
            }
            list[at] = new;
        }
        None => list.push(new),
    }
}

/// What the first deletion of a definition adds to it.
pub(crate) fn mark_terminating(definition: &mut Value) {
    if meta::is_deleting(definition) {
        return;
    }
    let list = meta::metadata_mut(definition).entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|finalizer| finalizer == CLEANUP)
    {
        list.push(json!(CLEANUP));
    }
    condition(
        definition,
        "Terminating",
        true,
        "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    );
}
