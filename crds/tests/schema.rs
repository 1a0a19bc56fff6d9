//! The schemas as a real API server wants them: bounded, structural, with their defaults.

use std::collections::HashSet;

use infrafabric_crds::all;
use serde_json::{Value, json};

/// The whole of an object may have 1.5 MiB in etcd and all of a definition's schema travels to every
/// client that discovers it.
const TOTAL_BYTES: usize = 128 * 1024;

fn schemas() -> Vec<(String, Value)> {
    all()
        .iter()
        .map(|crd| {
            let crd = serde_json::to_value(crd).expect("a definition is JSON");
            let kind = crd["spec"]["names"]["kind"].as_str().expect("a kind").to_owned();
            (kind, crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone())
        })
        .collect()
}

/// Calls `check` for every schema in a schema, with its path and its parent.
fn walk(path: &str, schema: &Value, parent: &Value, check: &mut dyn FnMut(&str, &Value, &Value)) {
    check(path, schema, parent);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, schema, check);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], schema, check);
    }
    if schema["additionalProperties"].is_object() {
        walk(&format!("{path}{{}}"), &schema["additionalProperties"], schema, check);
    }
}

/// Every path at which `wrong` holds.
fn findings(wrong: impl Fn(&Value, &Value) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &Value::Null, &mut |path, schema, parent| {
            if wrong(schema, parent) {
                found.push(path.to_owned());
            }
        });
    }
    found
}

#[test]
fn every_string_list_and_map_has_a_maximum() {
    let unbounded = findings(|schema, _| match schema["type"].as_str() {
        Some("string") => schema["maxLength"].is_null() && schema["enum"].is_null(),
        Some("array") => schema["maxItems"].is_null(),
        Some("object") => {
            !schema["additionalProperties"].is_null() && schema["maxProperties"].is_null()
        }
        _ => false,
    });
    assert!(unbounded.is_empty(), "without a maximum: {unbounded:#?}");
}

#[test]
fn what_is_free_stands_alone_or_in_a_bounded_map() {
    let loose = findings(|schema, parent| {
        let free = schema["x-kubernetes-preserve-unknown-fields"] == true;
        let in_map = parent["additionalProperties"] == *schema;
        free && (!schema["properties"].is_null()
            || !schema["type"].is_null()
            || (in_map && parent["maxProperties"].is_null()))
    });
    assert!(loose.is_empty(), "free and not bounded: {loose:#?}");
}

#[test]
fn schemas_are_structural() {
    const NEVER: [&str; 8] =
        ["$ref", "allOf", "anyOf", "oneOf", "not", "nullable", "patternProperties", "uniqueItems"];
    let wrong = findings(|schema, _| {
        let keyword = NEVER.iter().any(|keyword| !schema[*keyword].is_null());
        let both = !schema["properties"].is_null() && !schema["additionalProperties"].is_null();
        let typeless =
            schema["type"].is_null() && schema["x-kubernetes-preserve-unknown-fields"] != true;
        keyword || both || typeless || schema["additionalProperties"].is_boolean()
    });
    assert!(wrong.is_empty(), "not structural: {wrong:#?}");
}

#[test]
fn number_formats_are_known_and_never_negative_by_accident() {
    let wrong = findings(|schema, _| {
        let format = schema["format"].as_str();
        let known = matches!(format, None | Some("int32" | "int64" | "date-time"));
        let integer = schema["type"] == "integer";
        !known || (integer && format.is_none()) || schema["type"] == "number"
    });
    assert!(wrong.is_empty(), "unknown formats: {wrong:#?}");
    let negative = findings(|schema, _| schema["type"] == "integer" && schema["minimum"].is_null());
    assert!(
        negative.iter().all(|path| path.ends_with(".observedGeneration")),
        "without a minimum: {negative:#?}"
    );
}

/// YAML 1.1, which kubectl and Helm read, takes these words for something else.
#[test]
fn no_field_has_a_name_that_must_be_quoted() {
    let words = ["y", "yes", "on", "n", "no", "off", "true", "false", "null"];
    let named = findings(|schema, _| {
        let fields = schema["properties"].as_object().into_iter().flatten();
        fields.into_iter().any(|(field, _)| words.contains(&field.to_lowercase().as_str()))
    });
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn every_field_says_what_it_is() {
    let property = |parent: &Value| !parent["properties"].is_null();
    let says = |schema: &Value| schema["description"].as_str().is_some_and(|it| !it.is_empty());
    let explained = findings(|schema, parent| property(parent) && says(schema));
    let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let explained: HashSet<String> = explained.iter().map(|path| name(path)).collect();
    let mut silent = findings(|schema, parent| property(parent) && !says(schema));
    // An operation is one in many places of a definition, and is explained in the first.
    let again =
        |path: &str| path.starts_with("ProviderDefinition.") && explained.contains(&name(path));
    silent.retain(|path| !again(path));
    assert!(silent.is_empty(), "without a description: {silent:#?}");
}

#[test]
fn every_pattern_is_one_that_the_server_can_read() {
    let broken = findings(|schema, _| {
        schema["pattern"].as_str().is_some_and(|pattern| regex::Regex::new(pattern).is_err())
    });
    assert!(broken.is_empty(), "not a pattern: {broken:#?}");
}

#[test]
fn status_as_a_whole_has_its_default() {
    for (kind, schema) in schemas() {
        let status = &schema["properties"]["status"];
        let wanted = match kind.as_str() {
            "CloudMachine" => json!({"observedGeneration": -1, "state": "Pending"}),
            _ => json!({"observedGeneration": -1}),
        };
        assert_eq!(status["default"], wanted, "{kind}");
        assert_eq!(status["properties"]["observedGeneration"]["default"], json!(-1), "{kind}");
    }
}

#[test]
fn spec_fields_have_their_defaults_in_the_schema() {
    let (_, machine) = schemas().remove(2);
    let spec = &machine["properties"]["spec"]["properties"];
    let classes = json!(["Capacity", "Quota", "Unavailable", "Auth", "OutOfCredit"]);
    let failback = json!({"policy": "Never", "after": "10m"});
    let failover = json!({"after": "2m", "onClasses": classes, "failback": failback});
    assert_eq!(spec["failover"]["default"], failover);
    assert_eq!(spec["placement"]["default"], json!("Ordered"));
    assert_eq!(spec["currency"]["default"], json!("USD"));
    assert_eq!(spec["failover"]["properties"]["after"]["default"], json!("2m"));
    assert_eq!(spec["failover"]["properties"]["onClasses"]["default"], classes);
    assert_eq!(spec["deletionPolicy"]["default"], json!("Delete"));
    assert_eq!(spec["suspend"]["default"], json!(false));
}

#[test]
fn all_definitions_together_stay_small() {
    let mut total = 0;
    for crd in all() {
        let bytes = serde_json::to_vec(&crd).expect("a definition is JSON").len();
        println!("{}: {bytes} bytes", crd.metadata.name.as_deref().unwrap_or_default());
        total += bytes;
    }
    println!("all: {total} bytes");
    assert!(total < TOTAL_BYTES, "{total} bytes of {TOTAL_BYTES}");
}
