//! A provider request as it arrived.

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use infrafabric_definition::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};

use crate::form;

/// A request to a simulated provider.
pub(crate) struct Received {
    /// The method on the wire.
    pub(crate) verb: http::Method,
    /// The whole path on the wire, which is what clients sign.
    pub(crate) wire_path: String,
    /// The query on the wire.
    pub(crate) wire_query: String,
    /// The path beneath the provider's base URL.
    pub(crate) path: String,
    /// Query parameters; a repeated one is a list.
    pub(crate) query: Json,
    /// Headers by lower-case name.
    pub(crate) headers: Json,
    /// The headers themselves.
    pub(crate) header_map: HeaderMap,
    /// The body as sent.
    pub(crate) body: Bytes,
    /// What the body says: JSON, or a form's names and nested values; null when there is none.
    pub(crate) req: Json,
    /// The body could not be read as what it claims to be.
    pub(crate) malformed: bool,
}

impl Received {
    /// Reads a request whose path begins with `/p/{definition}`, of which `path` is the rest.
    pub(crate) fn new(parts: Parts, path: String, body: Bytes) -> Self {
        let wire_query = parts.uri.query().unwrap_or_default().to_owned();
        let headers = header_values(&parts.headers);
        let (req, malformed) = read_body(&headers, &body);
        Self {
            verb: parts.method,
            wire_path: parts.uri.path().to_owned(),
            query: query_values(&wire_query),
            wire_query,
            path,
            headers,
            header_map: parts.headers,
            body,
            req,
            malformed,
        }
    }

    /// The method, if definitions can name it.
    pub(crate) fn method(&self) -> Option<Method> {
        [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete]
            .into_iter()
            .find(|method| method.as_str() == self.verb.as_str())
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_map.get(name)?.to_str().ok()
    }
}

/// The text behind percent escapes.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn header_values(headers: &HeaderMap) -> Json {
    let mut map = Map::new();
    for (name, value) in headers {
        // Templates never see a credential.
        if name != http::header::AUTHORIZATION {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            map.insert(name.as_str().to_owned(), Json::String(value));
        }
    }
    Json::Object(map)
}

fn query_values(query: &str) -> Json {
    let mut map: Map<String, Json> = Map::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = Json::String(value.into_owned());
        match map.get_mut(key.as_ref()) {
            None => {
                map.insert(key.into_owned(), value);
            }
            Some(Json::Array(values)) => values.push(value),
            Some(one) => *one = Json::Array(vec![one.take(), value]),
        }
    }
    Json::Object(map)
}

fn read_body(headers: &Json, body: &Bytes) -> (Json, bool) {
    if body.is_empty() {
        return (Json::Null, false);
    }
    let kind = headers["content-type"].as_str().unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        return (form::parse(body), false);
    }
    match serde_json::from_slice(body) {
        Ok(json) => (json, false),
        Err(_) => (Json::Null, true),
    }
}
