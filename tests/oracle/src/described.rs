//! `ifctl provider check --against`: what the vendors' descriptions say where Prism cannot be asked, since
//! several hosts are described in several files, or Prism cannot read the description.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cache::checkout;
use crate::error::{Error, at};
use crate::process::run;
use crate::report::Report;
use crate::tools;

const LIMIT: Duration = Duration::from_mins(2);

/// A definition, its descriptions, and what of them is known to be wrong, with the reason.
struct Described {
    file: &'static str,
    descriptions: &'static [&'static str],
    except: &'static [(&'static str, &'static str)],
}

const ALL: [Described; 4] = [
    Described {
        file: "sip/twilio.yaml",
        descriptions: &[
            "sip/twilio_api_v2010.json",
            "sip/twilio_trunking_v1.json",
            "sip/twilio_pricing_v2.json",
        ],
        except: &[(
            "/RegulatoryCompliance/Bundles: the description has no such path",
            "the description of regulatory papers is not among those here",
        )],
    },
    Described {
        file: "chat/whatsapp-cloud.yaml",
        descriptions: &["chat/meta-business-messaging-v23.0.yaml"],
        except: &[(
            "messages: body as a whole",
            "each kind of message forbids the properties that all kinds share, so that none is valid",
        )],
    },
    // Prism takes any body there: it cannot read these schemas, and says nothing of it.
    Described { file: "ai/qdrant.yaml", descriptions: &["ai/qdrant-openapi.json"], except: &[] },
    Described {
        file: "payments/stripe.yaml",
        descriptions: &["payments/stripe-spec3-2023-09-12.yaml"],
        except: &[],
    },
];

/// Asks about each.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    let descriptions = tools::descriptions()?;
    let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
    for described in &ALL {
        let files = described.descriptions.iter().map(|file| descriptions.join(file));
        check(report, described.file, &files.collect::<Vec<_>>(), described.except)?;
    }
    let file = descriptions.join("chat/telegram-bot-api.json");
    let text = fs::read_to_string(&file).map_err(at(&file))?;
    let methods: Value = serde_json::from_str(&text).map_err(|error| at(&file)(error.into()))?;
    let openapi = temporary.path().join("telegram.json");
    fs::write(&openapi, telegram(&methods).to_string()).map_err(at(&openapi))?;
    check(report, "chat/telegram.yaml", &[openapi], &[])
}

fn check(
    report: &mut Report,
    file: &str,
    descriptions: &[std::path::PathBuf],
    except: &[(&str, &str)],
) -> Result<(), Error> {
    let checked = || {
        let mut command = Command::new(tools::built("ifctl")?);
        command.args(["provider", "check"]).arg(checkout().join("adapters/providers").join(file));
        for description in descriptions {
            command.arg("--against").arg(description);
        }
        for (text, _) in except {
            command.args(["--except", text]);
        }
        run(&mut command, LIMIT)
    };
    let said = checked()?;
    report.check(&format!("{file}: as the vendor describes it"), said.success, &said.all);
    for (text, because) in except {
        let occurs = said.all.contains("excepted:");
        let what = format!("{file}: not taken: {text} ({because})");
        report.check(&what, occurs, "it did not occur: remove it from the table");
    }
    Ok(())
}

/// The Bot API's list of methods and types as OpenAPI.
fn telegram(api: &Value) -> Value {
    let mut paths = Map::new();
    for (name, method) in api["methods"].as_object().into_iter().flatten() {
        let body = object(&method["fields"], false);
        let result = any(&method["returns"]);
        let answer = json!({"type": "object", "required": ["ok", "result"],
            "properties": {"ok": {"type": "boolean"}, "result": result}});
        let responses = json!({"200": {"description": "", "content": {"application/json": {"schema": answer}}}});
        let content = json!({"application/json": {"schema": body}, "multipart/form-data": {"schema": {"type": "object"}}});
        let operation = json!({"requestBody": {"content": content}, "responses": responses});
        let token = json!([{"name": "token", "in": "path", "required": true, "schema": {"type": "string"}}]);
        paths.insert(
            format!("/bot{{token}}/{name}"),
            json!({"parameters": token, "get": {"responses": operation["responses"]}, "post": operation}),
        );
    }
    let mut schemas = Map::new();
    for (name, kind) in api["types"].as_object().into_iter().flatten() {
        let schema = match kind["subtypes"].as_array() {
            Some(_) => any(&kind["subtypes"]),
            None => object(&kind["fields"], true),
        };
        schemas.insert(name.clone(), schema);
    }
    json!({"openapi": "3.0.3", "info": {"title": "Bot API", "version": api["version"]},
           "servers": [{"url": "https://api.telegram.org"}],
           "paths": paths, "components": {"schemas": schemas}})
}

/// Fields as an object; what a request has beside them is a mistake.
fn object(fields: &Value, open: bool) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields.as_array().into_iter().flatten() {
        let name = field["name"].as_str().unwrap_or_default();
        properties.insert(name.to_owned(), any(&field["types"]));
        if field["required"] == true {
            required.push(name);
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !open {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn any(kinds: &Value) -> Value {
    let one = |kind: &Value| kind_of(kind.as_str().unwrap_or_default());
    let all: Vec<Value> = kinds.as_array().into_iter().flatten().map(one).collect();
    match all.as_slice() {
        [only] => only.clone(),
        _ => json!({"anyOf": all}),
    }
}

fn kind_of(kind: &str) -> Value {
    if let Some(element) = kind.strip_prefix("Array of ") {
        return json!({"type": "array", "items": kind_of(element)});
    }
    match kind {
        "Integer" => json!({"type": "integer"}),
        "Float" => json!({"type": "number"}),
        "String" => json!({"type": "string"}),
        "Boolean" => json!({"type": "boolean"}),
        "InputFile" => json!({"type": "string"}),
        named => json!({"$ref": format!("#/components/schemas/{named}")}),
    }
}
