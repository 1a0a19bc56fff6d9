//! What the definition engine costs: `cargo bench -p infrafabric-adapters`. Calls over a connection are
//! measured beside a bare client by `cargo xtask bench --only engine`.

use std::collections::BTreeMap;
use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use infrafabric_adapters::compile::{Compiled, Vars};
use infrafabric_adapters::registry::Registry;
use infrafabric_adapters::webhook::{Delivery, verify};
use serde_json::json;

/// `as.addresses` of a machine with two, and the variables that it is read with.
fn expression(bench: &mut Criterion) {
    let registry = Registry::built_in();
    let (definition, _) = registry.get("digitalocean").expect("built in");
    let tree = &definition.objects["machine"].outputs["addresses"];
    let item = json!({"id": 3_164_494, "status": "active", "networks": {"v4": [
        {"ip_address": "198.18.0.1", "type": "public"}, {"ip_address": "10.10.0.1", "type": "private"},
    ]}});
    let mut vars = Vars::default();
    vars.set("item", &item);
    bench.bench_function("an expression over a list of two", |timer| {
        timer.iter(|| black_box(tree.render(&vars)).expect("evaluates"));
    });
    bench.bench_function("the variables of an answer", |timer| {
        timer.iter(|| {
            let mut vars = Vars::default();
            black_box(vars.set("item", &item));
        });
    });
}

/// What a process pays when it uses a built-in definition for the first time.
fn first_use(bench: &mut Criterion) {
    for name in ["digitalocean", "azure"] {
        bench.bench_function(&format!("first use of {name}"), |timer| {
            timer.iter(|| black_box(Registry::built_in().get(name)).expect("built in"));
        });
    }
}

/// A delivery as Slack signs it.
fn webhook(bench: &mut Criterion) {
    let registry = Registry::built_in();
    let mut spec = registry.get("digitalocean").expect("built in").0.spec().clone();
    let webhook = json!({"secret": ["hook"],
        "text": "v0:${headers['x-slack-request-timestamp']}:${body}",
        "signature": "${headers['x-slack-signature'].replace('v0=', '')}",
        "timestamp": "${headers['x-slack-request-timestamp']}"});
    spec.webhook = Some(serde_json::from_value(webhook).expect("a webhook"));
    let definition = Compiled::new("hooked", spec).expect("compiles");
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let secrets = BTreeMap::from([("hook".to_owned(), secret.into())]);
    let mut headers = HeaderMap::new();
    let signature = "v0=ad246e11804f07c308f23ed700d3c67fb1169096e2833a30cafbc2f01bbaf6f9";
    headers.insert("x-slack-signature", HeaderValue::from_static(signature));
    headers.insert("x-slack-request-timestamp", HeaderValue::from_static("1531420618"));
    let now = DateTime::from_timestamp(1_531_420_620, 0).expect("a time");
    let delivery =
        Delivery { url: "https://hooks.example.com/", headers: &headers, body: b"payload=1" };
    bench.bench_function("a webhook delivery", |timer| {
        timer.iter(|| black_box(verify(&definition, &secrets, &delivery, now)).expect("genuine"));
    });
}

criterion_group!(engine, expression, first_use, webhook);
criterion_main!(engine);
