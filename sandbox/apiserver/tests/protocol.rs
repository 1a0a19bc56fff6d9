//! The protocol itself: pages, versions, forms, refusals, as other clients depend on them.

mod harness;

use embedded_kube_api::{Options, Server};
use harness::{refusal, widget, with_widgets};
use http::Request;
use kube::Client;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

struct Http(Client);

impl Http {
    async fn text(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> kube::Result<String> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.as_bytes().to_vec()).expect("a request");
        self.0.request_text(request).await
    }

    async fn get(&self, path: &str) -> Value {
        let text = self.text("GET", path, &[], "").await.expect("an answer");
        serde_json::from_str(&text).expect("JSON")
    }

    async fn get_as(&self, path: &str, accept: &str) -> Value {
        let text = self.text("GET", path, &[("accept", accept)], "").await.expect("an answer");
        serde_json::from_str(&text).expect("JSON")
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let text = self
            .text("POST", path, &[("content-type", "application/json")], &body.to_string())
            .await
            .expect("an answer");
        serde_json::from_str(&text).expect("JSON")
    }

    async fn map(&self, name: &str, labels: Value) -> u64 {
        let body = json!({"metadata": {"name": name, "labels": labels}});
        revision(&self.post(MAPS, body).await)
    }

    async fn watch(&self, path: &str) -> Vec<Value> {
        let text = self.text("GET", path, &[], "").await.expect("an answer");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a version")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect()
}

fn told(events: &[Value]) -> Vec<(&str, &str)> {
    events
        .iter()
        .map(|event| {
            let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
            (event["type"].as_str().unwrap_or_default(), name)
        })
        .collect()
}

#[tokio::test]
async fn pages_show_one_moment_and_exact_lists_another() {
    let (server, client) = harness::server().await;
    let http = Http(client);
    for name in ["a", "b", "c"] {
        http.map(name, json!({})).await;
    }
    let first = http.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    http.map("bb", json!({})).await;
    let rest = http.get(&format!("{MAPS}?limit=5&continue={token}")).await;
    assert_eq!(names(&rest), ["c", "kube-root-ca.crt"], "the page is of the first moment");
    let then = revision(&first);
    let exact =
        http.get(&format!("{MAPS}?resourceVersion={then}&resourceVersionMatch=Exact")).await;
    assert_eq!(names(&exact).len(), 4);
    assert_eq!(names(&http.get(&format!("{MAPS}?limit=1&resourceVersion=0")).await).len(), 5);
    server.shutdown().await;
}

#[tokio::test]
async fn watches_continue_from_a_version_and_respect_selectors() {
    let (server, client) = harness::server().await;
    let http = Http(client);
    let start = http.map("a", json!({"app": "web"})).await;
    http.map("b", json!({})).await;
    let patch = |labels: Value| json!({"metadata": {"labels": labels}}).to_string();
    let merge = [("content-type", "application/merge-patch+json")];
    http.text("PATCH", &format!("{MAPS}/a"), &merge, &patch(json!({"app": null}))).await.unwrap();
    http.text("PATCH", &format!("{MAPS}/b"), &merge, &patch(json!({"app": "web"}))).await.unwrap();
    let follow = format!("{MAPS}?watch=true&timeoutSeconds=1&resourceVersion={start}");
    let all = http.watch(&follow).await;
    assert_eq!(told(&all), [("ADDED", "b"), ("MODIFIED", "a"), ("MODIFIED", "b")]);
    let chosen = http.watch(&format!("{follow}&labelSelector=app%3Dweb")).await;
    assert_eq!(told(&chosen), [("DELETED", "a"), ("ADDED", "b")]);
    assert_eq!(chosen[0]["object"]["metadata"]["labels"]["app"], "web", "the old object");
    assert_eq!(revision(&chosen[0]["object"]), revision(&all[1]["object"]), "the new version");

    let stream = format!(
        "{MAPS}?watch=true&timeoutSeconds=1&sendInitialEvents=true\
         &resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let events = http.watch(&stream).await;
    let kinds: Vec<&str> = told(&events).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["ADDED", "ADDED", "ADDED", "BOOKMARK", "BOOKMARK"]);
    let end = &events[3]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"];
    assert_eq!(end, "true");
    let bare = format!("{MAPS}?watch=true&sendInitialEvents=true");
    assert_eq!(refusal(http.text("GET", &bare, &[], "").await).0, 422);
    server.shutdown().await;
}

#[tokio::test]
async fn a_version_beyond_the_history_is_gone() {
    let options = Options { history: 3, ..Options::default() };
    let (server, client) = harness::server_with(options).await;
    let http = Http(client);
    for name in ["a", "b", "c", "d", "e"] {
        http.map(name, json!({})).await;
    }
    let events = http.watch(&format!("{MAPS}?watch=true&resourceVersion=2")).await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["type"], &events[0]["object"]["code"]), (&json!("ERROR"), &json!(410)));
    let old = format!("{MAPS}?resourceVersion=2&resourceVersionMatch=Exact");
    let refused = refusal(http.text("GET", &old, &[], "").await);
    assert_eq!((refused.0, refused.1.as_str()), (410, "Expired"));
    server.shutdown().await;
}

#[tokio::test]
async fn tables_and_metadata_are_forms_of_lists_and_watches() {
    let (server, client, widgets) = with_widgets().await;
    let http = Http(client);
    widgets.create(&PostParams::default(), &widget("a", json!({"size": 3}))).await.unwrap();
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = http.get_as(&format!("{WIDGETS}?includeObject=Object"), accept).await;
    assert_eq!(table["kind"], "Table");
    let columns = table["columnDefinitions"].as_array().unwrap();
    let columns: Vec<&str> = columns.iter().filter_map(|column| column["name"].as_str()).collect();
    assert_eq!(columns, ["Name", "Size", "Ready", "Age"]);
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["cells"][1], 3);
    assert_eq!(table["rows"][0]["cells"][2], Value::Null);
    assert_eq!(table["rows"][0]["object"]["spec"]["size"], 3);
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let partial = http.get_as(WIDGETS, accept).await;
    assert_eq!(partial["kind"], "PartialObjectMetadataList");
    assert_eq!(partial["items"][0].get("spec"), None);
    let only_protobuf = [("accept", "application/vnd.kubernetes.protobuf")];
    assert_eq!(refusal(http.text("GET", WIDGETS, &only_protobuf, "").await).0, 406);
    server.shutdown().await;
}

#[tokio::test]
async fn unknown_and_double_fields_warn_or_refuse() {
    let (server, client, _) = with_widgets().await;
    let body = r#"{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"},
        "spec": {"size": 1, "size": 2, "sise": 3}}"#;
    let send = |path: String| {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(kube::client::Body::from(body.as_bytes().to_vec()))
            .expect("a request");
        client.send(request)
    };
    let warned = send(format!("{WIDGETS}?dryRun=All")).await.unwrap();
    assert_eq!(warned.status(), 201);
    let warnings: Vec<_> = warned.headers().get_all("warning").iter().collect();
    assert_eq!(warnings.len(), 2);
    assert_eq!(warnings[1], r#"299 - "unknown field \"spec.sise\"""#);
    let ignored = send(format!("{WIDGETS}?dryRun=All&fieldValidation=Ignore")).await.unwrap();
    assert_eq!(ignored.headers().get("warning"), None);
    let http = Http(client.clone());
    let strict = http
        .text(
            "POST",
            &format!("{WIDGETS}?fieldValidation=Strict"),
            &[("content-type", "application/json")],
            body,
        )
        .await;
    let (code, reason, message) = refusal(strict);
    assert_eq!((code, reason.as_str()), (400, "BadRequest"));
    assert_eq!(
        message,
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: duplicate \
         field \"spec.size\", unknown field \"spec.sise\""
    );
    assert!(names(&http.get(WIDGETS).await).is_empty(), "a dry run stores nothing");
    server.shutdown().await;
}

#[tokio::test]
async fn strangers_are_refused_and_giants_too() {
    let server = Server::start(Options::default()).await.unwrap();
    let mut config = kube::Config::new(server.url().parse().unwrap());
    let der = server.ca_pem().lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, der).unwrap();
    config.root_cert = Some(vec![der]);
    let anonymous = Http(Client::try_from(config.clone()).unwrap());
    assert_eq!(refusal(anonymous.text("GET", MAPS, &[], "").await).0, 403);
    assert_eq!(anonymous.text("GET", "/readyz", &[], "").await.unwrap(), "ok");
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(refusal(anonymous.text("GET", MAPS, &wrong, "").await).0, 401);
    let token = format!("Bearer {}", server.token());
    let known = [("authorization", token.as_str()), ("content-type", "application/json")];
    let giant = json!({"metadata": {"name": "a"}, "data": {"a": "x".repeat(3 * 1024 * 1024)}});
    let refused = anonymous.text("POST", MAPS, &known, &giant.to_string()).await;
    assert_eq!(refusal(refused).0, 413);
    let bomb = "[".repeat(100_000);
    assert_eq!(refusal(anonymous.text("POST", MAPS, &known, &bomb).await).0, 400);
    server.shutdown().await;
}

#[tokio::test]
async fn bad_definitions_are_refused_by_field() {
    let (server, client) = harness::server().await;
    let definitions = kube::Api::<DynamicObject>::all_with(client, &harness::definition_resource());
    let good: Value = serde_saphyr::from_str(harness::WIDGETS).unwrap();
    for (pointer, value, field) in [
        ("/metadata/name", json!("other.example.com"), "metadata.name"),
        ("/spec/scope", json!("Everywhere"), "spec.scope"),
        ("/spec/versions/0/storage", json!(false), "spec.versions"),
        (
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/type",
            json!("int"),
            "spec.validation.openAPIV3Schema.properties[spec].properties[size].type",
        ),
        (
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/limit/default",
            json!("ten"),
            "spec.validation.openAPIV3Schema.properties[spec].properties[limit].default",
        ),
        (
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations/0/rule",
            json!("self.size =="),
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule",
        ),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("a field") = value;
        let object: DynamicObject = serde_json::from_value(bad).unwrap();
        match definitions.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) => {
                assert_eq!(status.code, 422);
                let causes = status.details.clone().unwrap().causes;
                assert!(causes.iter().any(|cause| cause.field == field), "{field}: {causes:?}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    server.shutdown().await;
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let (server, client) = harness::server().await;
    let http = Http(client);
    http.map("a", json!({"app": "web"})).await;
    http.map("b", json!({})).await;
    http.text("DELETE", &format!("{MAPS}?labelSelector=app%3Dweb"), &[], "").await.unwrap();
    assert_eq!(names(&http.get(MAPS).await), ["b", "kube-root-ca.crt"]);
    let other = json!({"preconditions": {"uid": "other"}}).to_string();
    let json_body = [("content-type", "application/json")];
    let refused = http.text("DELETE", &format!("{MAPS}/b"), &json_body, &other).await;
    assert_eq!(refusal(refused).0, 409);
    server.shutdown().await;
}
