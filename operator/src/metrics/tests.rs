use infrafabric_crds::{CloudMachine, Provider};
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::watcher::Event;
use kube::{Client, Config, Resource};
use serde_json::{Value, json};

use super::names::{ALL, Kind};
use super::*;
use crate::engine::halt::Halt;
use crate::witness::{Keys, Witness};

/// Metrics over objects that are watched, with what writes them.
struct Watched {
    metrics: Metrics,
    machines: Writer<CloudMachine>,
    providers: Writer<Provider>,
    _log: tempfile::TempDir,
}

async fn watched() -> Watched {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_from(Config::new("http://127.0.0.1:9".parse().expect("a URL")));
    let (halt, _) = Halt::new(client.expect("a client"), "system");
    let log = tempfile::tempdir().expect("a folder");
    let keys = Keys::generate("test/log");
    let witness = Witness::open(log.path().to_owned(), "test/log".to_owned(), keys);
    let (watched_machines, machines) = reflector::store();
    let (watched_providers, providers) = reflector::store();
    let metrics = Metrics::new(Sources {
        machines: watched_machines,
        providers: watched_providers,
        halt,
        witness: witness.await.expect("a log"),
    });
    Watched { metrics, machines, providers, _log: log }
}

fn list<K>(writer: &mut Writer<K>, objects: impl IntoIterator<Item = Value>)
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + 'static,
{
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        let object = serde_json::from_value(object).expect("an object");
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
}

fn machine(name: &str, verb: Option<&str>, drifted: bool) -> Value {
    let mut status = json!({"observedGeneration": 1, "state": "Pending", "conditions": []});
    if let Some(verb) = verb {
        status["operation"] = json!({"token": "t", "verb": verb, "provider": "first", "region": "r",
            "requestDigest": "", "startedAt": "2026-01-01T00:00:00Z", "attempt": 1});
    }
    if drifted {
        status["conditions"] = json!([{"type": "Drifted", "status": "True", "reason": "Differs",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    }
    json!({"apiVersion": "infrafabric.io/v1alpha1", "kind": "CloudMachine",
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"providers": [{"name": "first"}], "image": "debian-12"}, "status": status})
}

fn provider(name: &str, leftovers: usize) -> Value {
    let leftover = json!({"externalId": "1", "region": "r", "since": "2026-01-01T00:00:00Z"});
    json!({"apiVersion": "infrafabric.io/v1alpha1", "kind": "Provider",
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"type": "linode", "credentials": {"secretRef": {"name": name}}},
        "status": {"observedGeneration": 1, "conditions": [],
            "leftovers": vec![leftover; leftovers]}})
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
}

#[tokio::test]
async fn gauges_are_what_the_watched_objects_say() {
    let mut watched = watched().await;
    let machines = [
        machine("a", Some("create"), false),
        machine("b", Some("create"), true),
        machine("c", Some("delete"), false),
        machine("d", Some("what a user wrote"), false),
        machine("e", None, true),
    ];
    list(&mut watched.machines, machines);
    list(&mut watched.providers, [provider("first", 2), provider("second", 0)]);
    let text = watched.metrics.render();
    for (verb, count) in [("create", 2), ("delete", 1), ("start", 0), ("update", 0), ("other", 1)] {
        let labels = format!("kind=\"CloudMachine\",verb=\"{verb}\"");
        has(&text, &format!("infrafabric_open_operations{{{labels}}} {count}"));
    }
    has(&text, "infrafabric_open_operations{kind=\"Provider\",verb=\"delete\"} 0");
    has(&text, "infrafabric_drifted{kind=\"CloudMachine\"} 2");
    has(&text, "infrafabric_leftovers{namespace=\"shop\",name=\"first\"} 2");
    has(&text, "infrafabric_leftovers{namespace=\"shop\",name=\"second\"} 0");
    has(&text, "infrafabric_witness_entries 0");
    // Nobody has looked yet, so no effect starts.
    has(&text, "infrafabric_effects_stopped 1");

    list(&mut watched.machines, [machine("a", None, false)]);
    let text = watched.metrics.render();
    has(&text, "infrafabric_open_operations{kind=\"CloudMachine\",verb=\"create\"} 0");
    has(&text, "infrafabric_drifted{kind=\"CloudMachine\"} 0");
}

#[tokio::test]
async fn before_the_first_list_nothing_is_claimed_of_objects() {
    let text = watched().await.metrics.render();
    for name in ["infrafabric_drifted{", "infrafabric_open_operations{", "infrafabric_leftovers{"] {
        assert!(!text.contains(name), "{text}");
    }
}

/// One series of each metric that is counted here and not in the pipeline.
fn counted(metrics: &Metrics) {
    metrics.reconciled("CloudMachine", true);
    metrics.became_ready("CloudMachine", "linode".to_owned(), Duration::from_secs(42));
    metrics.failed_over("linode".to_owned(), "vultr".to_owned(), Class::Quota);
    metrics.prevented_duplicate("CloudMachine", "linode".to_owned());
}

#[tokio::test]
async fn what_happened_is_counted() {
    let metrics = watched().await.metrics;
    counted(&metrics);
    metrics.reconciled("CloudMachine", false);
    let text = metrics.render();
    has(&text, "infrafabric_reconciles_total{kind=\"CloudMachine\",result=\"error\"} 1");
    let failover = "from_type=\"linode\",to_type=\"vultr\",class=\"Quota\"";
    has(&text, &format!("infrafabric_failovers_total{{{failover}}} 1"));
    let served = "kind=\"CloudMachine\",provider=\"linode\"";
    has(&text, &format!("infrafabric_duplicates_prevented_total{{{served}}} 1"));
    has(&text, &format!("infrafabric_time_to_ready_seconds_sum{{{served}}} 42.0"));
    let bucket =
        |le: &str| format!("infrafabric_time_to_ready_seconds_bucket{{le=\"{le}\",{served}}}");
    has(&text, &format!("{} 0", bucket("30.0")));
    has(&text, &format!("{} 1", bucket("60.0")));
}

#[tokio::test]
async fn every_metric_is_shown_with_its_kind_and_labels() {
    let mut watched = watched().await;
    counted(&watched.metrics);
    list(&mut watched.machines, [machine("a", None, false)]);
    list(&mut watched.providers, [provider("first", 1)]);
    let text = watched.metrics.render();
    for metric in ALL {
        has(&text, &format!("# TYPE {} {}", metric.name, metric.kind.as_str()));
        let series = |line: &&str| line.starts_with(metric.name) && !line.starts_with('#');
        let Some(line) = text.lines().find(series) else {
            assert!(metric.name.starts_with("infrafabric_provider_"), "no {}", metric.name);
            continue;
        };
        let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        let pairs = labels.map_or("", |(labels, _)| labels).split(',');
        let names = pairs.filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
        let names: Vec<_> = names.filter(|name| *name != "le").collect();
        assert_eq!(names, metric.labels, "{line}");
    }
    let shown = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(shown, ALL.len(), "one that is not in the list: {text}");
}

#[test]
fn the_documentation_has_the_same_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/architecture.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `infrafabric_")).collect();
    let expected = ALL.map(|metric| {
        let suffix = if metric.kind == Kind::Counter { "_total" } else { "" };
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        let labels = if labels.is_empty() { "none".to_owned() } else { labels };
        let kind = metric.kind.as_str();
        format!("| `{}{suffix}` | {kind} | {labels} | {} |", metric.name, metric.meaning)
    });
    assert_eq!(rows, expected, "docs/architecture.md should say:\n{}", expected.join("\n"));
}
