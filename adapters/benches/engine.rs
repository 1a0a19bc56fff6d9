//! What the definition engine costs: `cargo bench -p infrafabric-adapters`. Calls over a connection are
//! measured beside a bare client by `cargo xtask bench --only engine`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use infrafabric_adapters::account::{Account, AccountOptions, Act};
use infrafabric_adapters::compile::{Compiled, Vars};
use infrafabric_adapters::contract::ai;
use infrafabric_adapters::journal::Unrecorded as Open;
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
        timer.iter(|| {
            black_box(verify(&definition, &secrets, None, &delivery, now)).expect("genuine")
        });
    });
}

/// From the moment that a provider has written the first event of a stream until its text is with the
/// caller.
fn first_piece(bench: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (written, address) = stream_server();
    let (definition, _) = Registry::built_in().get("openai").expect("built in");
    let options = AccountOptions {
        endpoint: Some(format!("http://{address}")),
        secrets: BTreeMap::from([("token".to_owned(), "bench".into())]),
        ..AccountOptions::default()
    };
    let account = Account::open(definition, options).expect("opens");
    let want = ai::Stream(ai::Complete {
        model: "gpt-5.4".to_owned(),
        messages: vec![ai::Turn { role: ai::Role::User, content: "Ready?".to_owned() }],
        max_tokens: 16,
        ..ai::Complete::default()
    });
    bench.bench_function("the first piece of a stream", |timer| {
        timer.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for n in 0..times {
                let first = Mutex::new(None);
                let pieces = |_: &str| {
                    first.lock().expect("one").get_or_insert_with(Instant::now);
                };
                let token = format!("bench-{n}");
                let act = Act::new(&token, &Open).piecewise(&pieces);
                runtime.block_on(account.act(&want, act)).expect("answered");
                let first = first.lock().expect("one").expect("a piece");
                took += first - written.recv().expect("written");
            }
            took
        });
    });
}

/// Answers each request with one event, and the rest a little later; says when the first was written.
fn stream_server() -> (Receiver<Instant>, SocketAddr) {
    const FIRST: &str = "data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"content\":\"Yes\"}}]}\n\n";
    const REST: &str = "data: {\"id\":\"1\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n\
        data: [DONE]\n\n";
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("connects");
            stream.set_nodelay(true).expect("no delay");
            let mut asked = [0; 8192];
            // One request is one read here: it is small, and on loopback.
            while stream.read(&mut asked).is_ok_and(|read| read > 0) {
                let length = FIRST.len() + REST.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).expect("written");
                std::thread::sleep(Duration::from_millis(1));
                stream.write_all(FIRST.as_bytes()).expect("written");
                tell.send(Instant::now()).expect("somebody listens");
                std::thread::sleep(Duration::from_millis(2));
                stream.write_all(REST.as_bytes()).expect("written");
            }
        }
    });
    (told, address)
}

criterion_group!(engine, expression, first_use, webhook, first_piece);
criterion_main!(engine);
