//! Garbage collection by owner references.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::api::Api;
use crate::meta;
use crate::resource::Resource;
use crate::ssa::{self, Identity};
use crate::store::{Expect, Stored, TableId, Write};
use crate::verbs::delete::{FOREGROUND, ORPHAN};
use crate::verbs::{DeleteOptions, Verb};

/// Every stored object that `chosen` picks.
fn find(api: &Api, chosen: impl Fn(&Stored) -> bool) -> Vec<(Arc<Resource>, String, Arc<Stored>)> {
    let registry = api.registry();
    let mut found = Vec::new();
    for resource in registry.stored() {
        for (key, stored) in api.store.snapshot(&resource.table, "", None).items {
            if !stored.owners.is_empty() && chosen(&stored) {
                found.push((Arc::clone(resource), key, stored));
            }
        }
    }
    found
}

/// Deletes or releases the dependents of owners that are gone.
pub(super) fn collect(api: &Arc<Api>, gone: &HashSet<String>) {
    if gone.is_empty() {
        return;
    }
    for (resource, key, stored) in find(api, |s| s.owners.iter().any(|uid| gone.contains(uid))) {
        settle(api, &resource, &key, &stored, |owner| {
            !owner["uid"].as_str().is_some_and(|uid| gone.contains(uid))
        });
    }
}

/// Judges new objects whose owners may never have been there.
pub(super) fn check_owners(api: &Arc<Api>, places: &[(TableId, String)]) {
    let registry = api.registry();
    for (table, key) in places {
        let Some(resource) = registry.stored().find(|resource| resource.table == *table) else {
            continue;
        };
        let Some(stored) = api.store.get(table, key) else {
            continue;
        };
        let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
        settle(api, resource, key, &stored, |owner| exists(api, namespace, owner));
    }
}

/// An owner of another uid counts as absent.
fn exists(api: &Api, namespace: &str, owner: &Value) -> bool {
    let text = |key: &str| owner[key].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or(("", text("apiVersion")));
    let registry = api.registry();
    let Some(resource) = registry.of_version(group, version).find(|r| r.kind == text("kind"))
    else {
        // Kinds that this server does not know cannot be judged.
        return true;
    };
    api.stored(resource, namespace, text("name")).is_some_and(|stored| stored.uid == text("uid"))
}

/// Deletes a dependent that has no owner left, or drops the references to absent ones.
fn settle(
    api: &Arc<Api>,
    resource: &Arc<Resource>,
    key: &str,
    stored: &Stored,
    present: impl Fn(&Value) -> bool,
) {
    let mut object = stored.value();
    let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() else {
        return;
    };
    let before = owners.len();
    owners.retain(|owner| present(owner));
    if owners.len() == before {
        return;
    }
    if owners.is_empty() {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let mut verb = Verb::internal(api, Arc::clone(resource), namespace, name);
        if let Err(failure) = verb.delete(&DeleteOptions::default()) {
            tracing::debug!(key, failure = failure.message(), "dependent not deleted");
        }
    } else {
        put(api, resource, key, stored, object);
    }
}

fn put(api: &Arc<Api>, resource: &Resource, key: &str, stored: &Stored, mut object: Value) -> bool {
    let who = Identity {
        manager: "kube-controller-manager".to_owned(),
        apply: false,
        api_version: resource.api_version(),
        subresource: String::new(),
    };
    let (live, scope) = (stored.value(), resource.scope(false));
    ssa::track_update(&resource.schema, Some(&live), &mut object, &who, scope);
    let gone = meta::is_deleting(&object) && meta::finalizers(&object).is_empty();
    let write = if gone { Write::Delete(object) } else { Write::Put(object) };
    let expect = Expect::Revision(stored.revision);
    match api.store.commit(&resource.table, key, expect, stored.epoch, write) {
        Ok(written) => {
            if gone {
                super::removed(api, resource, &written);
            }
            true
        }
        Err(_) => false,
    }
}

/// Removes an owner from all its dependents, which then stay.
fn orphan_dependents(api: &Arc<Api>, uid: &str) {
    for (resource, key, stored) in find(api, |stored| stored.owners.iter().any(|o| o == uid)) {
        let mut object = stored.value();
        if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
            owners.retain(|owner| owner["uid"] != uid);
            if owners.is_empty() {
                meta::metadata_mut(&mut object).shift_remove("ownerReferences");
            }
        }
        put(api, &resource, &key, &stored, object);
    }
}

/// Deletes the dependents of an owner first, or lets them go; true when the owner is released.
pub(super) fn release_owner(api: &Arc<Api>, place: &(TableId, String)) -> bool {
    let (table, key) = place;
    let Some(owner) = api.store.get(table, key).filter(|owner| owner.deleting) else {
        return true;
    };
    if meta::finalizers(&owner.value()).contains(&ORPHAN) {
        orphan_dependents(api, &owner.uid);
        return release(api, table, key, &owner, ORPHAN);
    }
    let dependents = find(api, |stored| stored.owners.contains(&owner.uid));
    for (resource, key, stored) in &dependents {
        if !stored.deleting {
            let (namespace, name) = key.split_once('/').unwrap_or(("", key));
            let mut verb = Verb::internal(api, Arc::clone(resource), namespace, name);
            let _ = verb.delete(&DeleteOptions::default());
        }
    }
    let still = find(api, |stored| stored.owners.contains(&owner.uid));
    let blocks = |stored: &Stored| {
        let value = stored.value();
        let owners = value["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        owners.iter().any(|o| o["uid"] == *owner.uid && o["blockOwnerDeletion"] == true)
    };
    if still.iter().any(|(_, _, stored)| blocks(stored)) {
        return false;
    }
    release(api, table, key, &owner, FOREGROUND)
}

/// Takes a finalizer away, and the object with the last one.
fn release(api: &Arc<Api>, table: &TableId, key: &str, owner: &Stored, finalizer: &str) -> bool {
    let registry = api.registry();
    let Some(resource) = registry.stored().find(|resource| resource.table == *table) else {
        return true;
    };
    let mut object = owner.value();
    if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
        list.retain(|found| found != finalizer);
        if list.is_empty() {
            meta::metadata_mut(&mut object).shift_remove("finalizers");
        }
    }
    put(api, resource, key, owner, object)
}
