//! The Query API: a form goes out, signed, and XML comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::clock::SetClock;
use infrafabric_definition::Class;
use serde_json::{Value as Json, json};

use crate::definitions::{Ledger, at, open, want};
use crate::hostile::{Provider, Reply, with};

fn spec() -> Json {
    json!({
        "title": "Query", "domain": "cloud", "docs": "https://q.test", "checked": "2026-11-22",
        "endpoint": "https://ec2.${region}.q.test", "answer": "xml",
        "endpoints": {"names": {"url": "https://sts.${region}.q.test", "service": "sts"}},
        "auth": {"scheme": "aws-sigv4", "secret": ["id", "key"], "service": "ec2"},
        "errors": [{"when": "body.Response.Errors.Error.Code == 'Gone'", "class": "NotFound"}],
        "verify": {"post": "/", "endpoint": "names", "form": {"Action": "GetCallerIdentity"}},
        "objects": {"machine": {
            "identity": {"find": "tag", "lag": "1s", "key": true},
            "scope": "region",
            "create": {"post": "/", "form": {"Action": "RunInstances", "ClientToken": "${token}",
                "Tag": "${want.marks.map(m, {'Key': 'mark', 'Value': m})}"},
                "item": "${list(body.Run.set.item)[0]}"},
            "list": {"post": "/", "form": {"Action": "Describe", "Mark": "${scope.mark}", "NextToken": "${cursor}"},
                "items": "${list(body.Describe.set.item)}", "cursor": "${body.Describe.nextToken}"},
            "read": {"post": "/", "form": {"Action": "Describe", "Id": "${id}"},
                "item": "${list(body.Describe.set.item)[0]}"},
            "delete": {"post": "/", "form": {"Action": "Terminate", "Id": "${id}"}},
            "as": {"id": "${item.id}", "state": {"of": "${item.state}", "16": "Running"},
                "marks": "${list(item.tags.item)}"},
        }},
    })
}

fn account(url: &str, clock: &Arc<SetClock>) -> Account {
    let secrets = BTreeMap::from([
        ("id".to_owned(), "AKIDEXAMPLE".into()),
        ("key".to_owned(), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
    ]);
    let region = Some("r-1".to_owned());
    let clock = Arc::<SetClock>::clone(clock);
    open(spec(), AccountOptions { secrets, region, clock, ..at(url) })
}

fn clock() -> Arc<SetClock> {
    Arc::new(SetClock::at("2026-11-22T21:30:00Z".parse().expect("a time")))
}

fn xml(status: u16, body: &str) -> Reply {
    with(status, &[("content-type", "text/xml;charset=UTF-8")], body)
}

#[tokio::test]
async fn machines_are_made_and_found_by_forms_and_xml() {
    let made =
        "<Run xmlns='http://q.test/'><set><item><id>i-1</id><state>0</state></item></set></Run>";
    let one = "<Describe><set><item><id>i-1</id><state>16</state></item></set><nextToken>n</nextToken></Describe>";
    let two = "<Describe><set><item><id>i-2</id></item><item><id>i-3</id></item></set><nextToken/></Describe>";
    let gone = "<Response><Errors><Error><Code>Gone</Code><Message>m</Message></Error></Errors></Response>";
    let replies =
        [(200, made), (200, one), (200, two), (200, "<Describe><set/></Describe>"), (400, gone)];
    let provider = Provider::start(replies.map(|(status, body)| xml(status, body))).await;
    let account = account(&provider.url, &clock());
    let machine = account.create_machine(&want(), "t-1", &Ledger::default()).await.expect("made");
    assert_eq!(machine.id, "i-1");
    let listed = account.list_machines("m", "r-1").await.expect("listed");
    assert_eq!(listed.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["i-1", "i-2", "i-3"]);
    assert_eq!(listed[0].region.as_deref(), Some("r-1"), "the region of the list");
    assert!(account.list_machines("m", "r-1").await.expect("listed").is_empty());
    assert!(account.read_machine("i-9", "r-1").await.expect("read").is_none());
    let requests = provider.requests();
    assert_eq!(
        requests[0].body,
        "Action=RunInstances&ClientToken=t-1&Tag.1.Key=mark&Tag.1.Value=m"
    );
    assert_eq!(requests[1].body, "Action=Describe&Mark=m");
    assert_eq!(requests[2].body, "Action=Describe&Mark=m&NextToken=n");
    let signed = requests[0].header("authorization").expect("signed");
    assert!(signed.contains("Credential=AKIDEXAMPLE/20261122/fra/ec2/aws4_request"), "{signed}");
}

#[tokio::test]
async fn another_answer_is_no_empty_list() {
    let odd = xml(200, "<Other><set/></Other>");
    let bomb = xml(200, "<!DOCTYPE x [<!ENTITY a 'b'>]><Describe><set/></Describe>");
    let provider = Provider::start([odd, bomb.clone(), bomb.clone(), bomb]).await;
    let account = account(&provider.url, &clock());
    for _ in 0..2 {
        let error = account.list_machines("m", "r-1").await.expect_err("odd");
        assert_eq!(error.class, Class::Unavailable);
    }
}

#[tokio::test]
async fn an_endpoint_has_its_own_service_and_the_clock_is_learnt() {
    let clock = clock();
    let ours: DateTime<Utc> = "2026-11-22T21:30:00Z".parse().expect("a time");
    let theirs = (ours + TimeDelta::hours(1)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let skewed = with(403, &[("date", &theirs)], "<R><E>RequestExpired</E></R>");
    let provider = Provider::start([skewed, xml(200, "<R><ok/></R>")]).await;
    let account = account(&provider.url, &clock);
    assert_eq!(account.verify().await.expect_err("expired").class, Class::Auth);
    account.verify().await.expect("verified");
    let requests = provider.requests();
    let times: Vec<_> = requests.iter().map(|r| r.header("x-amz-date")).collect();
    assert_eq!(times, [Some("20261122T213000Z"), Some("20261122T223000Z")]);
    let signed = requests[0].header("authorization").expect("signed");
    assert!(signed.contains("/r-1/sts/aws4_request"), "{signed}");
}
