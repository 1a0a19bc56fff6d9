//! Bad input: refused with the field's name, explained, and not asked of a provider again and again.

use serde_json::{Value, json};

use crate::harness::{
    QUIET, Setup, Stage, documents, manifest_files, poll, provider, ready, secret, web,
};

/// The manifests that a real API server is asked about too: their first lines say what the refusal
/// must name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_the_field() {
    let stage = Stage::start().await;
    for file in manifest_files("tests/oracle/manifests/good") {
        for manifest in documents(&file) {
            stage.apply(&manifest).await;
        }
    }
    let bad = manifest_files("tests/oracle/manifests/bad");
    assert!(bad.len() > 20, "{bad:?}");
    for file in bad {
        let text = std::fs::read_to_string(&file).expect("a file");
        let wanted: Vec<&str> =
            text.lines().filter_map(|l| l.strip_prefix("# refused: ")).collect();
        assert!(!wanted.is_empty(), "{file:?} does not say what is refused");
        let manifest = documents(&file).remove(0);
        let refusal = stage.refusal(&manifest).await;
        for part in wanted {
            assert!(refusal.contains(part.trim()), "{file:?} wants `{part}`: {refusal}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_units_unknown_and_contradictory_fields_are_refused() {
    let stage = Stage::start().await;
    let table = [
        ("/spec/requirements/memory", json!("4GB"), "spec.requirements.memory"),
        ("/spec/size", json!("s-1vcpu-1gb"), "size"),
        ("/spec/regon", json!("fra1"), "regon"),
        ("/spec/failover/after", json!("soon"), "spec.failover.after"),
    ];
    for (path, value, named) in table {
        let mut manifest = web(&["first"]);
        let (parent, key) = path.rsplit_once('/').expect("a path");
        manifest.pointer_mut(parent).expect("a parent")[key] = value;
        let refusal = stage.refusal(&manifest).await;
        assert!(refusal.contains(named), "{path}: {refusal}");
    }
    assert!(stage.list("CloudMachine").await.is_empty());
}

/// For as long as a person would watch, no provider is asked anything.
async fn nothing_is_asked(stage: &Stage, definition: &str) {
    let before = stage.asked_in_all(definition).await;
    let asked = poll(QUIET, async || {
        let now = stage.asked_in_all(definition).await;
        (now != before).then_some(now)
    });
    assert_eq!(asked.await, None, "asked again, {before} before");
}

fn message(object: &Value) -> String {
    ready(object)["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_is_named_and_waited_for() {
    let stage = Stage::start().await;
    stage.apply(&provider("first", "digitalocean", "fra1")).await;
    stage.apply(&web(&["first"])).await;
    let found = stage.reason("Provider", "first", "SecretMissing").await;
    assert!(message(&found).contains("Secret first") && message(&found).contains("token"));
    assert_eq!(ready(&found)["status"], "False");
    stage.until("CloudMachine", "web", "waiting", |m| m["status"]["state"] == "Pending").await;
    nothing_is_asked(&stage, "digitalocean").await;
    assert_eq!(stage.asked_in_all("digitalocean").await, 0);
    stage.apply(&secret("first", &json!({"token": "dop_v1_sandbox"}))).await;
    stage.running("web").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_key_is_named() {
    let stage = Stage::start().await;
    stage.apply(&secret("first", &json!({"tokn": "dop_v1_sandbox"}))).await;
    stage.apply(&provider("first", "digitalocean", "fra1")).await;
    let found = stage.reason("Provider", "first", "SecretInvalid").await;
    assert!(message(&found).contains("token") && message(&found).contains("Secret first"));
    nothing_is_asked(&stage, "digitalocean").await;
    assert_eq!(stage.asked_in_all("digitalocean").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_of_another_domain_is_ready_and_makes_no_machine() {
    let stage = Stage::start().await;
    stage.apply(&secret("first", &json!({"token": "xoxb-sandbox-0001"}))).await;
    stage.apply(&provider("first", "slack", "anywhere")).await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
    // A device on a socket is verified as any other.
    stage.apply(&secret("second", &json!({"password": "obs-sandbox-password"}))).await;
    stage.apply(&provider("second", "obs-studio", "anywhere")).await;
    stage.reason("Provider", "second", "CredentialsVerified").await;
    stage.apply(&web(&["first"])).await;
    let found = stage.reason("CloudMachine", "web", "InvalidSpec").await;
    let said = message(&found);
    assert!(said.contains("slack makes no machines") && said.contains("domain chat"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_tried_once_and_the_new_one_is_taken() {
    let stage = Stage::start().await;
    stage.apply(&secret("first", &json!({"token": "dop_v1_revoked"}))).await;
    stage.apply(&provider("first", "digitalocean", "fra1")).await;
    stage.apply(&web(&["first"])).await;
    let found = stage.reason("Provider", "first", "Unauthorized").await;
    assert!(message(&found).contains("put working credentials into Secret first"));
    assert!(!message(&found).contains("dop_v1_revoked"));
    nothing_is_asked(&stage, "digitalocean").await;
    assert_eq!(stage.asked_in_all("digitalocean").await, 1);
    let machine = stage.get("CloudMachine", "web").await.expect("the machine");
    assert_ne!(ready(&machine)["status"], "True");
    stage.apply(&secret("first", &json!({"token": "dop_v1_sandbox"}))).await;
    stage.running("web").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newline_at_the_end_is_cut_off_and_one_inside_is_never_sent() {
    let stage = Stage::start().await;
    stage.apply(&secret("first", &json!({"token": "dop_v1_sandbox\n"}))).await;
    stage.apply(&provider("first", "digitalocean", "fra1")).await;
    stage.reason("Provider", "first", "CredentialsVerified").await;
    stage.apply(&secret("second", &json!({"token": "linode-\nsandbox-token"}))).await;
    stage.apply(&provider("second", "linode", "eu-central")).await;
    let refused = |object: &Value| ready(object)["status"] == "False";
    let found = stage.until("Provider", "second", "refused", refused).await;
    assert!(message(&found).contains("token"), "{}", message(&found));
    assert!(!message(&found).contains("sandbox-token"));
    nothing_is_asked(&stage, "linode").await;
    assert_eq!(stage.asked_in_all("linode").await, 0);
}

/// Without the simulator in between: where requests may go is checked, and nothing is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_go_to_no_other_host() {
    let stage = Stage::with(Setup { to_world: false, ..Setup::default() }).await;
    let mut elsewhere = provider("first", "digitalocean", "fra1");
    elsewhere["spec"]["endpoint"] = json!("https://api.digitalocean.com.example");
    stage.apply(&secret("first", &json!({"token": "dop_v1_sandbox"}))).await;
    stage.apply(&elsewhere).await;
    let found = stage.reason("Provider", "first", "InvalidSpec").await;
    let said = message(&found);
    assert!(said.contains("api.digitalocean.com.example"), "{said}");
    assert!(said.contains("--allowed-endpoints"), "{said}");

    let mut inside = crate::harness::shelf("loopback");
    inside["spec"]["endpoint"] = json!("https://127.0.0.1:8443");
    stage.apply(&inside).await;
    let found = stage.reason("ProviderDefinition", "loopback", "InvalidDefinition").await;
    assert!(message(&found).contains("spec.endpoint"), "{}", message(&found));
    assert!(message(&found).contains("--allowed-endpoints=127.0.0.1:8443"), "{}", message(&found));
}
