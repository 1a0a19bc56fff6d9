//! The one place where Kubernetes' times become ours.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// When the object was created.
pub fn created(meta: &ObjectMeta) -> Option<DateTime<Utc>> {
    let time = meta.creation_timestamp.as_ref()?;
    DateTime::from_timestamp(time.0.as_second(), 0)
}
