//! Establishing definitions, and emptying their tables when they go.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{CLEANUP, condition};
use crate::api::{Api, DEFINITIONS};
use crate::kinds::Builtin;
use crate::meta;
use crate::ssa::{self, Identity, Scope};
use crate::store::{Expect, Refused, Stored, Write};
use crate::verbs::{DeleteOptions, Verb};

/// Accepts the names, publishes the resources, then says so.
pub(crate) fn establish(api: &Arc<Api>, name: &str) {
    let Some(definition) = api.store.get(DEFINITIONS, name).map(|stored| stored.value()) else {
        return;
    };
    let (accepted, conflict) = accept_names(api, &definition);
    rewrite(api, name, |definition| {
        definition["status"]["acceptedNames"] = accepted.clone();
        if let Some((reason, why)) = &conflict {
            condition(definition, "NamesAccepted", false, reason, why);
            condition(
                definition,
                "Established",
                false,
                "NotAccepted",
                "not all names are accepted",
            );
        } else {
            condition(definition, "NamesAccepted", true, "NoConflicts", "no conflicts found");
        }
    });
    api.refresh();
    if conflict.is_none() {
        rewrite(api, name, |definition| {
            let message = "the initial names have been accepted";
            condition(definition, "Established", true, "InitialNamesAccepted", message);
        });
    }
}

/// Serves a changed definition; names may have changed too.
pub(crate) fn changed(api: &Arc<Api>, old: &Stored, new: &Stored) {
    let (before, after) = (old.value(), new.value());
    if before["spec"] != after["spec"] {
        establish(api, meta::name(&after));
    } else if old.deleting != new.deleting {
        api.refresh();
    }
}

/// The names of a definition that no other of its group has, and why the rest is not accepted.
fn accept_names(api: &Api, definition: &Value) -> (Value, Option<(&'static str, String)>) {
    let group = definition["spec"]["group"].as_str().unwrap_or_default();
    let names = &definition["spec"]["names"];
    let plural = names["plural"].as_str().unwrap_or_default();
    let registry = api.registry();
    let others = || registry.all().filter(|r| r.group == group && r.plural != plural);
    let is_taken = |name: &str| {
        others().any(|other| {
            other.plural == name
                || other.singular == name
                || other.short_names.iter().any(|short| short == name)
        })
    };
    let kinds = |kind: &str| others().any(|o| o.kind == kind || o.list_kind == kind);
    let mut accepted = json!({"plural": "", "kind": ""});
    let mut conflict = None;
    for (key, reason) in [
        ("plural", "PluralConflict"),
        ("singular", "SingularConflict"),
        ("shortNames", "ShortNamesConflict"),
        ("kind", "KindConflict"),
        ("listKind", "ListKindConflict"),
    ] {
        let wanted: Vec<&str> = match &names[key] {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let taken = |name: &&&str| if key.ends_with("ind") { kinds(name) } else { is_taken(name) };
        match wanted.iter().find(taken) {
            Some(name) => conflict = Some((reason, format!("{name:?} is already in use"))),
            None if wanted.is_empty() => {}
            None => accepted[key] = names[key].clone(),
        }
    }
    if !names["categories"].is_null() {
        accepted["categories"] = names["categories"].clone();
    }
    (accepted, conflict)
}

fn rewrite(api: &Arc<Api>, name: &str, change: impl Fn(&mut Value)) -> bool {
    let resource = api.builtin(Builtin::CustomResourceDefinition);
    while let Some(stored) = api.store.get(DEFINITIONS, name) {
        let mut definition = stored.value();
        change(&mut definition);
        if definition == stored.value() {
            return true;
        }
        let who = Identity {
            manager: "kube-apiserver".to_owned(),
            apply: false,
            api_version: resource.api_version(),
            subresource: "status".to_owned(),
        };
        let mut live = stored.value();
        if live["status"]["conditions"].is_null() {
            live["status"]["conditions"] = json!([]);
        }
        ssa::track_update(&resource.schema, Some(&live), &mut definition, &who, Scope::Status);
        let gone = meta::is_deleting(&definition) && meta::finalizers(&definition).is_empty();
        let write = if gone { Write::Delete(definition) } else { Write::Put(definition) };
        let expect = Expect::Revision(stored.revision);
        match api.store.commit(&resource.table, name, expect, 0, write) {
            Ok(written) => {
                if gone {
                    crate::controllers::removed(api, &resource, &written);
                }
                return true;
            }
            Err(Refused::Stale) => {}
            Err(Refused::Unwritten(why)) => {
                tracing::warn!(name, why, "the definition's status was not written");
                return false;
            }
        }
    }
    false
}

/// Deletes the objects of a terminating definition; true when the definition is released.
pub(crate) fn clean_up(api: &Arc<Api>, name: &str) -> bool {
    let Some(stored) = api.store.get(DEFINITIONS, name).filter(|stored| stored.deleting) else {
        return true;
    };
    let definition = stored.value();
    if !meta::finalizers(&definition).contains(&CLEANUP) {
        return true;
    }
    let table = table(&definition);
    let registry = api.registry();
    if let Some(resource) = registry.all().find(|resource| *resource.table == *table) {
        for (key, object) in api.store.snapshot(&table, "", None).items {
            if object.deleting {
                continue;
            }
            let (space, object_name) = key.split_once('/').unwrap_or(("", &key));
            let mut verb = Verb::internal(api, Arc::clone(resource), space, object_name);
            if let Err(failure) = verb.delete(&DeleteOptions::default()) {
                tracing::debug!(key, failure = failure.message(), "object not deleted");
            }
        }
    }
    if !api.store.is_empty(&table, "") {
        return false;
    }
    rewrite(api, name, |definition| {
        if let Some(list) = definition["metadata"]["finalizers"].as_array_mut() {
            list.retain(|finalizer| finalizer != CLEANUP);
        }
        let message = "removed all instances";
        condition(definition, "Terminating", false, "InstanceDeletionCompleted", message);
    })
}

/// Ends the watches of a definition that is gone.
pub(crate) fn closed(api: &Arc<Api>, stored: &Stored) {
    api.store.close(&table(&stored.value()));
}

fn table(definition: &Value) -> String {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&spec["group"]), text(&spec["names"]["plural"]))
}
