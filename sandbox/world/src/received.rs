//! A provider request as it arrived.

use bytes::Bytes;
use futures::FutureExt as _;
use http::HeaderMap;
use http::request::Parts;
use infrafabric_adapters::pipeline::read_xml;
use infrafabric_definition::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json, json};

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
    /// The account that was let in on the socket that it came by.
    pub(crate) session: Option<String>,
    /// The token that stood in the path.
    pub(crate) path_token: Option<String>,
    /// Query parameters; a repeated one is a list.
    pub(crate) query: Json,
    /// Headers by lower-case name.
    pub(crate) headers: Json,
    /// The headers themselves.
    pub(crate) header_map: HeaderMap,
    /// The body as sent.
    pub(crate) body: Bytes,
    /// What the body says: JSON or XML, a form's names and nested values, fields and files, or text;
    /// null when there is none.
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
            session: None,
            path_token: None,
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
        add(&mut map, key.into_owned(), Json::String(value.into_owned()));
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
    let read = if let Ok(boundary) = multer::parse_boundary(kind) {
        multipart(body, boundary)
    } else if kind.starts_with("application/xml") {
        std::str::from_utf8(body).ok().and_then(|text| read_xml(text).ok())
    } else if kind.starts_with("text/plain") {
        String::from_utf8(body.to_vec()).ok().map(Json::String)
    } else {
        serde_json::from_slice(body).ok()
    };
    match read {
        Some(read) => (read, false),
        None => (Json::Null, true),
    }
}

/// Fields by name, a repeated one a list; files as `{filename, type, content}`.
fn multipart(body: &Bytes, boundary: String) -> Option<Json> {
    let stream = futures::stream::iter([Ok::<_, std::convert::Infallible>(body.clone())]);
    let mut read = multer::Multipart::new(stream, boundary);
    let fields = async {
        let mut map: Map<String, Json> = Map::new();
        while let Some(field) = read.next_field().await.ok()? {
            let name = field.name()?.to_owned();
            let file = field.file_name().map(ToOwned::to_owned);
            let kind = field.content_type().map(ToString::to_string);
            let text = String::from_utf8_lossy(&field.bytes().await.ok()?).into_owned();
            let value = match file {
                Some(file) => json!({"filename": file, "type": kind, "content": text}),
                None => Json::String(text),
            };
            add(&mut map, name, value);
        }
        Some(Json::Object(map))
    };
    // All of it is there already.
    fields.now_or_never().flatten()
}

/// Adds a value; a repeated name has a list.
pub(crate) fn add(map: &mut Map<String, Json>, name: String, value: Json) {
    match map.get_mut(&name) {
        None => {
            map.insert(name, value);
        }
        Some(Json::Array(values)) => values.push(value),
        Some(one) => *one = Json::Array(vec![one.take(), value]),
    }
}
