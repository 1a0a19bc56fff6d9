//! Where a machine is made, why there, and what others know of the places that do not serve.

use infrafabric_world::FaultSpec;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::harness::{SOON, Stage, condition, poll, ready, web};

/// `web` under another name.
fn named(name: &str, providers: &[&str]) -> Value {
    let mut machine = web(providers);
    machine["metadata"]["name"] = name.into();
    machine
}

async fn two_verified() -> Stage {
    let stage = Stage::start().await;
    stage.two_accounts().await;
    for name in ["first", "second"] {
        stage.reason("Provider", name, "CredentialsVerified").await;
    }
    stage
}

fn decimal(value: &Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cheapest_is_taken_and_the_sum_is_shown() {
    let stage = two_verified().await;
    // DigitalOcean's is the cheaper one by less than a hundredth, and it is named last.
    let mut machine = web(&["second", "first"]);
    machine["spec"]["placement"] = "Cheapest".into();
    stage.apply(&machine).await;
    let machine = stage.running("web").await;
    let status = &machine["status"];
    assert_eq!(status["active"]["provider"], "first");
    let placed = &status["placement"];
    assert_eq!((&placed["policy"], &placed["currency"]), (&"Cheapest".into(), &"USD".into()));
    let rows = placed["candidates"].as_array().expect("the candidates");
    let order: Vec<&str> = rows.iter().filter_map(|row| row["provider"].as_str()).collect();
    assert_eq!(order, ["first", "second"]);
    assert_eq!((&rows[0]["chosen"], &rows[1]["chosen"]), (&true.into(), &Value::Null));
    for row in rows {
        let score = &row["score"];
        let terms =
            ["price", "failures", "latency", "preference"].map(|term| decimal(&score[term]));
        assert!((terms.iter().sum::<f64>() - decimal(&score["sum"])).abs() < 1e-9, "{score}");
        assert_eq!(row["pricePerHour"], score["price"], "{row}");
    }
    assert_eq!(stage.creations().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_object_met_spares_the_others_and_survives_a_restart() {
    let mut stage = two_verified().await;
    stage.fault(FaultSpec::new("digitalocean", "capacity").on("machine.create")).await;
    stage.apply(&web(&["first", "second"])).await;
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["provider"], "second");
    assert!(decimal(&machine["status"]["attempts"][0]["pricePerHour"]) > 0.0);
    let blocked = |provider: &Value| provider["status"]["blocks"][0]["class"] == "Capacity";
    let provider = stage.until("Provider", "first", "blocked", blocked).await;
    let block = &provider["status"]["blocks"][0];
    assert_eq!((&block["scope"], &block["count"]), (&"offering".into(), &1.into()), "{block}");
    assert!(block["until"].is_string() && block["message"].is_string(), "{block}");
    assert_eq!(stage.asked("digitalocean", "machine.create").await, 1);

    stage.apply(&named("other", &["first", "second"])).await;
    let other = stage.running("other").await;
    assert_eq!(other["status"]["active"]["provider"], "second");
    let rows = &other["status"]["placement"]["candidates"];
    let why = rows[0]["reason"].as_str().expect("a reason").to_owned();
    assert!(rows[0]["provider"] == "first" && why.contains("Capacity"), "{rows}");

    stage.crash();
    stage.launch().await;
    stage.apply(&named("third", &["first", "second"])).await;
    let third = stage.running("third").await;
    assert_eq!(third["status"]["active"]["provider"], "second");
    assert_eq!(stage.asked("digitalocean", "machine.create").await, 1, "nobody asked again");
    // What is not blocked is asked for.
    let mut larger = named("larger", &["first", "second"]);
    larger["spec"]["requirements"] = json!({"cpus": 4, "memory": "8Gi"});
    stage.world.clear_faults().await.expect("cleared");
    stage.apply(&larger).await;
    let larger = stage.running("larger").await;
    assert_eq!(larger["status"]["active"]["provider"], "first");
    stage.witness_fits_the_ledger().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_are_spread() {
    let stage = two_verified().await;
    for name in ["a", "b", "c", "d"] {
        let mut machine = named(name, &["first", "second"]);
        machine["spec"]["placement"] = "Spread".into();
        stage.apply(&machine).await;
        stage.running(name).await;
    }
    let creations = stage.creations().await;
    let at = |definition: &str| creations.iter().filter(|it| it.definition == definition).count();
    assert_eq!((at("digitalocean"), at("linode")), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_machine_tells_what_it_would_be() {
    let stage = two_verified().await;
    let mut machine = web(&["second", "first"]);
    machine["spec"]["placement"] = "Cheapest".into();
    machine["spec"]["suspend"] = true.into();
    stage.apply(&machine).await;
    let planned = |object: &Value| {
        let said = ready(object)["message"].as_str().unwrap_or_default().to_owned();
        said.contains("would be s-2vcpu-4gb") && said.contains("at first, 0.03571 USD/h")
    };
    let planned = stage.until("CloudMachine", "web", "the plan", planned).await;
    assert_eq!(ready(&planned)["reason"], "Suspended");
    assert_eq!(planned["status"]["placement"]["candidates"][0]["chosen"], true);
    assert!(stage.creations().await.is_empty());
    stage.merge("CloudMachine", "web", json!({"spec": {"suspend": false}})).await;
    let machine = stage.running("web").await;
    assert_eq!(machine["status"]["active"]["provider"], "first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_offers_is_said_with_what_comes_nearest() {
    let stage = two_verified().await;
    let mut dear = web(&["first"]);
    dear["spec"]["maxPricePerHour"] = "0.03".into();
    stage.apply(&dear).await;
    let found = stage.reason("CloudMachine", "web", "NoOffering").await;
    assert_eq!(condition(&found, "Stalled")["status"], "True");
    let said = ready(&found)["message"].as_str().expect("a message").to_owned();
    assert!(said.contains("costs 0.03571 USD an hour, more than maxPricePerHour 0.03"), "{said}");

    let mut huge = named("huge", &["first", "second"]);
    huge["spec"]["requirements"] = json!({"cpus": 8, "memory": "64Gi"});
    stage.apply(&huge).await;
    let found = stage.reason("CloudMachine", "huge", "NoOffering").await;
    let said = ready(&found)["message"].as_str().expect("a message").to_owned();
    assert!(said.contains("the nearest is") && said.contains("MiB of memory, not 65536"), "{said}");
    // The limit can be raised.
    stage.merge("CloudMachine", "web", json!({"spec": {"maxPricePerHour": "0.04"}})).await;
    stage.running("web").await;
    assert_eq!(stage.creations().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_are_compared_by_rates_of_ones_own() {
    let stage = two_verified().await;
    // A dollar is two euros: 0.03571 dollars are 0.07142 euros.
    let rates: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "infrafabric-exchange-rates"},
        "data": {"date": "2026-11-27", "base": "USD", "EUR": "2"},
    }))
    .expect("a ConfigMap");
    let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.system());
    maps.create(&PostParams::default(), &rates).await.expect("created");
    let mut machine = web(&["first"]);
    machine["spec"]["currency"] = "EUR".into();
    machine["spec"]["maxPricePerHour"] = "0.05".into();
    // What is suspended is not made before the rates are known.
    machine["spec"]["suspend"] = true.into();
    stage.apply(&machine).await;
    let limited = async || {
        let token = format!("{:?}", std::time::Instant::now());
        let asked = json!({"infrafabric.io/reconcile-requested-at": token});
        let change = json!({"metadata": {"annotations": asked}});
        stage.merge("CloudMachine", "web", change).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let object = stage.get("CloudMachine", "web").await.expect("the machine");
        let said = ready(&object)["message"].as_str().unwrap_or_default().to_owned();
        said.contains("costs 0.07142 EUR an hour").then_some(())
    };
    let limited = poll(SOON, limited).await;
    assert!(limited.is_some(), "not limited by the rates\n{}", stage.log_tail());
    stage.merge("CloudMachine", "web", json!({"spec": {"suspend": false}})).await;
    stage.reason("CloudMachine", "web", "NoOffering").await;
    assert!(stage.creations().await.is_empty());
}
