//! Answers: read up to a limit, decoded, and made JSON.

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use infrafabric_definition::AnswerFormat;
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use url::Url;

use super::xml;
use crate::compile::Vars;

/// A body as it came.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it, as text.
    Whole(String),
    /// More than the limit; reading stopped.
    TooLong {
        /// The size it says it has, or what was read so far.
        bytes: u64,
    },
    /// The connection ended or the time was up before it did.
    Cut(String),
}

/// An answer that a definition's expressions can read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) headers: Json,
    /// Null when there is none or it is not of the expected format.
    pub(crate) body: Json,
    /// Size of the body.
    pub(crate) bytes: usize,
    /// Where it came from, to follow its pages.
    pub(crate) address: Option<Url>,
    /// What the steps before it gave.
    pub(crate) steps: Json,
}

impl Answer {
    /// The variables `body`, `headers` and `status`.
    pub(crate) fn vars(&self) -> Vars {
        let mut vars = Vars::default();
        vars.set("status", &Json::from(self.status));
        vars.set("headers", &self.headers);
        vars.set("body", &self.body);
        vars
    }
}

/// Reads a body; memory is bounded by the limit, also for compressed answers.
pub(crate) async fn read(response: reqwest::Response, limit: usize, deadline: Instant) -> Body {
    let announced = content_length(response.headers());
    if let Some(bytes) = announced.filter(|bytes| *bytes > limit as u64) {
        return Body::TooLong { bytes };
    }
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    let bytes = match tokio::time::timeout_at(deadline, collect(response, limit)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(body)) => return body,
        Err(_) => return Body::Cut("no end in time".to_owned()),
    };
    // The client's own decoder knows byte order marks and the charsets of the web.
    let mut decoded = http::Response::new(bytes.freeze());
    if let Some(kind) = kind {
        decoded.headers_mut().insert(CONTENT_TYPE, kind);
    }
    match reqwest::Response::from(decoded).text().await {
        Ok(text) => Body::Whole(text),
        Err(error) => Body::Cut(error.without_url().to_string()),
    }
}

async fn collect(mut response: reqwest::Response, limit: usize) -> Result<BytesMut, Body> {
    let mut bytes = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                return Err(Body::TooLong { bytes: (bytes.len() + chunk.len()) as u64 });
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(Body::Cut(error.without_url().to_string())),
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body as JSON; the reason when it is not of the format.
pub(crate) fn parse(text: &str, format: AnswerFormat) -> Result<Json, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(Json::Null);
    }
    let start = text.get(..100.min(text.len())).unwrap_or(text).to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Err("an HTML page".to_owned());
    }
    match format {
        AnswerFormat::Json => serde_json::from_str(text).map_err(|error| {
            let what = if error.is_eof() { "JSON that ends early" } else { "no JSON" };
            format!("{what} (line {}, column {})", error.line(), error.column())
        }),
        AnswerFormat::Xml => xml::to_json(text).map_err(|error| error.to_string()),
    }
}

/// Headers by lower-case name; repeated ones joined, cookies left out.
pub(crate) fn headers(headers: &HeaderMap) -> Json {
    let mut map = Map::new();
    for name in headers.keys().filter(|name| *name != http::header::SET_COOKIE) {
        let values: Vec<&str> =
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        map.insert(name.as_str().to_owned(), Json::from(values.join(", ")));
    }
    Json::Object(map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let json = |text| parse(text, AnswerFormat::Json);
        assert_eq!(json("\u{feff}{\"a\": 1}"), Ok(json!({"a": 1})));
        assert_eq!(json("  "), Ok(Json::Null));
        assert_eq!(json("<!DOCTYPE HTML><p>"), Err("an HTML page".to_owned()));
        assert!(json("{\"a\": [1,").expect_err("cut").starts_with("JSON that ends early"));
        assert!(json("{'a'").expect_err("garbage").starts_with("no JSON"));
        assert!(parse("<html><body/></html>", AnswerFormat::Xml).is_err());
        // A multi-byte character across the looked-at start must not matter.
        assert!(json(&format!("\"{}\"", "ä".repeat(80))).is_ok());
    }

    #[test]
    fn deep_json_is_refused() {
        assert!(parse(&"[".repeat(10_000), AnswerFormat::Json).is_err());
    }
}
