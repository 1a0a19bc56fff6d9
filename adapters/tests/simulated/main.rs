//! Every definition reads its own simulated provider: what it sends fulfils the provider's rules,
//! and what comes back gives the contract's outputs.

mod case;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use infrafabric_adapters::compile::{BodyTemplate, Template, Vars, plain};
use infrafabric_adapters::contract::{self, Field, Kind};
use infrafabric_definition::{AnswerFormat, Class, Method};
use serde_json::{Value as Json, json};

use case::{Case, MARK, answer, body, definitions, evaluate, over_xml, render, state};

fn fits(kind: Kind, value: &Json) -> bool {
    match kind {
        Kind::Text | Kind::Phone | Kind::Currency | Kind::Interval => {
            value.as_str().is_some_and(|text| !text.is_empty())
        }
        Kind::Int | Kind::Amount => value.is_u64(),
        Kind::Decimal => {
            let text = value.as_str().map(str::parse::<rust_decimal::Decimal>);
            value.is_number() || text.is_some_and(|number| number.is_ok())
        }
        Kind::Bool => value.is_boolean(),
        Kind::Texts => value.as_array().is_some_and(|items| items.iter().all(Json::is_string)),
        Kind::Numbers | Kind::Vectors => value.is_array(),
        Kind::Labels | Kind::State => value.is_object(),
        Kind::Maps(_) => value.as_array().is_some_and(|items| items.iter().all(Json::is_object)),
        Kind::Addresses => value.as_array().is_some_and(|items| {
            let address = |item: &Json| {
                let ip = item["ip"].as_str().and_then(|ip| ip.parse::<std::net::IpAddr>().ok());
                ip.is_some_and(|ip| !ip.is_unspecified()) && item["public"].is_boolean()
            };
            items.iter().all(address)
        }),
    }
}

fn check(name: &str, fields: &[Field], given: &Json) {
    for field in fields {
        match given.get(field.name) {
            Some(value) => assert!(fits(field.kind, value), "{name}: {} is {value}", field.name),
            None => assert!(!field.required, "{name}: no {} in {given}", field.name),
        }
    }
}

#[test]
fn catalogs_give_every_column_with_its_type() {
    for definition in definitions() {
        let contract = contract::of(definition.spec().domain);
        let case = Case::new(definition);
        let given = |name: &str| case.definition.catalogs.contains_key(name);
        // Prices come with the sizes, or apart, or not at all.
        for catalog in
            contract.catalogs.iter().filter(|one| one.name != "prices" || given("prices"))
        {
            let rows = case.rows(catalog.name);
            let name = format!("{} {}", case.definition.name(), catalog.name);
            assert!(rows.len() > 1, "{name}: {} rows", rows.len());
            for row in &rows {
                check(&name, catalog.columns, row);
            }
            for column in case.definition.catalogs[catalog.name].columns.keys() {
                let given = rows.iter().any(|row| row.get(column).is_some());
                assert!(given, "{name}: no row gives {column}");
            }
        }
    }
}

#[test]
fn what_is_wanted_fulfils_the_rules() {
    for case in definitions().into_iter().map(Case::new) {
        let vars = case.request("create");
        for rule in &case.sandbox().objects["machine"].rules {
            let held = evaluate(&rule.must, &vars);
            assert_eq!(held, Some(json!(true)), "{}: {}", case.definition.name(), rule.message);
        }
    }
}

#[test]
fn a_public_key_reaches_every_provider() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample ops@example.com";
    for mut case in definitions().into_iter().map(Case::new) {
        let boot = format!("#cloud-config\nssh_authorized_keys: [\"{KEY}\"]\n");
        let encoded = STANDARD.encode(&boot);
        case.want["sshKeys"] = json!([KEY]);
        case.want["bootData"] = json!(boot);
        let mut request = Vec::new();
        texts_of(&evaluate_root(&case.request("create"), "req"), &mut request);
        let carried = request.iter().any(|text| text.contains(KEY) || *text == encoded);
        assert!(carried, "{}: {request:?}", case.definition.name());
    }
}

/// Every text in a value.
fn texts_of(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::String(text) => texts.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Json::Object(map) => map.values().for_each(|item| texts_of(item, texts)),
        _ => {}
    }
}

fn evaluate_root(vars: &Vars, name: &str) -> Json {
    let template = Template::compile(&format!("${{{name}}}")).expect("compiles");
    evaluate(&template, vars).expect("there is one")
}

#[test]
fn a_creation_and_a_read_give_every_output_with_its_type() {
    for case in definitions().into_iter().map(Case::new) {
        let name = case.definition.name();
        let object = &case.sandbox().objects["machine"];
        let contract = contract::of(case.definition.spec().domain).objects[0];
        for (verb, reply, age, expected) in [
            ("create", &object.create, 0, "Creating"),
            ("read", &object.read, 0, "Creating"),
            ("read", &object.read, 1, "Running"),
        ] {
            let operation = case.operation(verb);
            let thing = case.thing(age, false);
            let body = body(reply, operation.answer, &thing);
            let outputs = case.outputs(verb, &body, &thing);
            check(name, contract.outputs, &outputs);
            assert_eq!(state(&outputs), expected, "{name} {verb}: {outputs}");
            let given = &case.definition.objects["machine"].outputs;
            // An answer that says only that the work began shows no machine.
            if operation.wait.is_some() {
                continue;
            }
            for key in ["name", "size", "region", "image"]
                .into_iter()
                .filter(|key| given.contains_key(*key))
            {
                assert_eq!(outputs[key], case.want[key], "{name} {verb}");
            }
            for mark in [MARK, "if:web-1", "team-a"].iter().filter(|_| case.has_marks()) {
                let marks = outputs["marks"].as_array().expect("marks");
                let carried =
                    |given: &Json| given.as_str().is_some_and(|given| given.ends_with(mark));
                assert!(marks.iter().any(carried), "{name} {verb}: {marks:?}");
            }
            let missing: Vec<&String> =
                given.keys().filter(|key| outputs.get(key).is_none()).collect();
            assert!(missing.is_empty(), "{name} {verb}: no {missing:?}");
            let addresses = outputs["addresses"].as_array().expect("addresses");
            assert!(age == 0 || addresses[0]["public"] == true, "{name}: {addresses:?}");
        }
    }
}

#[test]
fn a_list_gives_what_carries_the_mark() {
    for case in definitions().into_iter().map(Case::new) {
        let (name, object) = (case.definition.name(), &case.sandbox().objects["machine"]);
        let operation = case.operation("list");
        let item = render(&object.item, &case.thing(1, false)).expect("an item");
        let mut foreign =
            Case::new(definitions().into_iter().find(|d| d.name() == name).expect("one"));
        foreign.want["marks"] = json!(["if:other"]);
        let foreign = render(&object.item, &foreign.thing(1, false)).expect("an item");
        if case.has_marks() {
            let filter = object.list.filter.as_ref().expect("a filter");
            // By the provider, or by us where its list knows no marks.
            let listed = |item: &Json| {
                let there = evaluate(filter, case.request("list").set("item", item));
                let mut vars = case.request("list");
                vars.set("items", &json!([item])).set("total", &json!(1));
                vars.set("page", &json!(1)).set("pages", &json!(1));
                let body = body(&object.list.answer, operation.answer, &vars);
                let found = evaluate(operation.items.as_ref().expect("items"), &answer(&body));
                there == Some(json!(true)) && found.is_some_and(|found| found != json!([]))
            };
            assert!(listed(&item), "{name}");
            assert!(!listed(&foreign), "{name}");
        }
        for count in [0, 1, 2] {
            let items = vec![item.clone(); count];
            let mut vars = case.request("list");
            vars.set("items", &json!(items)).set("total", &json!(count));
            vars.set("page", &json!(1)).set("pages", &json!(1));
            let body = body(&object.list.answer, operation.answer, &vars);
            let found = evaluate(operation.items.as_ref().expect("items"), &answer(&body));
            // An empty XML list is absent to expressions; the pipeline knows it by the root.
            let found = match (found, operation.answer) {
                (None, AnswerFormat::Xml) => json!([]),
                (found, _) => found.unwrap_or_else(|| panic!("{name}: no items in {body}")),
            };
            let ids: Vec<Json> = found
                .as_array()
                .expect("a list")
                .iter()
                .map(|item| case.read(item)["id"].clone())
                .collect();
            assert_eq!(ids.len(), count, "{name}: {body}");
            assert!(ids.iter().all(|id| id.as_str().is_some_and(|id| !id.is_empty())), "{name}");
            let last = [&operation.next, &operation.cursor].into_iter().flatten();
            for template in last {
                let next = evaluate(template, &answer(&body));
                assert!(next.is_none() || next == Some(json!("")), "{name}: {next:?}");
            }
        }
    }
}

#[test]
fn a_list_of_two_pages_leads_to_the_second() {
    for case in definitions().into_iter().map(Case::new) {
        let (name, object) = (case.definition.name(), &case.sandbox().objects["machine"]);
        let operation = case.operation("list");
        let item = render(&object.item, &case.thing(1, false)).expect("an item");
        let mut vars = case.request("list");
        vars.set("items", &json!([item])).set("total", &json!(2)).set("next", &json!(2));
        vars.set("page", &json!(1)).set("pages", &json!(2));
        let body = body(&object.list.answer, operation.answer, &vars);
        // Some show everything at once.
        let Some(next) = operation.next.as_ref().or(operation.cursor.as_ref()) else { continue };
        let headers = object.list.answer.headers.iter();
        let headers: serde_json::Map<String, Json> = headers
            .filter_map(|(key, value)| Some((key.clone(), evaluate(value, &vars)?)))
            .collect();
        let mut vars = answer(&body);
        vars.set("headers", &Json::Object(headers));
        let next = evaluate(next, &vars).unwrap_or_else(|| panic!("{name}: no next"));
        let next = plain(&next);
        assert!(
            next == "2"
                || next.contains("page=2") && next.contains("tag_name=")
                || next.contains("skiptoken=2") && next.contains("statusOnly="),
            "{name}: {next}"
        );
    }
}

#[test]
fn a_deleted_machine_that_lingers_is_gone_at_last() {
    let lingering = definitions().into_iter().map(Case::new);
    let lingering: Vec<Case> =
        lingering.filter(|case| case.sandbox().objects["machine"].lingers).collect();
    assert!(!lingering.is_empty());
    for case in lingering {
        let read = |age| {
            case.read(&over_xml(
                &render(&case.sandbox().objects["machine"].item, &case.thing(age, true))
                    .expect("an item"),
            ))
        };
        assert_eq!(state(&read(0)), "Deleting");
        assert_eq!(state(&read(1)), "Gone");
    }
}

#[test]
fn simulated_failures_have_their_class() {
    for case in definitions().into_iter().map(Case::new) {
        let definition = &case.definition;
        for (class, failure) in &case.sandbox().failures {
            let mut vars = Vars::default();
            vars.set(
                "error",
                &json!({
                    "status": failure.status, "code": failure.code.0, "message": failure.message.0
                }),
            );
            let body = body(&case.sandbox().error, definition.spec().answer, &vars);
            let mut vars = answer(&body);
            vars.set("status", &json!(failure.status));
            let rule = definition.errors.iter().find(|rule| {
                rule.status.is_none_or(|status| status == failure.status)
                    && rule
                        .when
                        .as_ref()
                        .is_none_or(|when| evaluate(when, &vars) == Some(json!(true)))
            });
            // Without a rule the shared status table decides.
            let found = rule.map(|rule| rule.class).or(match failure.status {
                400 | 422 => Some(Class::Invalid),
                401 | 403 => Some(Class::Auth),
                402 => Some(Class::OutOfCredit),
                404 => Some(Class::NotFound),
                409 => Some(Class::Conflict),
                429 => Some(Class::RateLimited),
                503 => Some(Class::Unavailable),
                _ => None,
            });
            assert_eq!(found, Some(*class), "{}: {body}", definition.name());
        }
    }
}

#[test]
fn a_delete_names_the_thing() {
    for case in definitions().into_iter().map(Case::new) {
        let operation = case.operation("delete");
        let vars = case.request("delete");
        let mut seen = operation.path.text.contains("${id}");
        if let BodyTemplate::Form(tree) = &operation.body {
            tree.templates("", &mut |_, template| {
                seen |= template.expressions().any(|e| e.source() == "id");
            });
        }
        drop(vars);
        assert!(seen && matches!(operation.method, Method::Delete | Method::Post));
    }
}
