//! The order of the stages, seen from inside.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::clock::SystemClock;
use crate::journal::Unrecorded as Silent;

/// Answers each connection once, with these statuses.
async fn provider(statuses: &'static [u16]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for status in statuses {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.expect("a request");
            let body = r#"{"id":"7"}"#;
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}");
            let answer = format!("{head}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.expect("answered");
        }
    });
    url
}

fn pipeline(url: &str) -> Pipeline {
    let spec = json!({
        "title": "T", "domain": "cloud", "docs": "https://t.test", "checked": "2026-11-22",
        "endpoint": "https://api.t.test", "auth": {"scheme": "bearer", "secret": ["token"]},
        "verify": {"get": "/account"},
        "objects": {"machine": {
            "identity": {"find": "tag", "lag": "1s", "key": true},
            "create": {"post": "/things", "item": "${body}",
                "json": {"token": "${token}", "marks": "${want.marks}"}},
            "read": {"get": "/things/${id}", "item": "${body}"},
            "list": {"get": "/things?mark=${scope.mark}", "items": "${body.things}"},
            "delete": {"delete": "/things/${id}"},
            "as": {"id": "${item.id}", "marks": "${item.marks}",
                "state": {"of": "${item.state}", "up": "Running"}},
        }},
    });
    let spec = serde_json::from_value(spec).expect("a definition");
    let definition = Arc::new(Compiled::new("t", spec).expect("compiles"));
    let secrets = BTreeMap::from([("token".to_owned(), "s3cr3t".into())]);
    let credentials = Credentials::open(&definition.spec().auth, &secrets).expect("opens");
    Pipeline::new(Parts {
        definition,
        parameters: json!({}),
        replacement: Some(url.to_owned()),
        events_port: None,
        credentials,
        timeout: Duration::from_secs(20),
        clock: Arc::new(SystemClock),
        metrics: Arc::default(),
    })
}

async fn create(url: &str) -> Trail {
    let pipeline = pipeline(url);
    let identity = |answer: &Answer| answer.body.get("id").map(ToString::to_string);
    let effect = Effect {
        token: "t-1",
        external_id: None,
        journal: &Silent,
        keyed: true,
        identity: Some(&identity),
        deletes: false,
    };
    let operation = pipeline.definition.objects["machine"].create.as_ref();
    let inputs = Inputs { token: Some("t-1".to_owned()), ..Inputs::default() };
    let call =
        Call { name: "machine.create", operation, inputs, effect: Some(effect), events: None };
    let mut trail = Trail::default();
    pipeline.traced(call, &mut trail).await.expect("made");
    trail
}

#[tokio::test]
async fn an_effect_passes_every_stage_in_order() {
    let trail = create(&provider(&[200]).await).await;
    assert_eq!(trail.stages, ORDER);
}

#[tokio::test]
async fn a_retry_re_enters_at_the_breaker() {
    let trail = create(&provider(&[503, 200]).await).await;
    let at = |stage| ORDER.iter().position(|s| *s == stage).expect("a stage");
    let (breaker, retry) = (at(Stage::Breaker), at(Stage::Retry));
    let mut expected = ORDER[..=retry].to_vec();
    expected.extend(&ORDER[breaker..]);
    assert_eq!((trail.stages, trail.sends), (expected, 2));
}
