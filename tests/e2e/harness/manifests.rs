//! Manifests that tests apply.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_owned()
}

/// A file beneath `examples/`, as its documents.
pub(crate) fn example(path: &str) -> Vec<Value> {
    documents(&root().join("examples").join(path))
}

/// The file of a built-in cloud.
pub(crate) fn cloud(name: &str) -> Value {
    documents(&root().join(format!("adapters/providers/cloud/{name}.yaml"))).remove(0)
}

/// All YAML files beneath a folder of the checkout, in the order of their paths.
pub(crate) fn manifest_files(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A YAML file as its documents.
pub(crate) fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A Secret with text values.
pub(crate) fn secret(name: &str, values: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values})
}

/// A Provider whose Secret has its name.
pub(crate) fn provider(name: &str, definition: &str, region: &str) -> Value {
    json!({
        "apiVersion": "infrafabric.io/v1alpha1",
        "kind": "Provider",
        "metadata": {"name": name},
        "spec": {"type": definition, "region": region, "credentials": {"secretRef": {"name": name}}},
    })
}

/// A machine named `web` at the Providers, by requirements that every simulated cloud serves.
pub(crate) fn web(providers: &[&str]) -> Value {
    let providers: Vec<Value> = providers.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "infrafabric.io/v1alpha1",
        "kind": "CloudMachine",
        "metadata": {"name": "web"},
        "spec": {
            "providers": providers,
            "failover": {"after": "1s"},
            "requirements": {"cpus": 2, "memory": "4Gi"},
            "image": "ubuntu-24.04",
            // Some clouds make no machine that nobody could enter.
            "sshKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm ops@example.com"],
        },
    })
}

/// The bench cloud under another name, whose list shows a new machine after 200 ms at most.
pub(crate) fn shelf(name: &str) -> Value {
    let mut manifest = example("bench/bench.yaml").remove(0);
    manifest["metadata"]["name"] = json!(name);
    manifest["spec"]["objects"]["machine"]["identity"]["lag"] = json!("200ms");
    manifest["spec"]["endpoint"] = json!("https://api.shelf.example");
    manifest
}
