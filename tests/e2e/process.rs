//! The operator as a process: its own endpoints, its end, and what it must never say.

use infrafabric_world::FaultSpec;
use serde_json::json;

use crate::harness::{SOON, Setup, Stage, documents, manifest_files, poll, request, web};

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
