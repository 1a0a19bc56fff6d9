//! Words to write schemas with, so that a kind's fields read as a table.

use serde_json::{Map, Value, json};

pub(crate) fn string() -> Value {
    json!({"type": "string"})
}

pub(crate) fn integer() -> Value {
    json!({"type": "integer"})
}

pub(crate) fn boolean() -> Value {
    json!({"type": "boolean"})
}

pub(crate) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// The same, or null.
pub(crate) fn nullable(mut schema: Value) -> Value {
    schema["nullable"] = json!(true);
    schema
}

/// Anything below is kept as it comes.
pub(crate) fn free() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Any JSON value.
pub(crate) fn any() -> Value {
    json!({"x-kubernetes-preserve-unknown-fields": true})
}

pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({"type": "object", "properties": properties})
}

/// An object that appliers replace as a whole.
pub(crate) fn atomic(mut schema: Value) -> Value {
    schema["x-kubernetes-map-type"] = json!("atomic");
    schema
}

pub(crate) fn map(values: Value) -> Value {
    let mut schema = json!({"type": "object"});
    schema["additionalProperties"] = values;
    schema
}

pub(crate) fn list(items: Value) -> Value {
    let mut schema = json!({"type": "array", "x-kubernetes-list-type": "atomic"});
    schema["items"] = items;
    schema
}

pub(crate) fn set(items: Value) -> Value {
    let mut schema = json!({"type": "array", "x-kubernetes-list-type": "set"});
    schema["items"] = items;
    schema
}

pub(crate) fn keyed<const N: usize>(keys: [&str; N], items: Value) -> Value {
    let mut schema = json!({"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": keys.to_vec()});
    schema["items"] = items;
    schema
}

pub(crate) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

/// `metav1.ObjectMeta`.
pub(crate) fn metadata() -> Value {
    let owner = object([
        ("apiVersion", string()),
        ("kind", string()),
        ("name", string()),
        ("uid", string()),
        ("controller", boolean()),
        ("blockOwnerDeletion", boolean()),
    ]);
    let entry = object([
        ("manager", string()),
        ("operation", string()),
        ("apiVersion", string()),
        ("time", time()),
        ("fieldsType", string()),
        ("fieldsV1", free()),
        ("subresource", string()),
    ]);
    described(
        object([
            ("name", string()),
            ("generateName", string()),
            ("namespace", string()),
            ("selfLink", string()),
            ("uid", string()),
            ("resourceVersion", string()),
            ("generation", integer()),
            ("creationTimestamp", time()),
            ("deletionTimestamp", time()),
            ("deletionGracePeriodSeconds", integer()),
            ("labels", map(string())),
            ("annotations", map(string())),
            ("ownerReferences", keyed(["uid"], atomic(owner))),
            ("finalizers", set(string())),
            ("managedFields", list(entry)),
        ]),
        "Standard object's metadata.",
    )
}

/// apiVersion, kind and metadata followed by the kind's own fields.
pub(crate) fn kind<const N: usize>(description: &str, fields: [(&str, Value); N]) -> Value {
    let mut schema = described(object(fields), description);
    root(&mut schema);
    schema
}

/// Gives a schema the three fields that every object has.
pub(crate) fn root(schema: &mut Value) {
    let properties = crate::meta::child_mut(schema, "properties");
    let own = std::mem::take(properties);
    let described_string = |text: &str| described(string(), text);
    properties.insert(
        "apiVersion".to_owned(),
        described_string(
            "APIVersion defines the versioned schema of this representation of an object.",
        ),
    );
    properties.insert(
        "kind".to_owned(),
        described_string(
            "Kind is a string value representing the REST resource this object represents.",
        ),
    );
    properties.insert("metadata".to_owned(), metadata());
    for (key, value) in own {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
            properties.insert(key, value);
        }
    }
}
