//! Namespaces: furnished when created, emptied when deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Api, NAMESPACES};
use crate::decode::Decoded;
use crate::kinds::Builtin;
use crate::kinds::rules::NAMESPACE_FINALIZER;
use crate::meta;
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
    let Some(stored) = api.store.get(NAMESPACES, name).filter(|stored| stored.deleting) else {
        return true;
    };
    let prefix = format!("{name}/");
    let mut left = false;
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
        left |= !api.store.is_empty(&resource.table, &prefix);
    }
    if left {
        return false;
    }
    release(api, name, &stored.value(), stored.revision)
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
