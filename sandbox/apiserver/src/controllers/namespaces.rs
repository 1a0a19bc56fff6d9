//! Namespaces: furnished when created, emptied when deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Api, NAMESPACES};
use crate::clock;
use crate::decode::Decoded;
use crate::kinds::Builtin;
use crate::kinds::rules::NAMESPACE_FINALIZER;
use crate::meta;
use crate::resource::Resource;
use crate::ssa::{self, Identity};
use crate::store::{Expect, Write};
use crate::verbs::{DeleteOptions, Verb};

/// Creates what every namespace has.
pub(super) fn furnish(api: &Arc<Api>, namespace: &str) {
    let account = json!({"metadata": {"name": "default"}});
    let roots = json!({"metadata": {"name": "kube-root-ca.crt", "annotations": {
        "kubernetes.io/description": "Contains a CA bundle that can be used to verify the \
            kube-apiserver when using internal endpoints such as the internal service IP or \
            kubernetes.default.svc. No other usage is guaranteed across distributions of \
            Kubernetes clusters."}},
        "data": {"ca.crt": api.ca_pem}});
    for (builtin, value) in [(Builtin::ServiceAccount, account), (Builtin::ConfigMap, roots)] {
        let resource = api.builtin(builtin);
        if api.stored(&resource, namespace, meta::name(&value)).is_some() {
            continue;
        }
        let mut verb = Verb::internal(api, resource, namespace, "");
        if let Err(failure) = verb.create(Decoded { value, duplicates: Vec::new() }) {
            tracing::warn!(
                namespace,
                ?builtin,
                failure = failure.message(),
                "namespace not furnished"
            );
        }
    }
}

/// Creates one of the namespaces that every cluster has.
pub(crate) fn bootstrap(api: &Arc<Api>, name: &str) {
    let mut verb = Verb::internal(api, api.builtin(Builtin::Namespace), "", name);
    let value = json!({"metadata": {"name": name}});
    if let Err(failure) = verb.create(Decoded { value, duplicates: Vec::new() }) {
        tracing::warn!(name, failure = failure.message(), "namespace not created");
    }
}

/// Deletes everything in a terminating namespace; true when the namespace itself is gone.
pub(super) fn empty(api: &Arc<Api>, name: &str) -> bool {
    let leaving = || api.store.get(NAMESPACES, name).filter(|stored| stored.deleting);
    if leaving().is_none() {
        return true;
    }
    let prefix = format!("{name}/");
    let mut left = Left::default();
    let registry = api.registry();
    for resource in registry.stored().filter(|resource| resource.namespaced) {
        for (key, object) in api.store.snapshot(&resource.table, &prefix, None).items {
            if object.deleting {
                continue;
            }
            let object_name = key.strip_prefix(&prefix).unwrap_or_default();
            let mut verb = Verb::internal(api, Arc::clone(resource), name, object_name);
            if let Err(failure) = verb.delete(&DeleteOptions::default()) {
                tracing::debug!(key, failure = failure.message(), "object not deleted");
            }
        }
        for (_, object) in api.store.snapshot(&resource.table, &prefix, None).items {
            left.count(resource, &object.value());
        }
    }
    report(api, name, &left.conditions());
    if !left.objects.is_empty() {
        return false;
    }
    // Its conditions may have been written since.
    leaving().is_none_or(|stored| release(api, name, &stored.value(), stored.revision))
}

/// What keeps a namespace from going.
#[derive(Default)]
struct Left {
    /// How many objects of each resource, as `<plural>.<group>`.
    objects: BTreeMap<String, usize>,
    /// How many objects have each finalizer.
    finalizers: BTreeMap<String, usize>,
}

impl Left {
    fn count(&mut self, resource: &Resource, object: &Value) {
        *self.objects.entry(format!("{}.{}", resource.plural, resource.group)).or_default() += 1;
        for finalizer in meta::finalizers(object) {
            *self.finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }

    /// The conditions of the namespace, without their times.
    fn conditions(&self) -> [Value; 5] {
        let good = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "False", "reason": reason, "message": message});
        let mut all = [
            good(
                "NamespaceDeletionDiscoveryFailure",
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            good(
                "NamespaceDeletionGroupVersionParsingFailure",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            good(
                "NamespaceDeletionContentFailure",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
            good("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
            good(
                "NamespaceFinalizersRemaining",
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            ),
        ];
        let remaining = |condition: &mut Value, reason: &str, what: &str, list: Vec<String>| {
            if !list.is_empty() {
                condition["status"] = json!("True");
                condition["reason"] = json!(reason);
                condition["message"] = json!(format!("{what}: {}", list.join(", ")));
            }
        };
        let objects = self.objects.iter().map(|(of, n)| format!("{of} has {n} resource instances"));
        let what = "Some resources are remaining";
        remaining(&mut all[3], "SomeResourcesRemain", what, objects.collect());
        let finalizers =
            self.finalizers.iter().map(|(of, n)| format!("{of} in {n} resource instances"));
        let what = "Some content in the namespace has finalizers remaining";
        remaining(&mut all[4], "SomeFinalizersRemain", what, finalizers.collect());
        all
    }
}

/// Writes the conditions where they say something new.
fn report(api: &Arc<Api>, name: &str, conditions: &[Value]) {
    let Some(stored) = api.store.get(NAMESPACES, name) else { return };
    let live = stored.value();
    let before = live["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let now = json!(clock::timestamp());
    let conditions = conditions.iter().map(|condition| {
        let old = before.iter().find(|old| old["type"] == condition["type"]);
        let old = old.filter(|old| old["status"] == condition["status"]);
        let mut condition = condition.clone();
        condition["lastTransitionTime"] =
            old.map_or_else(|| now.clone(), |old| old["lastTransitionTime"].clone());
        condition
    });
    let mut next = live.clone();
    next["status"]["conditions"] = conditions.collect();
    if next == live {
        return;
    }
    let resource = api.builtin(Builtin::Namespace);
    let who = Identity {
        manager: "kube-controller-manager".to_owned(),
        apply: false,
        api_version: resource.api_version(),
        subresource: "status".to_owned(),
    };
    ssa::track_update(&resource.schema, Some(&live), &mut next, &who, resource.scope(true));
    let expect = Expect::Revision(stored.revision);
    // Somebody else was faster: the next round says it.
    let _ = api.store.commit(&resource.table, name, expect, 0, Write::Put(next));
}

/// Takes our finalizer away, and the namespace with it unless others hold it.
fn release(api: &Arc<Api>, name: &str, live: &Value, revision: u64) -> bool {
    let resource = api.builtin(Builtin::Namespace);
    let mut next = live.clone();
    if let Some(finalizers) = next["spec"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != NAMESPACE_FINALIZER);
    }
    let free = meta::finalizers(&next).is_empty()
        && next["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty);
    if !free && next == *live {
        return false;
    }
    let write = if free { Write::Delete(next) } else { Write::Put(next) };
    match api.store.commit(&resource.table, name, Expect::Revision(revision), 0, write) {
        Ok(written) if free => {
            super::removed(api, &resource, &written);
            true
        }
        _ => false,
    }
}
