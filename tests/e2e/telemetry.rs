//! What the operator tells of itself: metrics that add up, and traces that reach a collector, or cost
//! nothing when there is none.

mod collector;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use infrafabric_world::FaultSpec;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{SOON, Setup, Stage, poll, request, secret, web};
use collector::{Collector, Span};

/// Reads the metrics until they have all of these lines.
async fn metrics(stage: &Stage, lines: &[&str]) {
    let address = stage.running_operator().address;
    let mut newest = String::new();
    let found = poll(SOON, async || {
        let reply = request(address, "GET", "/metrics", &[], "").await.expect("an answer");
        newest = reply.body;
        let has = |line: &&str| newest.lines().any(|found| found == *line);
        lines.iter().all(has).then_some(())
    });
    assert!(found.await.is_some(), "{lines:?} in:\n{newest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_and_the_time_to_ready_are_counted() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    for name in ["first", "second"] {
        stage.reason("Provider", name, "CredentialsVerified").await;
    }
    stage.fault(FaultSpec::new("digitalocean", "capacity").on("machine.create")).await;
    stage.apply(&web(&["first", "second"])).await;
    stage.running("web").await;
    let failover = "from_type=\"digitalocean\",to_type=\"linode\",class=\"Capacity\"";
    let failover = format!("infrafabric_failovers_total{{{failover}}} 1");
    let lines = [
        &*failover,
        "infrafabric_time_to_ready_seconds_count{kind=\"CloudMachine\",provider=\"linode\"} 1",
        "infrafabric_open_operations{kind=\"CloudMachine\",verb=\"create\"} 0",
        "infrafabric_drifted{kind=\"CloudMachine\"} 0",
        "infrafabric_effects_stopped 0",
    ];
    metrics(&stage, &lines).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_creation_that_is_adopted_is_a_duplicate_prevented() {
    let stage = Stage::hasty().await;
    stage.shelf_account().await;
    stage.fault(FaultSpec::new("shelf", "lost").on("machine.create").times(1)).await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let served = "kind=\"CloudMachine\",provider=\"shelf\"";
    let prevented = format!("infrafabric_duplicates_prevented_total{{{served}}} 1");
    let ready = format!("infrafabric_time_to_ready_seconds_count{{{served}}} 1");
    metrics(&stage, &[&prevented, &ready]).await;
}

fn tracing(endpoint: SocketAddr, log: &'static str) -> Setup {
    let setup = Setup { log, ..Setup::default() };
    setup.arguments(&[&format!("--otlp-endpoint=http://{endpoint}")])
}

/// All that a span of ours may say.
const FIELDS: [&str; 12] = [
    "k8s.kind",
    "k8s.namespace",
    "k8s.name",
    "provider",
    "domain",
    "operation",
    "path",
    "attempt",
    "http.status",
    "class",
    "phase",
    "witness.index",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_leads_from_the_look_to_the_call_to_the_witness() {
    const DATA: &str = "pass-the-butter-9231";
    let collector = Collector::start().await;
    // The log is at another level than the traces.
    let mut stage = Stage::with(tracing(collector.address, "info")).await;
    stage.two_accounts().await;
    stage.fault(FaultSpec::new("digitalocean", "revoked").on("machine.create").times(1)).await;
    stage.apply(&secret("boot", &json!({"user-data": DATA}))).await;
    let mut machine = web(&["first", "second"]);
    machine["spec"]["userData"] = json!({"secretRef": {"name": "boot", "key": "user-data"}});
    stage.apply(&machine).await;
    let machine = stage.running("web").await;
    let status = stage.terminate().await;
    assert!(status.success(), "{status}\n{}", stage.log_tail());

    let (bytes, spans) = collector.received();
    let created =
        |span: &&Span| span.name == "provider_call" && span.fields["operation"] == "machine.create";
    let call = spans.iter().filter(created).find(|span| span.fields["class"] == "Ok");
    let call = call.unwrap_or_else(|| panic!("no creation in {spans:#?}"));
    assert_eq!(
        (&call.fields["provider"], &call.fields["http.status"]),
        (&json!("linode"), &json!(200))
    );
    let root = spans.iter().find(|span| span.id == call.parent).expect("what it was done in");
    assert_eq!((&*root.name, &*root.parent, &root.trace), ("reconcile", "", &call.trace));
    let whose = ["k8s.kind", "k8s.namespace", "k8s.name"].map(|field| &root.fields[field]);
    assert_eq!(whose, [&json!("CloudMachine"), &json!(stage.namespace), &json!("web")]);
    let written = |phase: &str| {
        let entry = |span: &&Span| span.parent == call.id && span.fields["phase"] == phase;
        let span = spans.iter().find(entry).unwrap_or_else(|| panic!("no {phase} in {spans:#?}"));
        assert_eq!((&*span.name, &span.trace), ("witness_append", &call.trace));
        span.fields["witness.index"].as_u64().expect("an index")
    };
    assert_eq!(json!(written("Outcome")), machine["status"]["witness"]["index"]);
    assert!(written("Intent") < written("Outcome"));
    let refused = spans.iter().filter(created).find(|span| span.fields["class"] == "Auth");
    assert!(refused.is_some_and(|span| span.failed) && !call.failed, "{spans:#?}");

    for span in &spans {
        let fields = span.fields.as_object().expect("fields");
        for (name, value) in fields {
            assert!(FIELDS.contains(&&**name), "{name} in {span:?}");
            assert!(!value.to_string().contains('?'), "a query in {span:?}");
        }
        assert_eq!(span.events, 0, "{span:?}");
    }
    for text in ["dop_v1_sandbox", "linode-sandbox-token", DATA, "://"] {
        let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found, "{text} was sent to the collector");
    }
}

/// A machine runs and the operator ends, wherever its spans should go; the log says so once.
async fn nothing_else_happens(endpoint: SocketAddr) {
    let mut stage = Stage::with(tracing(endpoint, "info")).await;
    stage.shelf_account().await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let said = |stage: &Stage| {
        let log = std::fs::read_to_string(stage.log_path()).expect("the log");
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines =
            lines.map(|line| line["fields"]["message"].as_str().unwrap_or_default().to_owned());
        lines.filter(|message| message.starts_with("spans ")).count()
    };
    poll(SOON, async || (said(&stage) > 0).then_some(())).await.expect("it is said");
    // What comes after goes nowhere either.
    stage.delete("CloudMachine", "web").await;
    stage.gone("CloudMachine", "web").await;
    assert_eq!(stage.creations().await.len(), 1);
    stage.witness_fits_the_ledger().await;
    let began = Instant::now();
    let status = stage.terminate().await;
    assert!(status.success(), "{status}\n{}", stage.log_tail());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(said(&stage), 1, "{}", stage.log_tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_changes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = listener.local_addr().expect("its address");
    // Nobody listens there from now on.
    drop(listener);
    nothing_else_happens(endpoint).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_changes_nothing() {
    // Connections are accepted by the system, and nobody reads them.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    nothing_else_happens(listener.local_addr().expect("its address")).await;
}
