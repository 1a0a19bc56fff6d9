//! Answers on the wire.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER, WARNING};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use crate::status::Failure;

/// An answer.
pub(crate) type Reply = Response<BoxBody<Bytes, Infallible>>;

const JSON: &str = "application/json";

fn reply(code: u16, content_type: &str, body: BoxBody<Bytes, Infallible>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    reply
}

/// JSON text that is ready.
pub(super) fn text(code: u16, body: Bytes) -> Reply {
    reply(code, JSON, Full::new(body).boxed())
}

/// A JSON value.
pub(super) fn json(code: u16, value: &Value) -> Reply {
    text(code, Bytes::from(value.to_string()))
}

/// JSON of a special media type, with an entity tag.
pub(super) fn tagged(content_type: &str, tag: &str, body: Bytes) -> Reply {
    let mut reply = reply(200, content_type, Full::new(body).boxed());
    if let Ok(value) = HeaderValue::from_str(tag) {
        reply.headers_mut().insert(ETAG, value);
    }
    reply
}

/// The client has it already. Its cache takes over these headers, the media type too.
pub(super) fn not_modified(content_type: &str, tag: &str) -> Reply {
    let mut reply = tagged(content_type, tag, Bytes::new());
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    reply
}

/// A plain sentence.
pub(super) fn plain(code: u16, body: &'static str) -> Reply {
    reply(code, "text/plain; charset=utf-8", Full::new(Bytes::from_static(body.as_bytes())).boxed())
}

/// No body at all.
pub(super) fn nothing(code: u16) -> Reply {
    let mut reply = reply(code, "", Full::new(Bytes::new()).boxed());
    reply.headers_mut().remove(CONTENT_TYPE);
    reply
}

/// A refusal.
pub(super) fn failure(failure: &Failure) -> Reply {
    let mut reply = json(failure.code(), &failure.to_json());
    if let Some(seconds) = failure.retry_after() {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// A running watch.
pub(super) fn stream(lines: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Reply {
    let frames = lines.map(|line| Ok(Frame::data(line)));
    reply(200, JSON, BodyExt::boxed(StreamBody::new(frames)))
}

/// Adds the warnings, as RFC 7234 writes them.
pub(super) fn warn(mut reply: Reply, warnings: &[String]) -> Reply {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            reply.headers_mut().append(WARNING, value);
        }
    }
    reply
}
