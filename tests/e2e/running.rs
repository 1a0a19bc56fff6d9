//! A machine on its way from a manifest to a provider.

use serde_json::Value;

use crate::harness::{QUIET, Stage, condition, poll, ready, web};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_runs_on_the_preferred_provider() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    for name in ["first", "second"] {
        stage.reason("Provider", name, "CredentialsVerified").await;
    }
    stage.apply(&web(&["first", "second"])).await;

    let machine = stage.running("web").await;
    let status = &machine["status"];
    assert_eq!(status["active"]["provider"], "first");
    assert_eq!(status["active"]["region"], "fra1");
    assert_eq!(status["active"]["size"], "s-2vcpu-4gb");
    let price: f64 =
        status["active"]["pricePerHour"].as_str().expect("a price").parse().expect("a number");
    assert!(price > 0.0 && status["active"]["currency"] == "USD", "{status}");
    assert!(status["address"].as_str().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok()));
    assert!(status["witness"]["index"].is_u64(), "{status}");
    assert_eq!(condition(&machine, "Witnessed")["status"], "True");
    assert!(
        condition(&machine, "Reconciling").is_null() && condition(&machine, "Stalled").is_null()
    );
    assert_eq!(status["observedGeneration"], machine["metadata"]["generation"]);

    let things = stage.things().await;
    assert_eq!(things.len(), 1, "{things:?}");
    assert_eq!(status["active"]["externalId"], things[0].id.as_str());
    assert_eq!(stage.creations().await.len(), 1);
    // Its credentials were verified, and one list told that nothing of the object's is there.
    assert_eq!(stage.asked("linode", "machine.list").await, 1);
    assert_eq!(stage.asked_in_all("linode").await, 2);
    stage.witness_fits_the_ledger().await;
}

/// Writes are counted by the object's own resource versions: each is one write of status or
/// metadata; the events are counted beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_costs_five_writes_and_three_calls() {
    let stage = Stage::start().await;
    stage.shelf_account().await;
    let calls_before = stage.asked_in_all("shelf").await;
    let writes = stage.count_writes("CloudMachine").await;
    stage.apply(&web(&["first"])).await;
    stage.running("web").await;
    let events = stage.events("web").await.len();
    let writes = writes.count().await;
    // The first version is the user's own.
    let written = writes - 1 + events;
    assert!(written <= 5, "{writes} versions, {events} events");
    let catalogs = stage.asked("shelf", "sizes.list").await
        + stage.asked("shelf", "images.list").await
        + stage.asked("shelf", "regions.list").await;
    let calls = stage.asked_in_all("shelf").await - calls_before - catalogs;
    assert!(calls <= 3, "{calls}: {:?}", stage.ledger().await.requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_means_quiet() {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    stage.apply(&web(&["first", "second"])).await;
    stage.running("web").await;
    let versions = async || {
        let mut all = Vec::new();
        for kind in ["CloudMachine", "Provider", "Secret", "Event"] {
            all.extend(stage.list(kind).await.into_iter().map(|object| {
                let metadata: &Value = &object["metadata"];
                (kind, metadata["name"].to_string(), metadata["resourceVersion"].to_string())
            }));
        }
        all
    };
    // The last event of the change may still be on its way.
    let mut before = versions().await;
    let calm = poll(crate::harness::SOON, async || {
        let mut last = std::time::Instant::now();
        let still = poll(std::time::Duration::from_millis(500), async || {
            let now = versions().await;
            let moved = now != before;
            if moved {
                before = now;
                last = std::time::Instant::now();
            }
            moved.then_some(())
        });
        still.await.is_none().then_some(())
    });
    calm.await.expect("it becomes calm");
    let moved = poll(QUIET, async || {
        let now = versions().await;
        (now != before).then_some(now)
    });
    assert_eq!(moved.await, None, "something was written: before {before:?}");
    let machine = stage.get("CloudMachine", "web").await.expect("the machine");
    assert_eq!(ready(&machine)["status"], "True");
}
