//! The smallest OTLP collector: takes batches over HTTP and decodes them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// A collector on loopback.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    batches: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A span as it arrived.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) name: String,
    /// Hexadecimal, as the others; empty for a root.
    pub(super) parent: String,
    pub(super) id: String,
    pub(super) trace: String,
    pub(super) fields: Value,
    pub(super) failed: bool,
    pub(super) events: usize,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let batches = Arc::<Mutex<Vec<_>>>::default();
        let received = Arc::clone(&batches);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(BufStream::new(stream), Arc::clone(&received)));
            }
        });
        Self { address, batches }
    }

    /// Everything that came, as it came and decoded.
    pub(super) fn received(&self) -> (Vec<u8>, Vec<Span>) {
        let batches = self.batches.lock().expect("no panic");
        let spans = batches.iter().flat_map(|batch| {
            let batch = ExportTraceServiceRequest::decode(batch.as_slice()).expect("a batch");
            let scopes = batch.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            scopes.flat_map(|scope| scope.spans).map(Span::from)
        });
        (batches.concat(), spans.collect())
    }
}

/// Answers requests on one connection until it ends.
async fn serve(mut stream: BufStream<TcpStream>, batches: Arc<Mutex<Vec<Vec<u8>>>>) -> Option<()> {
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            let read = stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            if read == 2 {
                break;
            }
            head.push(line.trim_end().to_ascii_lowercase());
        }
        let length =
            head.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        stream.read_exact(&mut body).await.ok()?;
        assert_eq!(head[0], "post /v1/traces http/1.1");
        assert!(head.contains(&"content-type: application/x-protobuf".to_owned()), "{head:?}");
        batches.lock().expect("no panic").push(body);
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

impl From<otlp::Span> for Span {
    fn from(span: otlp::Span) -> Self {
        let fields = span.attributes.into_iter().map(|field| {
            let value = match field.value.and_then(|value| value.value) {
                Some(Any::StringValue(text)) => json!(text),
                Some(Any::IntValue(number)) => json!(number),
                other => panic!("{}: {other:?}", field.key),
            };
            (field.key, value)
        });
        Self {
            name: span.name,
            parent: hex(&span.parent_span_id),
            id: hex(&span.span_id),
            trace: hex(&span.trace_id),
            fields: fields.collect(),
            failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
            events: span.events.len(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
