//! What the server serves, as clients ask for it.

pub(crate) mod openapi;

use serde_json::{Value, json};

use crate::http::negotiate::Discovery;
use crate::kinds::Builtin;
use crate::registry::Registry;
use crate::resource::Resource;

/// `/version`: the API level that is imitated.
pub(crate) fn version() -> Value {
    json!({
        "major": "1", "minor": "36",
        "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
        "gitVersion": concat!("v1.36.0-embedded.", env!("CARGO_PKG_VERSION_MAJOR")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// The paths of `/`.
pub(crate) fn paths(registry: &Registry) -> Vec<String> {
    let mut all = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, versions) in registry.groups() {
        if !group.is_empty() {
            all.push(format!("/apis/{group}"));
            all.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
        }
    }
    for path in ["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"] {
        all.push(path.to_owned());
    }
    all
}

fn verbs(resource: &Resource) -> Value {
    if resource.is_review() {
        return json!(["create"]);
    }
    if resource.is_custom() {
        return json!([
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "create",
            "update",
            "watch"
        ]);
    }
    if resource.is(Builtin::Namespace) {
        return json!(["create", "delete", "get", "list", "patch", "update", "watch"]);
    }
    json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"])
}

/// `/api` and `/apis`, with their media type.
pub(crate) fn root(registry: &Registry, core: bool, form: Discovery) -> (&'static str, Value) {
    match form {
        Discovery::Legacy if core => (
            "application/json",
            json!({"kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": []}),
        ),
        Discovery::Legacy => {
            let groups: Vec<Value> = registry
                .groups()
                .into_iter()
                .filter(|(group, _)| !group.is_empty())
                .map(|(group, versions)| api_group(group, &versions))
                .collect();
            let list = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups});
            ("application/json", list)
        }
        Discovery::V2 => (
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            aggregated(registry, core, "v2"),
        ),
        Discovery::V2Beta1 => (
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            aggregated(registry, core, "v2beta1"),
        ),
    }
}

fn api_group(group: &str, versions: &[&str]) -> Value {
    let all: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": all, "preferredVersion": all.first()})
}

/// `/apis/<group>`, `/api/v1` and `/apis/<group>/<version>`.
pub(crate) fn group_or_version(registry: &Registry, path: &str) -> Option<Value> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["apis", group] if !group.is_empty() => {
            let groups = registry.groups();
            let versions = groups.get(group)?;
            let mut json = json!({"kind": "APIGroup", "apiVersion": "v1"});
            let group = api_group(group, versions);
            for (key, value) in group.as_object().into_iter().flatten() {
                json[key] = value.clone();
            }
            Some(json)
        }
        ["api", version] => resources(registry, "", version),
        ["apis", group, version] if !group.is_empty() => resources(registry, group, version),
        _ => None,
    }
}

fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut all = Vec::new();
    for resource in registry.of_version(group, version) {
        let mut entry = json!({"name": resource.plural, "singularName": resource.singular,
            "namespaced": resource.namespaced, "kind": resource.kind, "verbs": verbs(resource)});
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        if !resource.is_review() {
            entry["storageVersionHash"] =
                json!(openapi::hash(resource.table.as_bytes()).get(..11).unwrap_or_default());
        }
        all.push(entry);
        if resource.status {
            all.push(json!({"name": format!("{}/status", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": resource.kind,
                "verbs": ["get", "patch", "update"]}));
        }
        if resource.scale.is_some() {
            all.push(json!({"name": format!("{}/scale", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "group": "autoscaling", "version": "v1",
                "kind": "Scale", "verbs": ["get", "patch", "update"]}));
        }
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!all.is_empty()).then(|| {
        let mut list = json!({"kind": "APIResourceList"});
        if !group.is_empty() {
            list["apiVersion"] = json!("v1");
        }
        list["groupVersion"] = json!(group_version);
        list["resources"] = json!(all);
        list
    })
}

fn aggregated(registry: &Registry, core: bool, api_version: &str) -> Value {
    let items: Vec<Value> = registry
        .groups()
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = registry
                        .of_version(group, version)
                        .map(|r| aggregated_resource(r))
                        .collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let mut metadata = json!({"creationTimestamp": null});
            if !group.is_empty() {
                metadata["name"] = json!(group);
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{api_version}"), "metadata": {},
        "items": items})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = json!({"group": resource.group, "version": resource.version,
        "kind": resource.kind});
    let mut entry = json!({"resource": resource.plural, "responseKind": kind,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular, "verbs": verbs(resource)});
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let mut below = Vec::new();
    if resource.status {
        below.push(json!({"subresource": "status", "responseKind": kind,
            "verbs": ["get", "patch", "update"]}));
    }
    if resource.scale.is_some() {
        let kind = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        below.push(json!({"subresource": "scale", "responseKind": kind,
            "verbs": ["get", "patch", "update"]}));
    }
    if !below.is_empty() {
        entry["subresources"] = json!(below);
    }
    entry
}
