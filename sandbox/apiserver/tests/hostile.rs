//! Clients that mean no good, or do not care: bounded memory, and everybody else is served.

mod harness;

use std::sync::Arc;

use embedded_kube_api::{Options, Server};
use harness::server_with;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const CONNECTIONS: usize = 10;
/// On each connection.
const WATCHERS: usize = 100;
const WINDOW: u32 = 64 * 1024;
const WRITES: usize = 1200;
/// How many changes who reads may be behind; history holds four times as many.
const BEHIND: usize = 128;
const TEXT: usize = 128 * 1024;
/// What is written in all is far more, and so would be one queue for each of them.
const MEMORY: usize = 128 * 1024 * 1024;

async fn connect(server: &Server, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(server.ca_pem().as_bytes());
    roots.add(authority.expect("a certificate")).expect("an authority");
    let mut config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(server.address()).await.expect("a connection");
    let name = ServerName::IpAddress(server.address().ip().into());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS")
}

/// A connection for many requests.
async fn shake_hands(server: &Server) -> SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(connect(server, b"h2").await);
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        // What the client keeps unread is in this process too.
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake(stream)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

/// Memory of this process, which is the server's and the clients'.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib = line.split_whitespace().next().and_then(|number| number.parse::<usize>().ok());
    kib.expect("a number") * 1024
}

async fn write(maps: &Api<ConfigMap>, number: usize) {
    let text = format!("{number}{}", "x".repeat(TEXT));
    let change = Patch::Merge(json!({"data": {"text": text}}));
    maps.patch("large", &PatchParams::default(), &change).await.expect("it is written");
}

async fn large(client: &Client) -> Api<ConfigMap> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map = serde_json::from_value(json!({"metadata": {"name": "large"}})).expect("a map");
    maps.create(&PostParams::default(), &map).await.expect("it is made");
    maps
}

async fn watch(
    sender: &mut SendRequest<Empty<Bytes>>,
    server: &Server,
) -> http::Response<Incoming> {
    let uri = format!("{}{MAPS}?watch=1&fieldSelector=metadata.name%3Dlarge", server.url());
    let token = format!("Bearer {}", server.token());
    let request = http::Request::get(uri).header("authorization", token).body(Empty::new());
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_watchers_that_never_read_cost_little_and_disturb_nobody() {
    let (server, client) = server_with(Options::default()).await;
    let maps = large(&client).await;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut sender = shake_hands(&server).await;
        for _ in 0..WATCHERS {
            let answer = watch(&mut sender, &server).await;
            open.push((sender.clone(), answer));
        }
    }
    let mut sender = shake_hands(&server).await;
    let mut reader = watch(&mut sender, &server).await;
    let (progress, mut told) = tokio::sync::watch::channel(0);
    let reading = tokio::spawn(async move {
        let mut lines = 0;
        while lines <= WRITES {
            let frame = reader.body_mut().frame().await.expect("more").expect("a frame");
            lines += frame.data_ref().map_or(0, |data| data.split(|b| *b == b'\n').count() - 1);
            progress.send_replace(lines);
        }
        lines
    });
    let before = resident();
    let mut most = 0;
    for number in 0..WRITES {
        write(&maps, number).await;
        // Who reads is not left so far behind that history forgets it.
        told.wait_for(|lines| number < lines + BEHIND).await.expect("it reads");
        let grown = resident().saturating_sub(before);
        assert!(grown < MEMORY, "{grown} bytes more after {number} writes of {TEXT} bytes");
        most = most.max(grown);
    }
    println!("{most} bytes more at most");
    let read = tokio::time::timeout(harness::PATIENCE, reading).await;
    assert_eq!(read.expect("in time").expect("no panic"), WRITES + 1);
    // Who reads at last is told what was under way, and then the watch ends: it must begin anew.
    let (_, mut late) = open.swap_remove(0);
    open.clear();
    let rest = tokio::time::timeout(harness::PATIENCE, late.body_mut().collect()).await;
    let rest = rest.expect("it ends").expect("without a failure").to_bytes();
    assert!(rest.len() < 32 * TEXT && rest.ends_with(b"\n"), "{} bytes", rest.len());
    server.shutdown().await;
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let (server, client) = server_with(Options::default()).await;
    let maps = large(&client).await;
    let long = format!("x-flood: {}\r\n", "x".repeat(1024 * 1024));
    let many = "x-flood: 1\r\n".repeat(10_000);
    for flood in [long, many] {
        let mut stream = connect(&server, b"http/1.1").await;
        let request = format!("GET {MAPS} HTTP/1.1\r\nhost: localhost\r\n{flood}\r\n");
        // It may hang up before it has all.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    maps.get("large").await.expect("others are served");
    server.shutdown().await;
}
