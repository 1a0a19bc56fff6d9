//! An object in the version and under the schema of the resource it is read through.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::kinds::{Builtin, event};
use crate::resource::Resource;
use crate::schema;
use crate::store::{Change, Stored, line};
use crate::verbs::ListOptions;

/// Whether the stored text can be served as it is.
fn as_is(resource: &Resource, stored: &Stored) -> bool {
    (!resource.is_custom() || stored.epoch == resource.epoch)
        && !resource.is(Builtin::Event)
        && resource.api_version() == resource.storage_version
}

/// The object as this resource shows it.
pub(crate) fn of(resource: &Resource, stored: &Stored) -> Value {
    let value = stored.value();
    if as_is(resource, stored) {
        return value;
    }
    if resource.is(Builtin::Event) {
        return event::from_core(value);
    }
    let mut value = value;
    value["apiVersion"] = json!(resource.api_version());
    if stored.epoch != resource.epoch {
        // Written under another schema: prune and default as the present one says.
        schema::prune(&resource.storage_schema, &mut value, true);
        schema::apply_defaults(&resource.storage_schema, &mut value);
    }
    value
}

/// Whether reads show defaults that are not in the stored object.
pub(crate) fn is_completed(resource: &Resource, stored: &Stored) -> bool {
    if stored.fresh {
        return true;
    }
    if !resource.is_custom() || stored.epoch == resource.epoch {
        return false;
    }
    let plain = stored.value();
    let mut shown = plain.clone();
    schema::prune(&resource.storage_schema, &mut shown, true);
    schema::apply_defaults(&resource.storage_schema, &mut shown);
    shown != plain
}

/// The JSON text of the object as this resource shows it.
pub(crate) fn text(resource: &Resource, stored: &Stored) -> Bytes {
    if as_is(resource, stored) {
        stored.bytes.clone()
    } else {
        Bytes::from(of(resource, stored).to_string())
    }
}

/// The line of a watch about the object as this resource shows it.
pub(crate) fn told(resource: &Resource, stored: &Stored, change: Change) -> Bytes {
    if as_is(resource, stored) {
        stored.line(change)
    } else {
        line(change.name(), of(resource, stored).to_string().as_bytes())
    }
}

/// The form an object is stored in.
pub(crate) fn to_storage(resource: &Resource, mut object: Value) -> Value {
    if resource.is(Builtin::Event) {
        object = event::to_core(object);
    } else if object["apiVersion"] != resource.storage_version.as_str() {
        object["apiVersion"] = json!(resource.storage_version);
    }
    if !resource.is_custom()
        && let Value::Object(map) = &mut object
    {
        // In the order in which lists can leave them out.
        let version = map.shift_remove("apiVersion").unwrap_or_default();
        let kind = map.shift_remove("kind").unwrap_or_default();
        map.shift_insert(0, "kind".to_owned(), kind);
        map.shift_insert(1, "apiVersion".to_owned(), version);
    }
    object
}

/// The text of an item of a list: built-in kinds do not repeat there what they are.
pub(crate) fn item(resource: &Resource, stored: &Stored) -> Bytes {
    let text = text(resource, stored);
    if resource.is_custom() {
        return text;
    }
    let head =
        format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", resource.kind, resource.api_version());
    match text.strip_prefix(head.as_bytes()) {
        Some(rest) => [b"{".as_slice(), rest].concat().into(),
        None => text,
    }
}

/// Only apiVersion, kind and metadata.
pub(crate) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"]})
}

/// Whether the selectors of a request choose an object.
pub(crate) fn selected(resource: &Resource, options: &ListOptions, stored: &Stored) -> bool {
    options.labels.matches(&stored.labels)
        && (options.fields.is_everything() || options.fields.matches(&of(resource, stored)))
}
