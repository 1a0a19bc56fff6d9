//! The controllers that a bare API server owes its users: namespaces are filled and emptied,
//! definitions established and cleaned up, dependents collected.

mod garbage;
pub(crate) mod namespaces;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use crate::api::{Api, DEFINITIONS};
use crate::crd;
use crate::kinds::Builtin;
use crate::resource::Resource;
use crate::store::{Stored, TableId};
use crate::verbs::delete::{FOREGROUND, ORPHAN};

/// What is left to do.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Owners that are gone.
    removed: HashSet<String>,
    /// New objects that name owners.
    dependents: Vec<(TableId, String)>,
    /// Namespaces being emptied.
    namespaces: HashSet<String>,
    /// Namespaces that have lost something that every namespace has.
    unfurnished: HashSet<String>,
    /// Definitions being cleaned up.
    definitions: HashSet<String>,
    /// Owners that wait for their dependents: table and key.
    foreground: HashSet<(TableId, String)>,
}

/// An object was created.
pub(crate) fn created(
    api: &Arc<Api>,
    resource: &Resource,
    namespace: &str,
    name: &str,
    stored: &Stored,
) {
    if resource.is(Builtin::Namespace) {
        namespaces::furnish(api, name);
    } else if resource.is(Builtin::CustomResourceDefinition) {
        crd::controller::establish(api, name);
    }
    if !stored.owners.is_empty() {
        let place = (Arc::clone(&resource.table), resource.key(namespace, name));
        api.enqueue(|work| work.dependents.push(place));
    }
}

/// An object was changed.
pub(crate) fn changed(api: &Arc<Api>, resource: &Resource, old: &Stored, new: &Stored) {
    if resource.is(Builtin::CustomResourceDefinition) {
        crd::controller::changed(api, old, new);
    }
    if !new.deleting {
        return;
    }
    let object = new.value();
    let name = crate::meta::name(&object).to_owned();
    let key = resource.key(crate::meta::namespace(&object), &name);
    if resource.is(Builtin::Namespace) {
        api.enqueue(|work| _ = work.namespaces.insert(name));
    } else if resource.is(Builtin::CustomResourceDefinition) {
        api.enqueue(|work| _ = work.definitions.insert(name));
    } else if crate::meta::finalizers(&object).iter().any(|f| [FOREGROUND, ORPHAN].contains(f)) {
        let table = Arc::clone(&resource.table);
        api.enqueue(|work| _ = work.foreground.insert((table, key)));
    }
}

/// An object is gone.
pub(crate) fn removed(api: &Arc<Api>, resource: &Resource, stored: &Stored) {
    if resource.is(Builtin::CustomResourceDefinition) {
        api.refresh();
        crd::controller::closed(api, stored);
    }
    if resource.is(Builtin::ServiceAccount) || resource.is(Builtin::ConfigMap) {
        let object = stored.value();
        if ["default", "kube-root-ca.crt"].contains(&crate::meta::name(&object)) {
            let namespace = crate::meta::namespace(&object).to_owned();
            api.enqueue(|work| _ = work.unfurnished.insert(namespace));
        }
    }
    let uid = stored.uid.clone();
    api.enqueue(|work| _ = work.removed.insert(uid));
}

/// Takes up what a process that died has left half done.
pub(crate) fn resume(api: &Arc<Api>) {
    api.refresh();
    let everything = api.store.everything();
    for (_, key, _) in everything.iter().filter(|(table, ..)| **table == *DEFINITIONS) {
        crd::controller::establish(api, key);
    }
    let registry = api.registry();
    for (table, key, stored) in everything {
        let Some(resource) = registry.stored().find(|resource| resource.table == table) else {
            continue;
        };
        if stored.deleting {
            changed(api, resource, &stored, &stored);
        }
        if !stored.owners.is_empty() {
            api.enqueue(|work| work.dependents.push((table, key)));
        } else if resource.is(Builtin::Namespace) && !stored.deleting {
            namespaces::furnish(api, &key);
        }
    }
}

/// Works until the server closes.
pub(crate) async fn run(api: Arc<Api>) {
    loop {
        tokio::select! {
            () = api.closing.cancelled() => return,
            () = api.wake.notified() => step(&api),
        }
        // Long clean-ups take turns with requests.
        tokio::task::yield_now().await;
    }
}

/// One round over everything that is due. What cannot be finished yet waits for the next removal.
fn step(api: &Arc<Api>) {
    let (removed, dependents, spaces, definitions, foreground, unfurnished) = {
        let mut work = api.work.lock().unwrap_or_else(PoisonError::into_inner);
        (
            std::mem::take(&mut work.removed),
            std::mem::take(&mut work.dependents),
            work.namespaces.clone(),
            work.definitions.clone(),
            work.foreground.clone(),
            std::mem::take(&mut work.unfurnished),
        )
    };
    garbage::collect(api, &removed);
    for name in unfurnished {
        if api.namespace(&name).is_some_and(|space| !crate::meta::is_deleting(&space)) {
            namespaces::furnish(api, &name);
        }
    }
    garbage::check_owners(api, &dependents);
    for place in foreground {
        if garbage::release_owner(api, &place) {
            forget(api, |work| _ = work.foreground.remove(&place));
        }
    }
    for name in spaces {
        if namespaces::empty(api, &name) {
            forget(api, |work| _ = work.namespaces.remove(&name));
        }
    }
    for name in definitions {
        if crd::controller::clean_up(api, &name) {
            forget(api, |work| _ = work.definitions.remove(&name));
        }
    }
}

fn forget(api: &Api, forget: impl FnOnce(&mut Work)) {
    forget(&mut api.work.lock().unwrap_or_else(PoisonError::into_inner));
}
