//! OpenAPI v3: an index with content hashes, and one document for each group and version.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::registry::Registry;
use crate::resource::Resource;

/// Rendered documents by `api/v1` or `apis/<group>/<version>`, each with its hash.
#[derive(Debug, Default)]
pub(crate) struct Documents(BTreeMap<String, (String, Bytes)>);

/// A short name of some content.
pub(crate) fn hash(content: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(content))
}

fn documents(registry: &Registry) -> &Documents {
    registry.documents.get_or_init(|| {
        let mut all = BTreeMap::new();
        for (group, versions) in registry.groups() {
            for version in versions {
                let path = if group.is_empty() {
                    format!("api/{version}")
                } else {
                    format!("apis/{group}/{version}")
                };
                let body = Bytes::from(render(registry, group, version).to_string());
                all.insert(path, (hash(&body), body));
            }
        }
        Documents(all)
    })
}

/// `/openapi/v3`.
pub(crate) fn index(registry: &Registry) -> Value {
    let paths: Map<String, Value> = documents(registry)
        .0
        .iter()
        .map(|(path, (hash, _))| {
            let url = format!("/openapi/v3/{path}?hash={hash}");
            (path.clone(), json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

/// `/openapi/v3/<path>`: the hash and the text.
pub(crate) fn document(registry: &Registry, path: &str) -> Option<(String, Bytes)> {
    documents(registry).0.get(path).cloned()
}

fn render(registry: &Registry, group: &str, version: &str) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for resource in registry.of_version(group, version) {
        let (name, schema) = schema(resource);
        schemas.insert(name.clone(), schema);
        for (path, item) in path_items(resource, &name) {
            paths.insert(path, item);
        }
    }
    json!({"openapi": "3.0.0",
        "info": {"title": "Kubernetes (embedded)", "version": "v1.36.0"},
        "paths": paths, "components": {"schemas": schemas}})
}

fn group_version_kind(resource: &Resource) -> Value {
    json!({"group": resource.group, "kind": resource.kind, "version": resource.version})
}

/// The schema under the name that other tools know it by.
fn schema(resource: &Resource) -> (String, Value) {
    let reversed: Vec<&str> = resource.group.split('.').rev().collect();
    let prefix = match resource.group.as_str() {
        "" => "io.k8s.api.core".to_owned(),
        group if group.ends_with(".k8s.io") && !resource.is_custom() => {
            format!("io.k8s.api.{}", group.trim_end_matches(".k8s.io"))
        }
        _ => reversed.join("."),
    };
    let mut schema = (*resource.document).clone();
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(resource)]);
    (format!("{prefix}.{}.{}", resource.version, resource.kind), schema)
}

fn path_items(resource: &Resource, schema: &str) -> Vec<(String, Value)> {
    let base = if resource.group.is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}/{}", resource.group, resource.version)
    };
    let space = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{base}{space}/{}", resource.plural);
    let object = format!("{collection}/{{name}}");
    let create = operation(resource, schema, "post", &["application/json"]);
    let mut items = vec![];
    if resource.is_review() {
        items.push((collection, json!({"post": create})));
        return items;
    }
    let list = operation(resource, schema, "list", &[]);
    items.push((collection, json!({"get": list, "post": create})));
    items.push((object.clone(), object_item(resource, schema)));
    if resource.status {
        items.push((format!("{object}/status"), object_item(resource, schema)));
    }
    items
}

fn object_item(resource: &Resource, schema: &str) -> Value {
    let mut patches = vec![
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    ];
    if !resource.is_custom() {
        patches.push("application/strategic-merge-patch+json");
    }
    json!({
        "get": operation(resource, schema, "get", &[]),
        "put": operation(resource, schema, "put", &["application/json"]),
        "patch": operation(resource, schema, "patch", &patches),
        "delete": operation(resource, schema, "delete", &[]),
    })
}

fn operation(resource: &Resource, schema: &str, action: &str, accepts: &[&str]) -> Value {
    let reference = json!({"$ref": format!("#/components/schemas/{schema}")});
    let mut operation = json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": group_version_kind(resource),
        "responses": {"200": {"description": "OK",
            "content": {"application/json": {"schema": reference}}}},
    });
    if !accepts.is_empty() {
        let content: Map<String, Value> = accepts
            .iter()
            .map(|media| {
                let schema =
                    if action == "patch" { json!({"type": "object"}) } else { reference.clone() };
                ((*media).to_owned(), json!({"schema": schema}))
            })
            .collect();
        operation["requestBody"] = json!({"content": content, "required": true});
        let parameter = |name: &str, description: &str| {
            json!({"name": name, "in": "query", "description": description,
                "schema": {"type": "string", "uniqueItems": true}})
        };
        operation["parameters"] = json!([
            parameter(
                "dryRun",
                "When present, indicates that modifications should not be persisted."
            ),
            parameter("fieldManager", "The name of the actor that is making these changes."),
            parameter("fieldValidation", "What to do with unknown or duplicate fields."),
        ]);
    }
    operation
}
