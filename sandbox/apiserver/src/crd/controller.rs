//! Establishing definitions, and emptying their tables when they go.

use std::sync::Arc;

use serde_json::Value;

use super::{CLEANUP, condition};
use crate::api::{Api, DEFINITIONS};
use crate::kinds::Builtin;
use crate::meta;
use crate::store::{Expect, Stored, Write};
use crate::verbs::{DeleteOptions, Verb};

/// Accepts the names, publishes the resources, then says so.
pub(crate) fn establish(api: &Arc<Api>, name: &str) {
    let Some(definition) = api.store.get(DEFINITIONS, name).map(|stored| stored.value()) else {
        return;
    };
    let conflict = name_conflict(api, &definition);
    rewrite(api, name, |definition| {
        if let Some(why) = &conflict {
            condition(definition, "NamesAccepted", false, "NameConflict", why);
            condition(
                definition,
                "Established",
                false,
                "NotAccepted",
                "not all names are accepted",
            );
        } else {
            let mut names = definition["spec"]["names"].clone();
            if names["categories"].is_null() {
                meta::remove(&mut names, "categories");
            }
            definition["status"]["acceptedNames"] = names;
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

/// Why the names of a definition cannot be served beside the others of its group.
fn name_conflict(api: &Api, definition: &Value) -> Option<String> {
    let group = definition["spec"]["group"].as_str().unwrap_or_default();
    let names = &definition["spec"]["names"];
    let plural = names["plural"].as_str().unwrap_or_default();
    let registry = api.registry();
    let others = || registry.all().filter(|r| r.group == group && r.plural != plural);
    let taken = |name: &str| {
        others().any(|other| {
            other.plural == name
                || other.singular == name
                || other.short_names.iter().any(|short| short == name)
        })
    };
    for key in ["kind", "listKind"] {
        let kind = names[key].as_str().unwrap_or_default();
        if others().any(|other| other.kind == kind || other.list_kind == kind) {
            return Some(format!("\"{kind}\" is already in use"));
        }
    }
    let short = names["shortNames"].as_array().into_iter().flatten();
    [&names["plural"], &names["singular"]]
        .into_iter()
        .chain(short)
        .filter_map(Value::as_str)
        .find(|name| taken(name))
        .map(|name| format!("\"{name}\" is already in use"))
}

fn rewrite(api: &Arc<Api>, name: &str, change: impl Fn(&mut Value)) -> bool {
    let resource = api.builtin(Builtin::CustomResourceDefinition);
    while let Some(stored) = api.store.get(DEFINITIONS, name) {
        let mut definition = stored.value();
        change(&mut definition);
        if definition == stored.value() {
            return true;
        }
        let gone = meta::is_deleting(&definition) && meta::finalizers(&definition).is_empty();
        let write = if gone { Write::Delete(definition) } else { Write::Put(definition) };
        let expect = Expect::Revision(stored.revision);
        if let Ok(written) = api.store.commit(&resource.table, name, expect, 0, write) {
            if gone {
                crate::controllers::removed(api, &resource, &written);
            }
            return true;
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
