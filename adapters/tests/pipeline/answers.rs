//! What a provider can answer to a read, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use infrafabric_adapters::account::AccountOptions;
use infrafabric_adapters::pipeline::PipelineMetrics;
use infrafabric_definition::{Class, Scope};
use serde_json::json;

use crate::definitions::{Ledger, account, counted, open, spec, thing, want};
use crate::hostile::{Provider, Reply, json, with};

fn unbase64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

#[tokio::test]
async fn every_status_has_its_class() {
    for (status, class, scope) in [
        (400, Class::Invalid, Scope::Object),
        (401, Class::Auth, Scope::Account),
        (402, Class::OutOfCredit, Scope::Account),
        (403, Class::Auth, Scope::Account),
        (404, Class::NotFound, Scope::Object),
        (405, Class::Unsupported, Scope::Object),
        (409, Class::Conflict, Scope::Object),
        (410, Class::NotFound, Scope::Object),
        (412, Class::Conflict, Scope::Object),
        (413, Class::Invalid, Scope::Object),
        (415, Class::Invalid, Scope::Object),
        (422, Class::Invalid, Scope::Object),
        (423, Class::Conflict, Scope::Object),
        (429, Class::RateLimited, Scope::Account),
        (501, Class::Unsupported, Scope::Object),
    ] {
        let body = json!({"id": "the_code", "message": "the message", "request_id": "r-1"});
        let provider = Provider::start([json(status, &body)]).await;
        let error = account(&provider.url).verify().await.expect_err("refused");
        assert_eq!((error.class, error.scope), (class, scope), "{status}");
        let parts = (error.status, error.code.as_deref(), error.request_id.as_deref());
        assert_eq!(parts, (Some(status), Some("the_code"), Some("r-1")));
        assert_eq!(
            error.to_string(),
            format!("bench verify: the message (HTTP {status}, the_code)")
        );
        assert_eq!(provider.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn the_definitions_rules_come_first_also_for_a_success_that_lies() {
    let limit = json(422, &json!({"message": "droplet limit reached"}));
    let lie = json(200, &json!({"lie": true, "thing": thing("7", "new")}));
    let provider = Provider::start([limit, lie]).await;
    let account = account(&provider.url);
    let journal = Ledger::default();
    let error = account.create_machine(&want(), "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.scope), (Class::Quota, Scope::Account));
    assert_eq!(error.code.as_deref(), Some("limit"));
    let error = account.create_machine(&want(), "t", &journal).await.expect_err("refused");
    assert_eq!((error.class, error.scope), (Class::Capacity, Scope::Offering));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Provider::start([]).await;
    for (status, effect) in [(301, Class::Unknown), (302, Class::Unknown), (307, Class::Policy)] {
        let moved = with(status, &[("location", &other.url.replace("127.0.0.1", "localhost"))], "");
        let provider = Provider::start([moved.clone(), moved]).await;
        let account = account(&provider.url);
        let error = account.verify().await.expect_err("redirected");
        assert_eq!(error.class, Class::Policy);
        assert!(error.message.contains("`localhost`"), "{error}");
        let made = account.create_machine(&want(), "t", &Ledger::default()).await;
        assert_eq!(made.expect_err("redirected").class, effect, "{status}");
        assert_eq!(provider.requests().len(), 2);
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_next_page_at_another_host_gets_no_credentials() {
    let other = Provider::start([]).await;
    let page = json!({"things": [thing("7", "new")], "next": format!("{}/things", other.url)});
    let provider = Provider::start([json(200, &page)]).await;
    let error = account(&provider.url).list_machines("m", "").await.expect_err("refused");
    assert_eq!(error.class, Class::Policy);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn pages_that_never_end_are_an_error() {
    let page = json(200, &json!({"things": [], "next": "/v1/things?page=2"}));
    let provider = Provider::start(vec![page; 10]).await;
    let error = account(&provider.url).list_machines("m", "").await.expect_err("refused");
    assert!(error.message.contains("same page"), "{error}");
    assert_eq!(provider.requests().len(), 2);
}

#[tokio::test]
async fn memory_is_bounded_by_the_limit() {
    const LIMIT: u64 = 8 * 1024 * 1024;
    // What the two sockets hold beyond what was read.
    const BUFFERS: u64 = 8 * 1024 * 1024;
    for announced in [true, false] {
        let flood = Reply::Flood { bytes: 64 * 1024 * 1024, announced };
        let provider = Provider::start([flood.clone(), flood.clone(), flood]).await;
        let error = account(&provider.url).verify().await.expect_err("too long");
        assert_eq!(error.class, Class::Unavailable);
        assert!(error.message.contains("8388608 are the limit"), "{error}");
        let most = provider.requests().len() as u64 * (LIMIT + BUFFERS);
        assert!(provider.taken() <= most, "{}", provider.taken());
    }
    // One deflate block of 64 KiB of spaces, 500 times: 42 KB that become 32 MB.
    let header = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03";
    let block = unbase64(
        "7MGBAAAAAIAglf0pF6kKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
         AAAAAAAAAAAAAAAAAAAAAAAAagAAAP//",
    );
    let bomb = [header.to_vec(), block.repeat(500)].concat();
    let bomb = with(200, &[("content-encoding", "gzip")], bomb);
    let provider = Provider::start([bomb.clone(), bomb.clone(), bomb]).await;
    let error = account(&provider.url).verify().await.expect_err("too long");
    assert!(error.message.contains("8388608 are the limit"), "{error}");
}

#[tokio::test]
async fn encodings_are_understood() {
    let gzip = unbase64("H4sIAAAAAAACA6tWSkxOzi/NK1GyUqiurQUAozc2zA8AAAA=");
    let thing =
        |name: &[u8]| [b"{\"thing\": {\"id\": \"7\", \"status\": \"", name, b"\"}}"].concat();
    let utf16: Vec<u8> = "\u{feff}{\"thing\": {\"id\": \"7\", \"status\": \"é\"}}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin = "application/json; charset=iso-8859-1";
    let provider = Provider::start([
        with(200, &[("content-encoding", "gzip")], gzip),
        with(200, &[], [b"\xef\xbb\xbf".to_vec(), thing("é".as_bytes())].concat()),
        with(200, &[("content-type", latin)], thing(b"\xe9")),
        with(200, &[], utf16),
    ])
    .await;
    let account = account(&provider.url);
    account.verify().await.expect("gzip");
    for encoding in ["byte order mark", "latin 1", "UTF-16"] {
        let machine = account.read_machine("7", "").await.expect(encoding).expect(encoding);
        assert_eq!(machine.vendor_state, "é", "{encoding}");
    }
}

#[tokio::test]
async fn a_passing_failure_of_a_read_is_asked_again() {
    let bad = with(502, &[], "<html>bad gateway</html>");
    let page = with(200, &[], "<!DOCTYPE html><p>maintenance");
    let good = json(200, &json!({}));
    let metrics = Arc::new(PipelineMetrics::default());
    let provider = Provider::start([bad, page, good, Reply::Lost, Reply::Lost, Reply::Lost]).await;
    let account = counted(&provider.url, &metrics);
    account.verify().await.expect("the third time");
    let error = account.verify().await.expect_err("three times lost");
    assert_eq!((error.class, provider.requests().len()), (Class::Unavailable, 6));
    let counts: Vec<_> = (metrics.snapshot().into_iter())
        .map(|series| (series.labels.class, series.calls, series.requests))
        .collect();
    assert_eq!(counts, [("Ok", 1, 3), ("Unavailable", 1, 3)]);
}

#[tokio::test]
async fn success_of_another_shape_is_neither_absence_nor_an_empty_list() {
    let odd = json(200, &json!({"hello": "world"}));
    let provider = Provider::start([odd.clone(), odd.clone(), odd]).await;
    let account = account(&provider.url);
    let read = account.read_machine("7", "").await.expect_err("odd");
    let list = account.list_machines("m", "").await.expect_err("odd");
    let sizes = account.sizes("").await.expect_err("odd");
    assert_eq!([read.class, list.class, sizes.class], [Class::Unavailable; 3]);
    let nameless = json(200, &json!({"things": [{"status": "new"}]}));
    let provider = Provider::start([nameless]).await;
    let error = self::account(&provider.url).list_machines("m", "").await.expect_err("nameless");
    assert!(error.message.contains("a machine that cannot be read"), "{error}");
}

#[tokio::test]
async fn a_region_cannot_change_the_host() {
    let mut spec = spec();
    spec["endpoint"] = json!("https://${region}.bench.test");
    let account =
        open(spec, AccountOptions { timeout: Duration::from_secs(1), ..AccountOptions::default() });
    for region in ["evil.example/", "evil.example#", "a@evil.example", "evil.example:80", "a b", ""]
    {
        let error = account.sizes(region).await.expect_err("refused");
        assert_eq!((error.class, error.sent), (Class::Invalid, false), "{region}");
    }
}
