//! `ifctl provider`, as whoever writes a definition uses it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::sandbox::ifctl;

fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } =
        command.output().expect("ifctl is built beside the tests");
    let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (status.success(), said)
}

/// A small cloud's own description.
fn description() -> Value {
    let server = json!({"type": "object", "required": ["id", "label", "status"],
    "properties": {
        "id": {"type": "integer", "readOnly": true}, "label": {"type": "string"},
        "status": {"type": "string", "enum": ["provisioning", "running", "off", "rescue"]},
        "ip": {"type": "string", "nullable": true}, "tags": {"type": "array", "items": {"type": "string"}},
    }});
    let answer = |schema: Value| json!({"description": "", "content": {"application/json": {"schema": schema}}});
    let one = json!({"type": "object", "required": ["server"], "properties": {"server": {"$ref": "#/components/schemas/Server"}}});
    let many = json!({"type": "object", "required": ["servers"], "properties": {
        "servers": {"type": "array", "items": {"$ref": "#/components/schemas/Server"}}}});
    let create = json!({"type": "object", "additionalProperties": false, "required": ["label", "plan", "site"],
        "properties": {"label": {"type": "string"}, "plan": {"type": "string"}, "site": {"type": "string"},
            "image": {"type": "string"}, "user_data": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}}}});
    let id = json!([{"name": "server_id", "in": "path", "required": true, "schema": {"type": "integer"}}]);
    json!({
        "openapi": "3.0.3", "info": {"title": "Shoal"}, "externalDocs": {"url": "https://shoal.example/docs"},
        "servers": [{"url": "https://api.shoal.example/v1"}],
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Shoal-Key"}},
            "schemas": {"Server": server},
        },
        "paths": {
            "/account": {"get": {"responses": {"200": answer(json!({"type": "object"}))}}},
            "/servers": {
                "get": {
                    "parameters": [{"name": "tag", "in": "query", "schema": {"type": "string"}}],
                    "responses": {"200": answer(many)},
                },
                "post": {
                    "requestBody": {"required": true, "content": {"application/json": {"schema": create}}},
                    "responses": {"201": answer(one.clone())},
                },
            },
            "/servers/{server_id}": {
                "parameters": id,
                "get": {"responses": {"200": answer(one)}},
                "delete": {"responses": {"204": {"description": ""}}},
            },
            "/servers/{server_id}/reboot": {"parameters": id, "post": {"responses": {"202": {"description": ""}}}},
            "/plans": {"get": {"responses": {"200": answer(json!({}))}}},
        },
    })
}

/// From the description to a definition that the description has nothing against.
#[test]
fn a_definition_is_begun_from_a_description_and_held_against_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("openapi.json"), description().to_string()).expect("written");
    let begin = || {
        let mut command = ifctl();
        command.args(["provider", "new", "shoal", "--from"]).arg(at("openapi.json"));
        run(command.arg("--out").arg(at("shoal.yaml")))
    };
    let (done, said) = begin();
    assert!(done && said.contains("next: ifctl provider check"), "{said}");
    let (done, said) = begin();
    assert!(!done && said.contains("exists"), "what is there is not overwritten: {said}");
    let text = std::fs::read_to_string(at("shoal.yaml")).expect("written");
    for part in [
        "X-Shoal-Key",
        "get: /account",
        "plan: ${want.size}",
        "/servers/${id}/reboot",
        "provisioning: Creating",
        "running: Running",
        "`rescue` is Unknown",
        "catalogs.sizes is left to write: at /plans",
        "?tag=${scope.mark}",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let check = |file: &Path, more: &[&str]| {
        let mut command = ifctl();
        command.args(["provider", "check"]).arg(file);
        run(command.arg("--against").arg(at("openapi.json")).args(more))
    };
    let (done, said) = check(&at("shoal.yaml"), &[]);
    assert!(done && said.contains("6 exchanges") && said.contains(", 0 mismatches"), "{said}");

    // Each mistake is said with its place.
    for (from, to, wanted) in [
        ("plan: ${want.size}", "size: ${want.size}", "POST /servers: body as a whole:"),
        (
            "?tag=${scope.mark}",
            "?label=${scope.mark}",
            "GET /servers: query parameter `label` is not described",
        ),
        (
            "/servers/${id}/reboot",
            "/servers/${id}/restart",
            "POST /servers/1001/restart: the description has no such path",
        ),
        (
            "phase('provisioning', 'running')",
            "phase('provisional', 'gone')",
            "answer 201 at /server/status:",
        ),
        ("${1000 + seq}", "m-${seq}", "not tried:"),
        ("status: 201", "status: 200", "POST /servers: answer 200 is not described"),
    ] {
        assert!(text.contains(from), "no `{from}` in {text}");
        std::fs::write(at("wrong.yaml"), text.replace(from, to)).expect("written");
        let (done, said) = check(&at("wrong.yaml"), &[]);
        assert!(!done && said.contains(wanted), "no `{wanted}` in {said}");
    }
    let (done, said) = check(&at("wrong.yaml"), &["--except", "answer 200 is not described"]);
    assert!(done && said.contains("excepted: POST /servers"), "{said}");
    let (done, said) = run(ifctl().args(["provider", "new", "x", "--title", "X"]));
    assert!(!done && said.contains("--docs is missing"), "{said}");
    std::fs::write(at("list.json"), "[]").expect("written");
    let (done, said) = run(ifctl().args(["provider", "new", "x", "--from"]).arg(at("list.json")));
    assert!(!done && said.contains("no OpenAPI description"), "{said}");
}

#[test]
fn a_captured_delivery_is_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let definition = r#"apiVersion: infrafabric.io/v1alpha1
kind: ProviderDefinition
metadata: {name: hooked}
spec:
  extends: digitalocean
  title: Hooked
  webhook:
    secret: [signingSecret]
    text: 'v0:${headers["x-slack-request-timestamp"]}:${body}'
    signature: ${headers["x-slack-signature"].replace("v0=", "")}
    timestamp: ${headers["x-slack-request-timestamp"]}
"#;
    std::fs::write(at("hooked.yaml"), definition).expect("written");
    std::fs::write(at("body"), "payload=1").expect("written");
    std::fs::write(at("secret"), "8f742231b10e8888abcd99yyyzzz85a5\n").expect("written");
    let judge = |timestamp: &str, time: &str| {
        // `printf v0:1531420618:payload=1 | openssl dgst -sha256 -hmac 8f742231b10e8888abcd99yyyzzz85a5`
        let signature = "x-slack-signature: v0=ad246e11804f07c308f23ed700d3c67fb1169096e2833a30cafbc2f01bbaf6f9";
        let timestamp = format!("X-Slack-Request-Timestamp: {timestamp}");
        let mut command = ifctl();
        command.args(["provider", "webhook"]).arg(at("hooked.yaml"));
        command.arg("--body").arg(at("body"));
        command.args(["--header", signature, "--header", &timestamp]);
        command.args(["--at", time, "--secret"]);
        run(command.arg(format!("signingSecret={}", at("secret").display())))
    };
    let (done, said) = judge("1531420618", "2018-07-12T18:37:00Z");
    assert!(done && said.contains("genuine: event, signed 2 s before"), "{said}");
    let (done, said) = judge("1531420618", "2018-07-12T19:37:00Z");
    assert!(!done && said.contains("sent again, or a clock is wrong"), "{said}");
    let (done, said) = judge("1531420619", "2018-07-12T18:37:00Z");
    assert!(!done && said.contains("the signature is wrong") && !said.contains("8f74"), "{said}");
}
