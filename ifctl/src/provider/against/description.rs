//! A vendor's description: which operation a request is, and what that says of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use infrafabric_world::Exchange;
use serde_json::{Map, Value as Json, json};
use url::Url;

use crate::provider::openapi;

use super::schema::{Direction, Schemas};

/// An OpenAPI 3 or Swagger 2 document.
pub(super) struct Description {
    document: Json,
    schemas: Schemas,
    /// The paths of its servers, the longest first.
    bases: Vec<String>,
}

/// An operation of it.
pub(super) struct Operation<'a> {
    /// The path as the description writes it.
    pub(super) template: String,
    method: String,
    item: &'a Json,
    spec: &'a Json,
    /// What stands in the path.
    values: BTreeMap<String, String>,
}

impl Operation<'_> {
    /// Where a part of it stands.
    fn pointer(&self, key: &str) -> String {
        format!("/paths/{}/{}/{key}", escape(&self.template), self.method)
    }
}

/// The paths that a request may have in a description: with a base URL's own path, and without.
pub(super) fn candidates(bases: &[String], path: &str) -> Vec<String> {
    let parsed = bases.iter().filter_map(|base| Url::parse(base).ok());
    let below = parsed.map(|url| format!("{}{path}", url.path().trim_end_matches('/')));
    below.chain([path.to_owned()]).collect()
}

impl Description {
    pub(super) fn read(file: &Path) -> Result<Self, Box<dyn Error>> {
        let document = openapi(file)?;
        let said = |reason: String| format!("read {}: {reason}", file.display());
        let schemas = Schemas::new(&document).map_err(|error| said(error.to_string()))?;
        let bases = bases(&document);
        Ok(Self { document, schemas, bases })
    }

    /// The operation of a method at one of the paths; literal segments go before variable ones.
    pub(super) fn find(&self, method: &str, candidates: &[String]) -> Option<Operation<'_>> {
        let method = method.to_ascii_lowercase();
        let mut best: Option<(usize, Operation<'_>)> = None;
        for (template, item, values) in self.matching(candidates) {
            let Some(spec) = item.get(&method) else { continue };
            let variables = values.len();
            if best.as_ref().is_none_or(|(before, _)| variables < *before) {
                let (template, method) = (template.to_owned(), method.clone());
                best = Some((variables, Operation { template, method, item, spec, values }));
            }
        }
        best.map(|(_, operation)| operation)
    }

    /// Whether there is anything at one of the paths.
    pub(super) fn knows_path(&self, candidates: &[String]) -> bool {
        self.matching(candidates).next().is_some()
    }

    fn matching<'a, 'p>(
        &'a self,
        candidates: &'p [String],
    ) -> impl Iterator<Item = (&'a str, &'a Json, BTreeMap<String, String>)> + use<'a, 'p> {
        let paths = self.document["paths"].as_object().into_iter().flatten();
        paths.filter_map(move |(template, item)| {
            let values = candidates.iter().find_map(|path| {
                let below = self.bases.iter().filter_map(|base| path.strip_prefix(base.as_str()));
                std::iter::once(path.as_str()).chain(below).find_map(|path| fits(template, path))
            })?;
            Some((template.as_str(), self.deref(item), values))
        })
    }

    /// What is wrong with a request.
    pub(super) fn request(&self, operation: &Operation<'_>, exchange: &Exchange) -> Vec<String> {
        let mut wrong = Vec::new();
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(exchange.query.as_bytes()).into_owned().collect();
        let parameters = self.parameters(operation);
        for (name, value) in &query {
            let known = |one: &&(Json, String)| {
                let declared = one.0["name"].as_str().unwrap_or_default();
                // `filter[x]` may be one object, `ids[]` one list.
                one.0["in"] == "query"
                    && (declared == name || name.starts_with(&format!("{declared}[")))
            };
            match parameters.iter().find(known) {
                None => wrong.push(format!("query parameter `{name}` is not described")),
                // Together they are one object, which is judged once.
                Some((parameter, _)) if is_deep(parameter) => {}
                Some((parameter, pointer)) => {
                    let found = self.parameter(parameter, pointer, value);
                    wrong.extend(
                        found.into_iter().map(|what| format!("query parameter `{name}`: {what}")),
                    );
                }
            }
        }
        for (parameter, pointer) in &parameters {
            let name = parameter["name"].as_str().unwrap_or_default();
            match parameter["in"].as_str() {
                Some("query") => {
                    let given = query
                        .iter()
                        .any(|(key, _)| key == name || key.starts_with(&format!("{name}[")));
                    if parameter["required"] == true && !given {
                        wrong.push(format!("query parameter `{name}` is missing"));
                    }
                    if given && is_deep(parameter) {
                        let whole = infrafabric_world::read_form(exchange.query.as_bytes());
                        let schema = format!("{pointer}/schema");
                        let found = self.schemas.check_text(&schema, &whole[name]);
                        wrong.extend(
                            found
                                .into_iter()
                                .map(|what| format!("query parameter `{name}`: {what}")),
                        );
                    }
                }
                Some("path") => {
                    let Some(value) = operation.values.get(name) else { continue };
                    let found = self.parameter(parameter, pointer, value);
                    wrong.extend(
                        found.into_iter().map(|what| format!("`{name}` in the path: {what}")),
                    );
                }
                _ => {}
            }
        }
        wrong.extend(self.body(operation, &parameters, exchange));
        wrong
    }

    fn body(
        &self,
        operation: &Operation<'_>,
        parameters: &[(Json, String)],
        exchange: &Exchange,
    ) -> Vec<String> {
        let said =
            |found: Vec<String>| found.into_iter().map(|what| format!("body{what}")).collect();
        // Swagger 2 has the body among the parameters.
        if let Some((body, pointer)) = parameters.iter().find(|(one, _)| one["in"] == "body") {
            return match serde_json::from_slice(&exchange.body) {
                Ok(value) => said(self.schemas.check(
                    &format!("{pointer}/schema"),
                    &value,
                    Direction::Request,
                )),
                Err(_) if body["required"] == true => vec!["body is missing".to_owned()],
                Err(_) => Vec::new(),
            };
        }
        let at = operation.pointer("requestBody");
        let Some((body, pointer)) = self.resolve(&at) else {
            let described = parameters.iter().any(|(one, _)| one["in"] == "formData");
            let sent = !exchange.body.is_empty() && !described;
            return if sent { vec!["body is not described".to_owned()] } else { Vec::new() };
        };
        if exchange.body.is_empty() {
            let missing = body["required"] == true;
            return if missing { vec!["body is missing".to_owned()] } else { Vec::new() };
        }
        let kind = essence(&exchange.kind);
        let Some(content) = content(body, &kind) else {
            return vec![format!("body: `{kind}` is not described")];
        };
        let schema = format!("{pointer}/content/{}/schema", escape(&content));
        if kind.ends_with("json") {
            return match serde_json::from_slice(&exchange.body) {
                Ok(value) => said(self.schemas.check(&schema, &value, Direction::Request)),
                Err(_) => vec!["body: no JSON".to_owned()],
            };
        }
        if kind == "application/x-www-form-urlencoded" {
            return said(self.schemas.check_text(&schema, &form(&exchange.body)));
        }
        Vec::new()
    }

    /// What is wrong with an answer.
    pub(super) fn answer(&self, operation: &Operation<'_>, exchange: &Exchange) -> Vec<String> {
        let status = exchange.status.to_string();
        let class = format!("{}XX", exchange.status / 100);
        let at = operation.pointer("responses");
        let responses = &operation.spec["responses"];
        let known = [status.as_str(), class.as_str(), &class.to_lowercase(), "default"];
        let Some(key) = known.into_iter().find(|key| responses.get(*key).is_some()) else {
            return vec![format!("answer {status} is not described")];
        };
        let Some((response, pointer)) = self.resolve(&format!("{at}/{key}")) else {
            return Vec::new();
        };
        let value: Option<Json> = serde_json::from_slice(&exchange.answer).ok();
        let schema = if response.get("schema").is_some() {
            Some(format!("{pointer}/schema"))
        } else {
            let kind = content(response, &essence(&exchange.answer_kind));
            kind.map(|kind| format!("{pointer}/content/{}/schema", escape(&kind)))
        };
        let found = match (schema, value) {
            (Some(schema), Some(value)) => self.schemas.check(&schema, &value, Direction::Answer),
            (Some(_), None) if exchange.answer.is_empty() && exchange.method != "DELETE" => {
                vec![" is missing".to_owned()]
            }
            _ => Vec::new(),
        };
        found.into_iter().map(|what| format!("answer {status}{what}")).collect()
    }

    /// The parameters of an operation and its path, each with its place.
    fn parameters(&self, operation: &Operation<'_>) -> Vec<(Json, String)> {
        let own = operation.pointer("parameters");
        let shared = format!("/paths/{}/parameters", escape(&operation.template));
        let places =
            [(own, &operation.spec["parameters"]), (shared, &operation.item["parameters"])];
        let mut all: Vec<(Json, String)> = Vec::new();
        for (place, list) in places {
            for at in 0..list.as_array().map_or(0, Vec::len) {
                let Some((parameter, pointer)) = self.resolve(&format!("{place}/{at}")) else {
                    continue;
                };
                let same = |known: &(Json, String)| {
                    known.0["name"] == parameter["name"] && known.0["in"] == parameter["in"]
                };
                if !all.iter().any(same) {
                    all.push((parameter.clone(), pointer));
                }
            }
        }
        all
    }

    fn parameter(&self, parameter: &Json, pointer: &str, value: &str) -> Vec<String> {
        // Swagger 2 has the type beside the name.
        let schema = match parameter.get("schema") {
            Some(_) => format!("{pointer}/schema"),
            None => pointer.to_owned(),
        };
        self.schemas.check_text(&schema, &json!(value))
    }

    /// What stands at a place, references followed, and where it really stands.
    fn resolve(&self, pointer: &str) -> Option<(&Json, String)> {
        let mut pointer = pointer.to_owned();
        for _ in 0..16 {
            let value = self.document.pointer(&pointer)?;
            match value.get("$ref").and_then(Json::as_str) {
                None => return Some((value, pointer)),
                Some(reference) => reference.strip_prefix('#')?.clone_into(&mut pointer),
            }
        }
        None
    }

    fn deref<'a>(&'a self, value: &'a Json) -> &'a Json {
        let reference = value.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix('#'));
        reference.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }
}

/// Whether a query parameter is an object, each of its properties by itself.
fn is_deep(parameter: &Json) -> bool {
    parameter["style"] == "deepObject"
}

/// The values in a path of that template.
pub(super) fn fits(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (template, path) = (template.trim_end_matches('/'), path.trim_end_matches('/'));
    let mut values = BTreeMap::new();
    let (mut known, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (known.next(), given.next()) {
            (None, None) => return Some(values),
            (Some(known), Some(given)) => match variable(known, given) {
                Some((name, value)) => {
                    values.insert(name, value);
                }
                None if known == given => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

/// `{id}` or `{id}:stop` and what stands there.
fn variable(known: &str, given: &str) -> Option<(String, String)> {
    let (before, rest) = known.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    let value = given.strip_prefix(before)?.strip_suffix(after)?;
    if value.is_empty() {
        return None;
    }
    let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
    Some((name.to_owned(), value.into_owned()))
}

/// The paths of the servers, the longest first.
fn bases(document: &Json) -> Vec<String> {
    let servers = document["servers"].as_array().into_iter().flatten();
    let urls = servers.filter_map(|server| server["url"].as_str());
    let path = |url: &str| {
        // A variable in a host is no host.
        let plain: String = url.replace(['{', '}'], "");
        Url::parse(&plain).map_or(plain.clone(), |url| url.path().to_owned())
    };
    let mut bases: Vec<String> = urls.map(path).collect();
    bases.extend(document["basePath"].as_str().map(ToOwned::to_owned));
    let mut bases: Vec<String> = bases
        .iter()
        .map(|base| base.trim_end_matches('/').to_owned())
        .filter(|base| !base.is_empty())
        .collect();
    bases.sort_by_key(|base| std::cmp::Reverse(base.len()));
    bases.dedup();
    bases
}

/// The kind of content among those described.
fn content(of: &Json, kind: &str) -> Option<String> {
    let known = of.get("content")?.as_object()?;
    let fits = |described: &&String| {
        let described = essence(described);
        described == kind
            || described == "*/*"
            || (described.ends_with("json") && kind.ends_with("json"))
    };
    known.keys().find(fits).cloned()
}

/// The names of a form with their values; bracketed ones stand for maps and lists.
fn form(body: &[u8]) -> Json {
    let mut form = Map::new();
    let mut nested = false;
    for (name, value) in url::form_urlencoded::parse(body) {
        nested |= name.contains('[');
        form.insert(name.into_owned(), Json::from(value.into_owned()));
    }
    if nested { infrafabric_world::read_form(body) } else { Json::Object(form) }
}

fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A key as a step of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_their_templates() {
        let values = fits("/v2/things/{id}/actions", "/v2/things/a%20b/actions").expect("fits");
        assert_eq!(values["id"], "a b");
        assert!(fits("/v2/things/{id}", "/v2/things").is_none());
        assert!(fits("/v2/things/{id}", "/v2/things/").is_none());
        assert_eq!(fits("/x/{name}:stop", "/x/web:stop").expect("fits")["name"], "web");
        assert!(fits("/x/{name}:stop", "/x/web:start").is_none());
    }

    #[test]
    fn servers_have_paths() {
        let document = json!({"servers": [{"url": "https://api.{region}.example/v2/"}, {"url": "/v3"}], "basePath": "/"});
        assert_eq!(bases(&document), ["/v2", "/v3"]);
    }
}
