//! Definitions that are given at run time.

use serde_json::{Value, json};

use crate::harness::{Setup, Stage, example, provider, ready, secret, shelf, web};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_that_is_applied_makes_machines() {
    let hetzner = example("provider-definition/hetzner.yaml").remove(0);
    let setup = Setup { definitions: vec![hetzner.clone()], ..Setup::default() };
    let stage = Stage::with(setup).await;
    stage.apply(&secret("third", &json!({"token": "hcloud-sandbox-token"}))).await;
    stage.apply(&provider("third", "hetzner", "fsn1")).await;
    let unknown = stage.reason("Provider", "third", "UnknownType").await;
    assert!(ready(&unknown)["message"].to_string().contains("hetzner"));

    stage.apply(&hetzner).await;
    let taken = stage.reason("ProviderDefinition", "hetzner", "InUse").await;
    let digest = taken["status"]["digest"].clone();
    stage.reason("Provider", "third", "CredentialsVerified").await;
    stage.apply(&web(&["third"])).await;
    stage.running("web").await;
    assert_eq!(stage.things().await[0].definition, "hetzner");

    let mut next = hetzner;
    next["spec"]["title"] = json!("Hetzner Cloud, second edition");
    stage.apply(&next).await;
    let swapped = |object: &Value| object["status"]["digest"] != digest;
    let taken = stage.until("ProviderDefinition", "hetzner", "swapped", swapped).await;
    let uses = |object: &Value| {
        object["status"]["definition"]["digest"] == taken["status"]["digest"]
            && ready(object)["status"] == "True"
    };
    stage.until("Provider", "third", "on the new definition", uses).await;

    stage.delete("ProviderDefinition", "hetzner").await;
    let held = stage.reason("ProviderDefinition", "hetzner", "HeldByProviders").await;
    assert!(ready(&held)["message"].to_string().contains("third"));
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert!(stage.things().await.is_empty());
    stage.delete("Provider", "third").await;
    stage.gone("Provider", "third").await;
    stage.gone("ProviderDefinition", "hetzner").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_definition_is_explained_and_the_operator_goes_on() {
    let stage = Stage::start().await;
    let table: [(&str, &str, Value, &str); 3] = [
        ("bad-expression", "/spec/objects/machine/as/id", json!("${item.id +}"), "as.id"),
        ("unknown-name", "/spec/objects/machine/create/json/name", json!("${wnat.name}"), "wnat"),
        ("no-create", "/spec/objects/machine/create", Value::Null, "create"),
    ];
    for (name, path, value, named) in table {
        let mut wrong = shelf(name);
        let (parent, key) = path.rsplit_once('/').expect("a path");
        let parent = wrong.pointer_mut(parent).and_then(Value::as_object_mut).expect("a parent");
        match value {
            Value::Null => parent.remove(key),
            value => parent.insert(key.to_owned(), value),
        };
        // What the format fixes, the schema refuses already.
        if let Err(error) = stage.try_apply(&wrong).await {
            assert!(error.to_string().contains(named), "{name}: {error}");
            continue;
        }
        let found = stage.reason("ProviderDefinition", name, "InvalidDefinition").await;
        let said = ready(&found)["message"].to_string();
        assert!(said.contains(named) && said.contains("machine"), "{name}: {said}");
        assert_eq!(ready(&found)["status"], "False");
    }
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_built_in_name_is_not_taken() {
    let stage = Stage::start().await;
    stage.apply(&shelf("digitalocean")).await;
    let found = stage.reason("ProviderDefinition", "digitalocean", "NameTaken").await;
    assert!(ready(&found)["message"].to_string().contains("built"), "{found:#}");
    stage.two_accounts().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    assert_eq!(stage.things().await[0].definition, "digitalocean");
    stage.delete("ProviderDefinition", "digitalocean").await;
    stage.gone("ProviderDefinition", "digitalocean").await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
}

/// What a breaking update of a definition in use does: the one before it still serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_update_leaves_the_one_before_in_use() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let mut wrong = shelf("shelf");
    wrong["spec"]["objects"]["machine"]["as"]["id"] = json!("${itm.id}");
    stage.apply(&wrong).await;
    stage.reason("ProviderDefinition", "shelf", "InvalidDefinition").await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
}

/// A dialect is taken into use when what it extends is there, and follows what that becomes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialect_follows_the_definition_that_it_extends() {
    let stage = Stage::start().await;
    let dialect = json!({
        "apiVersion": "infrafabric.io/v1alpha1", "kind": "ProviderDefinition",
        "metadata": {"name": "kiosk"},
        "spec": {"extends": "rack", "title": "Kiosk",
            "objects": {"machine": {"identity": {"lag": "7s"}}}},
    });
    stage.apply(&dialect).await;
    let found = stage.reason("ProviderDefinition", "kiosk", "InvalidDefinition").await;
    assert!(ready(&found)["message"].to_string().contains("spec.extends: no other definition"));
    stage.apply(&shelf("rack")).await;
    let taken = stage.reason("ProviderDefinition", "kiosk", "InUse").await;
    let digest = taken["status"]["digest"].clone();

    let mut next = shelf("rack");
    next["spec"]["limits"] = json!({"requests": "77/s"});
    stage.apply(&next).await;
    let swapped = |object: &Value| object["status"]["digest"] != digest;
    stage.until("ProviderDefinition", "kiosk", "swapped", swapped).await;

    stage.delete("ProviderDefinition", "rack").await;
    let held = stage.reason("ProviderDefinition", "rack", "HeldByProviders").await;
    assert!(ready(&held)["message"].to_string().contains("ProviderDefinition kiosk"));
    stage.delete("ProviderDefinition", "kiosk").await;
    stage.gone("ProviderDefinition", "kiosk").await;
    stage.gone("ProviderDefinition", "rack").await;

    // What is no dialect is whole.
    let half = json!({
        "apiVersion": "infrafabric.io/v1alpha1", "kind": "ProviderDefinition",
        "metadata": {"name": "half"}, "spec": {"title": "Half"},
    });
    let error = stage.try_apply(&half).await.expect_err("refused").to_string();
    assert!(error.contains("without `extends`, a definition has title, domain"), "{error}");
}
