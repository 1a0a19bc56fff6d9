//! What a structural schema needs beyond what the types say, applied to every kind alike.
//!
//! The rules of a real API server that the derived schema would break: maps state their values in
//! `additionalProperties` only, unsigned formats are unknown to it, and a default nested in an
//! absent object never appears.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// RFC 3339 with nanoseconds and offset has 35 characters.
const TIME_LENGTH: i64 = 40;

/// Makes the schemas of a definition fit a real API server.
pub(crate) fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let root = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(root) = root else { continue };
        tame(root);
        default_status(root);
    }
    crd
}

/// Gives the status as a whole its default: a new object is never healthy by absence, and one that
/// has a life begins it as Pending without a write of ours.
fn default_status(root: &mut JSONSchemaProps) {
    let status = root.properties.as_mut().and_then(|properties| properties.get_mut("status"));
    if let Some(status) = status {
        let mut default = serde_json::json!({ "observedGeneration": -1 });
        if status.properties.iter().flatten().any(|(name, _)| name == "state") {
            default["state"] = "Pending".into();
        }
        status.default = Some(JSON(default));
    }
}

fn tame(schema: &mut JSONSchemaProps) {
    // An explicit null then vanishes before validation, so that rules need not know of it.
    schema.nullable = None;
    number(schema);
    time(schema);
    map(schema);
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        tame(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tame(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tame(values);
    }
}

/// The server knows `int32` and `int64` only and warns of everything else.
fn number(schema: &mut JSONSchemaProps) {
    let (format, maximum) = match schema.format.as_deref() {
        Some("uint8") => ("int32", Some(f64::from(u8::MAX))),
        Some("uint16") => ("int32", Some(f64::from(u16::MAX))),
        Some("uint32") => ("int64", Some(f64::from(u32::MAX))),
        Some("uint64") => ("int64", None),
        _ => return,
    };
    schema.format = Some(format.to_owned());
    schema.minimum = schema.minimum.or(Some(0.0));
    schema.maximum = schema.maximum.or(maximum);
}

fn time(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref() == Some("date-time") {
        schema.max_length = Some(TIME_LENGTH);
    }
}

/// A map whose keys have a pattern of their own comes as `patternProperties`, which the server
/// refuses; the definition's compiler checks the keys.
fn map(schema: &mut JSONSchemaProps) {
    if let Some(patterns) = schema.pattern_properties.take()
        && let Some(values) = patterns.into_values().next()
    {
        schema.additional_properties = Some(JSONSchemaPropsOrBool::Schema(Box::new(values)));
    }
}
