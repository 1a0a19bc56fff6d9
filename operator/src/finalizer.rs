//! Adding and removing our finalizer, on the very version that was decided on.

use infrafabric_crds::FINALIZER;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::fault_point::fault_point;

/// Adds it; `None` when the object changed meanwhile or is gone.
pub async fn add<K>(api: &Api<K>, object: &K) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut finalizers = object.finalizers().to_vec();
    if finalizers.iter().any(|name| name == FINALIZER) {
        return Ok(None);
    }
    finalizers.push(FINALIZER.to_owned());
    fault_point("finalizer.add.before");
    write(api, object, &finalizers).await.inspect(|_| fault_point("finalizer.add.after"))
}

/// Removes it; `None` when the object changed meanwhile or is gone.
pub async fn remove<K>(api: &Api<K>, object: &K) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut finalizers = object.finalizers().to_vec();
    if !finalizers.iter().any(|name| name == FINALIZER) {
        return Ok(None);
    }
    finalizers.retain(|name| name != FINALIZER);
    fault_point("finalizer.remove.before");
    write(api, object, &finalizers).await.inspect(|_| fault_point("finalizer.remove.after"))
}

async fn write<K>(api: &Api<K>, object: &K, finalizers: &[String]) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let patch = json!({"metadata": {
        "resourceVersion": object.resource_version(),
        "finalizers": finalizers,
    }});
    let result = api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await;
    match result {
        Ok(written) => Ok(Some(written)),
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
