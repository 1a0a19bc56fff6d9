//! Every format of requests and answers, and every way to the next page, by the project's own client
//! against a simulated account.

use std::sync::Arc;

use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::contract::cloud::MachineWant;
use infrafabric_definition::Class;
use infrafabric_world::FaultSpec;
use serde_json::{Value, json};

use crate::account::{Open, open};
use crate::definitions::quay_manifest;
use crate::harness::Harness;

/// Quay with another body, and the thing that its simulator makes of it.
fn with_body(key: &str, body: Value, said: &Value) -> Value {
    let mut spec = quay_manifest()["spec"].take();
    let machine = &mut spec["objects"]["machine"];
    machine["create"].as_object_mut().expect("a map").remove("json");
    machine["create"][key] = body;
    let simulated = &mut spec["sandbox"]["objects"]["machine"];
    for field in ["rules", "unique"] {
        simulated.as_object_mut().expect("a map").remove(field);
    }
    for (field, value) in said.as_object().expect("a map") {
        simulated["item"][field] = value.clone();
    }
    spec
}

fn form(style: &str) -> Value {
    let body = json!({"name": "${want.name}", "where": {"region": "${want.region}"},
        "size": "${want.size}", "tags": "${want.marks + want.tags}"});
    let said =
        json!({"tags": "${list(req.tags)}", "region": "${req.?where.region.orValue(region)}"});
    let mut spec = with_body("form", body, &said);
    spec["formStyle"] = json!(style);
    spec
}

fn bodies() -> Vec<(&'static str, Value)> {
    let xml = json!({"box": {"@version": "1", "name": "${want.name}",
        "where": {"region": "${want.region}"}, "tag": "${want.marks + want.tags}"}});
    let file = json!({"name": "${want.name}", "region": "${want.region}",
        "tag": "${want.marks + want.tags}",
        "data": {"filename": "user \"data\"", "type": "text/plain", "content": "${want.userData}"}});
    let file_said = json!({"name": "${req.name}",
        "tags": "${list(req.tag) + [req.data.filename + ':' + req.data.content]}"});
    vec![
        ("dots", form("dots")),
        ("brackets", form("brackets")),
        ("repeated", form("repeated")),
        (
            "xml",
            with_body(
                "xml",
                xml,
                &json!({"name": "${req.box.name}", "tags": "${list(req.box.tag)}"}),
            ),
        ),
        ("multipart", with_body("multipart", file, &file_said)),
        (
            "text",
            with_body(
                "text",
                json!("${want.name} in ${want.region}: ${want.marks[0]}"),
                &json!({"name": "${req.split(' ')[0]}", "tags": "${[req.split(': ')[1]]}"}),
            ),
        ),
    ]
}

/// Quay whose things are answered in another format; lists that have none of their own stay JSON.
fn answers() -> Vec<(&'static str, Value)> {
    let flat = json!({"id": "${item.id}", "name": "${item.name}", "state": "${item.state}",
        "tags": "${item.tags}"});
    let form = |spec: &mut Value| {
        for verb in ["create", "read"] {
            spec["objects"]["machine"][verb]["answer"] = json!("form");
            spec["objects"]["machine"][verb]["item"] = json!("${body}");
            spec["sandbox"]["objects"]["machine"][verb]["body"] = flat.clone();
        }
        spec["objects"]["machine"]["as"]["marks"] = json!("${list(item.tags)}");
    };
    let list = |spec: &mut Value, format: &str, items: &str, body: &str| {
        let list = &mut spec["objects"]["machine"]["list"];
        *list = json!({"get": "/boxes?tag=${scope.mark}", "items": items, "answer": format});
        let simulated = &mut spec["sandbox"]["objects"]["machine"]["list"];
        simulated["body"] = json!(body);
        for key in ["limit", "page"] {
            simulated.as_object_mut().expect("a map").remove(key);
        }
    };
    let text = |spec: &mut Value| {
        spec["objects"]["machine"]["create"]["answer"] = json!("text");
        spec["objects"]["machine"]["create"]["item"] = json!("${{'id': body.split(' ')[1]}}");
        spec["sandbox"]["objects"]["machine"]["create"]["body"] = json!("OK ${id}");
    };
    let mut all: Vec<(&str, Value)> =
        ["form", "ndjson", "sse", "text"].map(|name| (name, quay_manifest()["spec"].take())).into();
    form(&mut all[0].1);
    list(&mut all[1].1, "ndjson", "${body}", "${items}");
    let events = "${items.map(i, {'event': 'box', 'data': i})}";
    list(&mut all[2].1, "sse", "${body.map(event, event.data)}", events);
    text(&mut all[3].1);
    all
}

/// Quay with another way to the next page.
fn pages() -> Vec<(&'static str, Value)> {
    let with = |request: &str, next: Value, page: &str, headers: Value| {
        let mut spec = quay_manifest()["spec"].take();
        let list = &mut spec["objects"]["machine"]["list"];
        *list = json!({"get": request, "items": "${body.boxes}"});
        for (key, value) in next.as_object().expect("a map") {
            list[key] = value.clone();
        }
        let simulated = &mut spec["sandbox"]["objects"]["machine"]["list"];
        simulated["page"] = json!(page);
        simulated["headers"] = headers;
        spec
    };
    let link = json!({"Link": "${'<https://api.quay.example/v9/boxes?tag=' + query.tag + '&page=' + string(next) + '>; rel=\"next\"'}"});
    let by_page = "${int(query.?page.orValue('1'))}";
    vec![
        (
            "a Link header",
            with(
                "/boxes?tag=${scope.mark}",
                json!({"next": "${link(headers.link, 'next')}"}),
                by_page,
                link,
            ),
        ),
        (
            "the number of the page",
            with(
                "/boxes?tag=${scope.mark}&page=${cursor}",
                json!({"cursor": "${size(body.boxes) == 2 ? page + 1 : null}"}),
                by_page,
                json!({}),
            ),
        ),
        (
            "an offset",
            with(
                "/boxes?tag=${scope.mark}&offset=${cursor}",
                json!({"cursor": "${count < int(headers['x-total']) ? count : null}"}),
                "${int(query.?offset.orValue('0')) / 2 + 1}",
                json!({"X-Total": "${total}"}),
            ),
        ),
    ]
}

fn want(name: &str) -> MachineWant {
    MachineWant {
        name: name.to_owned(),
        region: "north".to_owned(),
        size: "s1".to_owned(),
        size_id: None,
        image: "x".to_owned(),
        ssh_keys: Vec::new(),
        user_data: Some("#cloud-config\nüser: \"&<x>\"\n".to_owned()),
        marks: vec!["if:mark".to_owned(), "if:web".to_owned()],
        tags: Vec::new(),
        labels: std::collections::BTreeMap::new(),
    }
}

async fn start(name: &str, spec: &Value) -> (Harness, infrafabric_adapters::account::Account) {
    let spec = serde_json::from_value(spec.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let definition = Compiled::new("quay", spec).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    let definition = Arc::new(definition);
    let world = Harness::start(vec![Arc::clone(&definition)]).await;
    let account = open(&world, &definition, Some("north".to_owned()));
    (world, account)
}

#[tokio::test]
async fn a_machine_comes_and_goes_in_every_format() {
    for (name, spec) in bodies().into_iter().chain(answers()) {
        let (world, account) = start(name, &spec).await;
        let made = account.create_machine(&want("web-1"), "t1", &Open).await;
        let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
        let listed = account.list_machines("if:mark", "north").await;
        let listed = listed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(listed.len(), 1, "{name}");
        assert_eq!((&listed[0].id, listed[0].name.as_deref()), (&made.id, Some("web-1")), "{name}");
        assert!(listed[0].marks.contains(&"if:mark".to_owned()), "{name}: {listed:?}");
        let others = account.list_machines("if:other", "north").await;
        assert!(others.unwrap_or_else(|error| panic!("{name}: {error}")).is_empty(), "{name}");
        let read = account.read_machine(&made.id, "north").await.expect("reads").expect("there");
        assert_eq!(read.marks, listed[0].marks, "{name}");
        let ledger = world.ledger().await;
        assert_eq!(ledger.entries[0].token.as_deref(), Some("t1"), "{name}");
        if name == "multipart" {
            let data = "user %22data%22:#cloud-config\nüser: \"&<x>\"\n";
            assert!(read.marks.iter().any(|mark| mark == data), "{:?}", read.marks);
        }
        account.delete_machine(&made.id, "north", "t2", &Open).await.expect("deletes");
    }
}

#[tokio::test]
async fn failures_and_half_answers_are_known_in_every_format() {
    for (name, spec) in answers() {
        let (world, account) = start(name, &spec).await;
        let made = account.create_machine(&want("web-1"), "t1", &Open).await.expect("made");
        let verb = if name == "text" { "machine.create" } else { "machine.list" };
        let ask = async || match name {
            "text" => account.create_machine(&want("web-2"), "t2", &Open).await.map(drop),
            "form" => account.read_machine(&made.id, "north").await.map(drop),
            _ => account.list_machines("if:mark", "north").await.map(drop),
        };
        let verb = if name == "form" { "machine.read" } else { verb };
        let mut faults = vec![("402", Class::OutOfCredit)];
        // A form or a text does not say where it ends; the connection does.
        if matches!(name, "ndjson" | "sse") {
            faults.push(("truncated", Class::Unavailable));
        }
        for (fault, class) in faults {
            let fault = FaultSpec::new("quay", fault).on(verb);
            let set = world.client.set_fault(&fault).await.expect("set");
            let error = ask().await.expect_err("fails");
            assert_eq!(error.class, class, "{name}: {error}");
            world.client.clear_fault(set).await.expect("cleared");
        }
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_end_whatever_leads_there() {
    for (name, spec) in pages() {
        let (world, account) = start(name, &spec).await;
        for i in 0..5 {
            let (want, token) = (want(&format!("web-{i}")), format!("t{i}"));
            let made = account.create_machine(&want, &token, &Open).await;
            made.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let listed = account.list_machines("if:mark", "north").await;
        let listed = listed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(listed.len(), 5, "{name}");
        assert_eq!(world.ledger().await.requests["quay"]["machine.list"], 3, "{name}");
    }
}
