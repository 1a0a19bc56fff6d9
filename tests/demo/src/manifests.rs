//! Manifests as kubectl treats them: applied server-side, deleted and waited for.

use std::fs;
use std::path::{Path, PathBuf};

use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, ResourceExt};
use serde_json::Value as Json;

use crate::failure::{Failure, asked, at};

/// The namespace of everything in the demonstration.
pub(crate) const NAMESPACE: &str = "default";

/// A file beneath `examples/`.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path)
}

/// All documents of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Json>, Failure> {
    let text = fs::read_to_string(path).map_err(at(path))?;
    serde_saphyr::from_multiple(&text)
        .map_err(|error| Failure::Manifest { path: path.to_owned(), reason: error.to_string() })
}

/// Applies all documents of a file.
pub(crate) async fn apply_file(client: &Client, path: &Path) -> Result<(), Failure> {
    for manifest in read(path)? {
        apply(client, manifest).await?;
    }
    Ok(())
}

/// Applies a manifest, as `kubectl apply --server-side` does.
pub(crate) async fn apply(client: &Client, manifest: Json) -> Result<(), Failure> {
    let object: DynamicObject = serde_json::from_value(manifest).map_err(|error| {
        Failure::Manifest { path: PathBuf::from("(in memory)"), reason: error.to_string() }
    })?;
    let name = object.name_any();
    let types = object.types.clone().unwrap_or_default();
    let what = format!("apply {} {name}", types.kind);
    let gvk = GroupVersionKind::try_from(&types).map_err(|error| Failure::Manifest {
        path: PathBuf::from(&name),
        reason: error.to_string(),
    })?;
    let (resource, capabilities) =
        pinned_kind(client, &gvk).await.map_err(asked(format!("find kind {}", types.kind)))?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), NAMESPACE, &resource),
    };
    let params = PatchParams::apply("kubectl");
    api.patch(&name, &params, &Patch::Apply(&object)).await.map_err(asked(what))?;
    Ok(())
}

/// Asks for the deletion of everything of a kind and waits until all are gone, as
/// `kubectl delete --all --wait` does.
pub(crate) async fn delete_all<K>(api: &Api<K>, kind: &str) -> Result<usize, Failure>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let list = api.list(&ListParams::default()).await.map_err(asked(format!("list {kind}")))?;
    for object in &list.items {
        let name = object.name_any();
        let deleted = api.delete(&name, &DeleteParams::default()).await;
        deleted.map_err(asked(format!("delete {kind} {name}")))?;
    }
    crate::expect::until(format!("the end of every {kind}"), async || {
        let left = api.list(&ListParams::default()).await.map_err(asked(format!("list {kind}")))?;
        let names: Vec<String> = left.items.iter().map(ResourceExt::name_any).collect();
        Ok(if names.is_empty() {
            Ok(())
        } else {
            Err(format!("still there: {}", names.join(", ")))
        })
    })
    .await?;
    Ok(list.items.len())
}
