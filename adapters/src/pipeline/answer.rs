//! Answers: read up to a limit, decoded, and made JSON.

use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use infrafabric_definition::AnswerFormat;
use serde_json::{Map, Value as Json, json};
use sse_stream::SseByteStream;
use tokio::time::Instant;
use url::Url;

use super::call::Events;
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
    /// What was asked, where what it is read as needs that.
    pub(crate) asked: Option<Box<Asked>>,
    /// Whether it says what became of a call whose own answer was lost.
    pub(crate) resolved: bool,
}

/// What a request was made from.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `want`.
    pub(crate) want: Json,
    /// `id`.
    pub(crate) id: Option<String>,
    /// `token`.
    pub(crate) token: Option<String>,
}

impl Answer {
    /// The variables `body`, `headers` and `status`.
    pub(crate) fn vars(&self) -> Vars {
        let mut vars = Vars::default();
        self.add_to(&mut vars);
        vars
    }

    /// Adds them to others.
    pub(crate) fn add_to(&self, vars: &mut Vars) {
        vars.set("status", &Json::from(self.status));
        vars.set("headers", &self.headers);
        vars.set("body", &self.body);
        if let Some(Asked { want, id, token }) = self.asked.as_deref() {
            vars.set("want", want).set("id", &json!(id)).set("token", &json!(token));
        }
    }
}

/// Reads a body; memory is bounded by the limit, also for compressed answers.
pub(crate) async fn read(
    response: reqwest::Response,
    limit: usize,
    deadline: Instant,
    events: Option<&Events<'_>>,
) -> Body {
    let announced = content_length(response.headers());
    if let Some(bytes) = announced.filter(|bytes| *bytes > limit as u64) {
        return Body::TooLong { bytes };
    }
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    let bytes = match tokio::time::timeout_at(deadline, collect(response, limit, events)).await {
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

async fn collect(
    mut response: reqwest::Response,
    limit: usize,
    events: Option<&Events<'_>>,
) -> Result<BytesMut, Body> {
    let mut bytes = BytesMut::new();
    let mut seen = 0;
    loop {
        if let Some(events) = events {
            seen += forward(&bytes[seen..], events);
        }
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

/// Shows the events that are there whole; how many bytes they are.
fn forward(text: &[u8], events: &Events<'_>) -> usize {
    let end = |at: usize| {
        let rest = &text[at..];
        let ends = [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"];
        ends.into_iter().find(|end| rest.starts_with(end)).map(|end| at + end.len())
    };
    let (mut from, mut at) = (0, 0);
    while at < text.len() {
        let Some(to) = end(at) else {
            at += 1;
            continue;
        };
        // What is no event now is an error when all is read.
        let whole = std::str::from_utf8(&text[from..to]).ok().and_then(|text| events_of(text).ok());
        if let Some(Json::Array(whole)) = whole {
            whole.iter().for_each(events);
        }
        (from, at) = (to, to);
    }
    from
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body as JSON; the reason when it is not of the format.
pub(crate) fn parse(text: &str, format: AnswerFormat) -> Result<Json, String> {
    let whole = text.trim_start_matches('\u{feff}');
    let text = whole.trim();
    if text.is_empty() {
        // No line is an empty list.
        let list = matches!(format, AnswerFormat::Ndjson | AnswerFormat::Sse);
        return Ok(if list { Json::Array(Vec::new()) } else { Json::Null });
    }
    let start = text.get(..100.min(text.len())).unwrap_or(text).to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Err("an HTML page".to_owned());
    }
    match format {
        AnswerFormat::Json => json(text),
        AnswerFormat::Xml => xml::to_json(text).map_err(|error| error.to_string()),
        AnswerFormat::XmlAttributes => {
            xml::to_json_with_attributes(text).map_err(|error| error.to_string())
        }
        AnswerFormat::Form => Ok(form(text)),
        AnswerFormat::Text => Ok(Json::from(text)),
        AnswerFormat::Sse => events_of(whole),
        AnswerFormat::Ndjson => lines(text),
    }
}

/// The format of an answer: what a failure says it is, whatever its operation is answered in.
pub(crate) fn format(expected: AnswerFormat, status: u16, kind: Option<&str>) -> AnswerFormat {
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if (200..300).contains(&status) {
        return expected;
    }
    match essence.to_ascii_lowercase().as_str() {
        kind if kind.ends_with("/json") || kind.ends_with("+json") => AnswerFormat::Json,
        kind if kind.ends_with("/xml") || kind.ends_with("+xml") => AnswerFormat::Xml,
        _ => expected,
    }
}

fn json(text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| {
        let what = if error.is_eof() { "JSON that ends early" } else { "no JSON" };
        format!("{what} (line {}, column {})", error.line(), error.column())
    })
}

/// The most events or lines that are read.
const MOST_RECORDS: usize = 500_000;

/// Names with their values; a repeated name has a list.
fn form(text: &str) -> Json {
    let mut map: Map<String, Json> = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = Json::from(value.into_owned());
        match map.get_mut(name.as_ref()) {
            None => {
                map.insert(name.into_owned(), value);
            }
            Some(Json::Array(values)) => values.push(value),
            Some(one) => *one = Json::Array(vec![one.take(), value]),
        }
    }
    Json::Object(map)
}

/// A value to a line; empty ones are no line.
fn lines(text: &str) -> Result<Json, String> {
    let mut values = Vec::new();
    for (at, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        if values.len() == MOST_RECORDS {
            return Err(format!("more than {MOST_RECORDS} lines"));
        }
        values.push(json(line).map_err(|reason| format!("{reason} in record {at}"))?);
    }
    Ok(Json::Array(values))
}

/// Server-sent events. A stream whose last event has no end was cut off.
fn events_of(text: &str) -> Result<Json, String> {
    let whole = ["\n\n", "\r\r", "\r\n\r\n"].iter().any(|end| text.ends_with(end));
    if !whole {
        return Err("events that end early".to_owned());
    }
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let stream = futures::stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    let all = SseByteStream::new(stream).take(MOST_RECORDS + 1).collect::<Vec<_>>();
    let all = all.now_or_never().unwrap_or_default();
    if all.len() > MOST_RECORDS {
        return Err(format!("more than {MOST_RECORDS} events"));
    }
    let mut events = Vec::with_capacity(all.len());
    for event in all {
        let event = event.map_err(|_| "no server-sent events".to_owned())?;
        // Comments and pauses are no events.
        let Some(data) = event.data else { continue };
        let data = serde_json::from_str(&data).unwrap_or(Json::String(data));
        events.push(json!({"event": event.event, "data": data, "id": event.id}));
    }
    Ok(Json::Array(events))
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
    fn forms_lines_events_and_text_are_read() {
        let read = |text: &str, format| parse(text, format);
        let form = json!({"a": "b c", "d": ["1", "2"]});
        assert_eq!(read("a=b+c&d=1&d=2", AnswerFormat::Form), Ok(form));
        assert_eq!(read(" OK: 7\n", AnswerFormat::Text), Ok(json!("OK: 7")));
        assert_eq!(read("{\"a\":1}\r\n\n[2]", AnswerFormat::Ndjson), Ok(json!([{"a": 1}, [2]])));
        let cut = read("{\"a\":1}\n{\"a\":", AnswerFormat::Ndjson).expect_err("cut");
        assert!(cut.contains("ends early") && cut.contains("record 2"), "{cut}");
        let text =
            ": hi\n\nevent: delta\nid: 7\ndata: {\"t\":\ndata: 1}\n\nretry: 5\n\ndata: [DONE]\n\n";
        let events = json!([{"event": "delta", "data": {"t": 1}, "id": "7"},
            {"event": null, "data": "[DONE]", "id": null}]);
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(read(&text.replace('\n', end), AnswerFormat::Sse), Ok(events.clone()));
        }
        let cut = read("data: 1\n\ndata: 2\n", AnswerFormat::Sse);
        assert_eq!(cut, Err("events that end early".to_owned()));
    }

    #[test]
    fn a_failure_is_read_as_what_it_says_it_is() {
        let json = Some("application/problem+json; charset=utf-8");
        assert_eq!(format(AnswerFormat::Sse, 429, json), AnswerFormat::Json);
        assert_eq!(format(AnswerFormat::Json, 503, Some("text/xml")), AnswerFormat::Xml);
        assert_eq!(format(AnswerFormat::Text, 400, Some("text/plain")), AnswerFormat::Text);
        assert_eq!(format(AnswerFormat::Text, 200, json), AnswerFormat::Text);
    }

    proptest::proptest! {
        /// Any text is read or refused, in any format.
        #[test]
        fn no_answer_is_too_odd(parts in proptest::collection::vec(proptest::sample::select(vec![
            "data:", "event: x", "id: 1", "\n", "\r", "\r\n", "{}", "{\"a\":", "[1]", "a=b", "&", "%zz", "\u{feff}",
            ": c", "retry: x", "\u{0}", "é",
        ]), 0..40)) {
            let text = parts.concat();
            for format in [AnswerFormat::Form, AnswerFormat::Text, AnswerFormat::Sse, AnswerFormat::Ndjson] {
                let _ = parse(&text, format);
            }
        }
    }

    #[test]
    fn deep_json_is_refused() {
        assert!(parse(&"[".repeat(10_000), AnswerFormat::Json).is_err());
    }
}
