use serde_json::{Value, json};

use super::*;

fn schema() -> Schema {
    let json = json!({"type": "object", "properties": {
        "metadata": {"type": "object", "properties": {
            "name": {"type": "string"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}}}},
        "spec": {"type": "object", "properties": {
            "size": {"type": "integer"}, "mode": {"type": "string"},
            "ports": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {
                    "name": {"type": "string"}, "port": {"type": "integer"}}}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    Schema::parse(&json, "root").unwrap()
}

fn who(manager: &str, apply: bool) -> Identity {
    Identity {
        manager: manager.to_owned(),
        apply,
        api_version: "example.com/v1".to_owned(),
        subresource: String::new(),
    }
}

fn applied(live: &Value, config: &Value, manager: &str, force: bool) -> Result<Value> {
    let force = if force { Force::Everything } else { Force::Nothing };
    let applied = apply(&schema(), live, config, who(manager, true), Scope::Main, &force)?;
    let mut object = applied.object.clone();
    applied.write_entries(None, &mut object);
    meta::metadata_mut(&mut object).insert("uid".to_owned(), json!("u"));
    Ok(object)
}

#[test]
fn dropped_fields_vanish_unless_another_manager_owns_them() {
    let one = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"size": 1, "mode": "x",
        "ports": [{"name": "http", "port": 80}, {"name": "dns", "port": 53}]}});
    let live = applied(&json!({"metadata": {}}), &one, "alice", false).unwrap();
    let two = json!({"metadata": {}, "spec": {"size": 1}});
    let live = applied(&live, &two, "bob", false).unwrap();
    let three = json!({"metadata": {}, "spec": {"ports": [{"name": "dns", "port": 53}]}});
    let live = applied(&live, &three, "alice", false).unwrap();
    assert_eq!(live["spec"], json!({"size": 1, "ports": [{"name": "dns", "port": 53}]}));
    assert_eq!(live["metadata"].get("labels"), None);
    let fields = &live["metadata"]["managedFields"];
    assert_eq!(
        fields[0]["fieldsV1"],
        json!({"f:spec": {"f:ports": {"k:{\"name\":\"dns\"}":
            {".": {}, "f:name": {}, "f:port": {}}}}})
    );
}

#[test]
fn a_conflict_names_manager_and_field_and_force_takes_over() {
    let live = applied(&json!({"metadata": {}}), &json!({"spec": {"size": 1}}), "alice", false);
    let live = live.unwrap();
    let refused = applied(&live, &json!({"spec": {"size": 2}}), "bob", false).unwrap_err();
    assert_eq!(refused.code(), 409);
    assert_eq!(
        refused.message(),
        "Apply failed with 1 conflict: conflict with \"alice\": .spec.size"
    );
    let live = applied(&live, &json!({"spec": {"size": 2}}), "bob", true).unwrap();
    assert_eq!(live["spec"]["size"], 2);
    let managers = Managers::read(&live).unwrap();
    assert_eq!(managers.0.len(), 1);
    assert_eq!(managers.0[0].who.manager, "bob");
}

#[test]
fn an_update_owns_parents_and_takes_fields_from_appliers() {
    let live = applied(&json!({"metadata": {}}), &json!({"spec": {"size": 1}}), "alice", false);
    let live = live.unwrap();
    let mut new = live.clone();
    new["spec"]["size"] = json!(5);
    new["status"] = json!({"ready": true});
    track_update(&schema(), Some(&live), &mut new, &who("bob", false), Scope::Whole);
    let fields = &new["metadata"]["managedFields"];
    assert_eq!(fields.as_array().unwrap().len(), 1, "{fields}");
    assert_eq!(
        fields[0]["fieldsV1"],
        json!({"f:spec": {"f:size": {}}, "f:status": {".": {}, "f:ready": {}}})
    );
}
