//! A vendor's description, read for what a definition needs.

use std::error::Error;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::Beginning;
use crate::provider::openapi;

/// An OpenAPI 3 or Swagger 2 document.
pub(super) struct Model {
    document: Json,
}

/// How deep references and compositions are followed.
const DEEPEST: usize = 8;

impl Model {
    pub(super) fn read(file: &Path) -> Result<Self, Box<dyn Error>> {
        let document = openapi(file)?;
        Ok(Self { document })
    }

    /// Who and where it is, as far as it says.
    pub(super) fn beginning(&self) -> Beginning {
        let text = |pointer: &str| {
            self.document.pointer(pointer).and_then(Json::as_str).map(ToOwned::to_owned)
        };
        let https = |url: &String| url.starts_with("https://");
        let swagger = text("/host")
            .map(|host| format!("https://{host}{}", text("/basePath").unwrap_or_default()));
        let endpoint = text("/servers/0/url").map(|url| self.variables(url)).or(swagger);
        let docs = ["/externalDocs/url", "/info/contact/url", "/info/termsOfService"];
        let docs = docs.iter().filter_map(|pointer| text(pointer)).find(https);
        Beginning {
            title: text("/info/title"),
            docs: docs.or_else(|| endpoint.clone()),
            endpoint: endpoint.filter(https),
            auth: self.auth(),
            verify: self.verify(),
        }
    }

    /// A server's URL with the defaults of its variables.
    fn variables(&self, mut url: String) -> String {
        let variables = self.document.pointer("/servers/0/variables").and_then(Json::as_object);
        for (name, variable) in variables.into_iter().flatten() {
            let default = variable["default"].as_str().unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), default);
        }
        url
    }

    fn auth(&self) -> Option<Json> {
        let schemes = ["/components/securitySchemes", "/securityDefinitions"];
        let schemes = schemes.iter().find_map(|pointer| self.document.pointer(pointer));
        let all: Vec<&Json> = schemes?.as_object()?.values().collect();
        let of = |kind: &str, scheme: &str| {
            all.iter().find(|one| {
                let named = one["scheme"].as_str().unwrap_or_default();
                one["type"] == kind && (scheme.is_empty() || named.eq_ignore_ascii_case(scheme))
            })
        };
        if of("http", "bearer").is_some() {
            return Some(json!({"scheme": "bearer", "secret": ["token"]}));
        }
        if let Some(key) = of("apiKey", "") {
            let scheme = key["in"].as_str().filter(|place| matches!(*place, "header" | "query"))?;
            let name = key["name"].as_str()?;
            if scheme == "header" && name.eq_ignore_ascii_case("authorization") {
                return Some(json!({"scheme": "bearer", "secret": ["token"]}));
            }
            return Some(json!({"scheme": scheme, "name": name, "secret": ["token"]}));
        }
        let basic = of("http", "basic").or_else(|| of("basic", ""));
        basic.map(|_| json!({"scheme": "basic", "secret": ["user", "password"]}))
    }

    /// A read without parameters, of the account if there is one.
    fn verify(&self) -> Option<String> {
        let reads = self.paths().filter(|(path, item)| {
            !path.contains('{') && item.get("get").is_some_and(|get| !self.asks(get))
        });
        let reads: Vec<&str> = reads.map(|(path, _)| path).collect();
        let own = ["account", "profile", "me", "user", "project", "organization", "projects"];
        let of = |word: &&str| {
            reads.iter().find(|path| path.rsplit('/').next().is_some_and(|last| last == *word))
        };
        own.iter().find_map(of).or(reads.first()).map(|path| (*path).to_owned())
    }

    /// Whether an operation has parameters that must be given.
    fn asks(&self, operation: &Json) -> bool {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.map(|one| self.resolve(one)).any(|one| one["required"] == true)
    }

    /// All paths with what is at them.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &Json)> {
        let paths = self.document["paths"].as_object().into_iter().flatten();
        paths.map(|(path, item)| (path.as_str(), item))
    }

    /// What is at a path.
    pub(super) fn at(&self, path: &str) -> Option<&Json> {
        self.document["paths"].get(path)
    }

    /// The schema of a request's body.
    pub(super) fn request(&self, operation: &Json) -> Option<Json> {
        let body = self.resolve(&operation["requestBody"]);
        let content = body["content"].as_object().and_then(|all| all.values().next());
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let swagger = parameters.map(|one| self.resolve(one)).find(|one| one["in"] == "body");
        let schema =
            content.map(|content| &content["schema"]).or(swagger.map(|one| &one["schema"]));
        schema.map(|schema| self.flat(schema, DEEPEST))
    }

    /// The status of a successful answer and its schema.
    pub(super) fn answer(&self, operation: &Json) -> Option<(u16, Json)> {
        let responses = operation["responses"].as_object()?;
        let (status, response) = responses.iter().find(|(status, _)| status.starts_with('2'))?;
        let response = self.resolve(response);
        let content = response["content"].as_object().and_then(|all| all.values().next());
        let schema = content.map(|content| &content["schema"]).or(response.get("schema"));
        Some((status.parse().unwrap_or(200), self.flat(schema.unwrap_or(&Json::Null), DEEPEST)))
    }

    fn resolve<'a>(&'a self, value: &'a Json) -> &'a Json {
        let mut value = value;
        for _ in 0..DEEPEST {
            let reference = value.get("$ref").and_then(Json::as_str);
            let Some(reference) = reference.and_then(|reference| reference.strip_prefix('#'))
            else {
                break;
            };
            let Some(found) = self.document.pointer(reference) else { break };
            value = found;
        }
        value
    }

    /// A schema with references followed and compositions merged.
    fn flat(&self, schema: &Json, left: usize) -> Json {
        let schema = self.resolve(schema);
        if left == 0 {
            return json!({});
        }
        let mut flat = schema.as_object().cloned().unwrap_or_default();
        let mut properties = Map::new();
        for key in ["allOf", "oneOf", "anyOf"] {
            let all = flat.remove(key).unwrap_or_default();
            let all = all.as_array().cloned().unwrap_or_default();
            // Of alternatives, the first.
            let taken = if key == "allOf" { all.len() } else { all.len().min(1) };
            for one in &all[..taken] {
                let one = self.flat(one, left - 1);
                properties.extend(one["properties"].as_object().cloned().unwrap_or_default());
                for key in ["type", "items", "enum", "example", "required"] {
                    if let (None, Some(value)) = (flat.get(key), one.get(key)) {
                        flat.insert(key.to_owned(), value.clone());
                    }
                }
            }
        }
        let own = flat.remove("properties").unwrap_or_default();
        for (name, property) in own.as_object().into_iter().flatten() {
            properties.insert(name.clone(), self.flat(property, left - 1));
        }
        if let Some(items) = flat.get("items") {
            let items = self.flat(items, left - 1);
            flat.insert("items".to_owned(), items);
        }
        if !properties.is_empty() {
            flat.insert("properties".to_owned(), Json::Object(properties));
        }
        Json::Object(flat)
    }
}
