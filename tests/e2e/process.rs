//! The operator as a process: its own endpoints, its end, and what it must never say.

use infrafabric_world::FaultSpec;
use serde_json::json;

use crate::harness::{
    SOON, Setup, Stage, cloud, documents, manifest_files, poll, provider, request, secret, shelf,
    web,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_readiness_and_metrics_answer() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let address = stage.running_operator().address;
    for path in ["/healthz", "/readyz"] {
        let ready = async || {
            let reply = request(address, "GET", path, &[], "").await.expect("an answer");
            (reply.status == 200).then_some(())
        };
        assert!(poll(SOON, ready).await.is_some(), "{path}");
    }
    let metrics = request(address, "GET", "/metrics", &[], "").await.expect("an answer");
    assert_eq!(metrics.status, 200);
    for name in [
        "infrafabric_reconciles_total",
        "infrafabric_provider_calls_total",
        "infrafabric_provider_call_seconds_bucket",
        "infrafabric_witness_entries",
    ] {
        assert!(metrics.body.contains(name), "{name}: {}", metrics.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_at_once_when_idle() {
    let mut stage = Stage::start().await;
    let began = std::time::Instant::now();
    let status = stage.terminate().await;
    assert!(status.success(), "{status}\n{}", stage.log_tail());
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_while_a_create_is_held_loses_nothing() {
    let mut stage = Stage::with(Setup::default().arguments(&["--call-deadline=3"])).await;
    stage.shelf_account().await;
    let hold = stage.fault(FaultSpec::new("shelf", "hold").on("machine.create")).await;
    stage.apply(&web(&["first"])).await;
    stage.held(hold).await;
    let began = std::time::Instant::now();
    let status = stage.terminate().await;
    assert!(status.success(), "{status}\n{}", stage.log_tail());
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    stage.world.clear_faults().await.expect("cleared");
    stage.launch().await;
    let machine = stage.running("web").await;
    let creations = stage.creations().await;
    assert_eq!(creations.len(), 1, "{creations:?}");
    assert_eq!(machine["status"]["active"]["externalId"], creations[0].id.as_str());
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_in_log_status_event_witness() {
    const DATA: &str = "pass-the-butter-9231";
    let stage = Stage::with(Setup { log: "trace", ..Setup::default() }).await;
    stage.two_accounts().await;
    // Failures too: their messages quote what came back.
    stage.fault(FaultSpec::new("digitalocean", "revoked").on("machine.create").times(1)).await;
    stage.apply(&crate::harness::secret("boot", &json!({"user-data": DATA}))).await;
    let mut machine = web(&["first", "second"]);
    machine["spec"]["userData"] = json!({"secretRef": {"name": "boot", "key": "user-data"}});
    stage.apply(&machine).await;
    stage.running("web").await;
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;

    let mut said = vec![("log", std::fs::read(stage.log_path()).expect("the log"))];
    assert!(said[0].1.len() > 10_000, "the log is at trace level");
    for kind in ["CloudMachine", "Provider", "ProviderDefinition", "Event", "ConfigMap"] {
        let all = serde_json::to_vec(&stage.list(kind).await).expect("JSON");
        said.push((kind, all));
    }
    let address = stage.running_operator().address;
    let metrics = request(address, "GET", "/metrics", &[], "").await.expect("an answer");
    said.push(("metrics", metrics.body.into_bytes()));
    let files = stage.witness_files();
    assert!(!files.is_empty());
    said.extend(files.into_iter().map(|bytes| ("witness", bytes)));
    for (place, bytes) in &said {
        for secret in ["dop_v1_sandbox", "linode-sandbox-token", DATA] {
            assert!(!holds(bytes, secret), "{secret} in {place}");
        }
        for coded in ["ZG9wX3YxX3NhbmRib3g", "bGlub2RlLXNhbmRib3gtdG9rZW4"] {
            assert!(!holds(bytes, coded), "{coded} (base64) in {place}");
        }
    }
}

/// The schemes that no built-in definition has: each carries its secrets in another place.
fn schemes() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("by-pair", json!({"scheme": "basic", "secret": ["user", "token"]})),
        ("by-user", json!({"scheme": "basic", "secret": ["token"]})),
        (
            "by-header",
            json!({"scheme": "header", "name": "X-Token", "prefix": "Token ",
            "secret": ["token"]}),
        ),
        ("by-query", json!({"scheme": "query", "name": "key", "secret": ["token"]})),
        (
            "by-access",
            json!({"scheme": "oauth2", "secret": ["app", "token"],
            "token": {"post": "/oauth/token"}}),
        ),
        ("by-signature", json!({"scheme": "ovh", "secret": ["app", "token", "consumer"]})),
        ("by-key", json!({"scheme": "oci", "secret": ["user", "token", "app", "privateKey"]})),
        (
            "by-headers",
            json!({"scheme": "headers", "secret": ["app", "token"],
            "headers": {"X-App": "${secret.app}", "X-Token": "${base64(secret.token)}"}}),
        ),
        ("by-path", json!({"scheme": "path", "prefix": "/bot", "secret": ["token"]})),
        (
            "by-hash",
            json!({"scheme": "hmac", "secret": ["app", "token"], "sign": {"key": "token",
            "text": "${timestamp + secret.app}", "headers": {"X-App": "${secret.app}",
            "X-Time": "${timestamp}", "X-Sign": "${signature}"}}}),
        ),
        (
            "by-refresh",
            json!({"scheme": "oauth2-refresh", "secret": ["token", "app"],
            "token": {"post": "/oauth/token"}}),
        ),
        (
            "by-login",
            json!({"scheme": "exchange", "secret": ["app", "token"], "carrier": "query", "name": "session",
            "token": {"get": "/login?app=${secret.app}&token=${secret.token}"}}),
        ),
        (
            "by-key-file",
            json!({"scheme": "jwt-bearer", "secret": ["serviceAccount"], "scope": "all",
            "token": {"post": "/oauth/token"}}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_any_scheme_in_log_metrics_witness() {
    let schemes = schemes();
    // Keys cannot be made up; these are the sandbox's.
    let accepted =
        |cloud_: &str, key: &str| cloud(cloud_)["spec"]["sandbox"]["accepts"][key].clone();
    let keys = [
        ("privateKey", accepted("oracle-cloud", "privateKey")),
        ("serviceAccount", accepted("google-cloud", "serviceAccount")),
    ];
    let given = |name: &str| keys.iter().find(|(key, _)| *key == name).map(|(_, key)| key.clone());
    let value = |key: &str| format!("canary-{key}-4711-zebra");
    let definitions: Vec<_> = schemes
        .iter()
        .map(|(name, auth)| {
            let mut definition = shelf(name);
            definition["spec"]["endpoint"] = json!(format!("https://api.{name}.example"));
            let keys = auth["secret"].as_array().expect("keys").iter();
            let accepts = keys.map(|key| {
                let key = key.as_str().expect("a key");
                (key.to_owned(), given(key).unwrap_or_else(|| json!(value(key))))
            });
            definition["spec"]["sandbox"]["accepts"] = accepts.collect();
            definition["spec"]["auth"] = auth.clone();
            definition
        })
        .collect();
    let stage =
        Stage::with(Setup { log: "trace", definitions: definitions.clone(), ..Setup::default() })
            .await;
    for definition in &definitions {
        let name = definition["metadata"]["name"].as_str().expect("a name");
        stage.apply(definition).await;
        stage.apply(&secret(name, &definition["spec"]["sandbox"]["accepts"])).await;
        stage.apply(&provider(name, name, "north")).await;
        stage.reason("Provider", name, "CredentialsVerified").await;
        // Refused as well: the refusal quotes what came back.
        let refusal = FaultSpec::new(name, "revoked").on("machine.create").times(1);
        let refusal = stage.fault(refusal).await;
        let mut machine = web(&[name]);
        machine["metadata"]["name"] = json!(name);
        stage.apply(&machine).await;
        stage.met(refusal, 1).await;
    }
    let mut said = vec![("log", std::fs::read(stage.log_path()).expect("the log"))];
    assert!(said[0].1.len() > 10_000, "the log is at trace level");
    let address = stage.running_operator().address;
    let metrics = request(address, "GET", "/metrics", &[], "").await.expect("an answer");
    said.push(("metrics", metrics.body.into_bytes()));
    for kind in ["CloudMachine", "Provider", "Event", "ConfigMap"] {
        said.push((kind, serde_json::to_vec(&stage.list(kind).await).expect("JSON")));
    }
    let files = stage.witness_files();
    assert!(!files.is_empty());
    said.extend(files.into_iter().map(|bytes| ("witness", bytes)));
    for (place, bytes) in &said {
        for key in ["user", "token", "app", "consumer"] {
            assert!(!holds(bytes, &value(key)), "{key} in {place}");
        }
        assert!(!holds_access_token(bytes), "an access token in {place}");
        for (name, key) in &keys {
            // A line of it is enough; in a file of JSON the lines end with `\n` spelled out.
            let lines = key.as_str().expect("a key").split(['\n', '\\']);
            let lines = lines.map(|line| line.trim_start_matches('n'));
            for line in lines.filter(|line| line.len() >= 60 && !line.contains(' ')) {
                assert!(!holds(bytes, line), "{name} in {place}");
            }
        }
        // `{"alg":"RS256"` in base64: what asks for an access token is as good as one.
        assert!(!holds(bytes, "eyJhbGciOiJSUzI1NiI"), "a signed request for a token in {place}");
        // `canary-` in base64, as in the header of a user and a password.
        assert!(!holds(bytes, "Y2FuYXJ5L"), "base64 in {place}");
    }
}

/// The simulated provider's access tokens are `at-` and 32 hexadecimal digits.
fn holds_access_token(bytes: &[u8]) -> bool {
    bytes
        .windows(35)
        .any(|window| window.starts_with(b"at-") && window[3..].iter().all(u8::is_ascii_hexdigit))
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_applies() {
    let stage = Stage::start().await;
    let files = manifest_files("examples");
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        for manifest in documents(&file) {
            stage.apply(&manifest).await;
        }
    }
    stage.running("web").await;
}
