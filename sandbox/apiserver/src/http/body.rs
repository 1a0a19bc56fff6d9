//! Reading request bodies.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::decode::{self, Decoded};
use crate::protobuf;
use crate::resource::Resource;
use crate::status::{Failure, Result, json_sort};

/// The real server's limit.
const MAXIMUM: usize = 3 * 1024 * 1024;

/// The whole body, up to the limit.
pub(super) async fn read(body: Incoming) -> Result<Bytes> {
    match Limited::new(body, MAXIMUM).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let message = format!("Request entity too large: limit is {MAXIMUM}");
            Err(Failure::new(413, "RequestEntityTooLarge", message))
        }
        Err(error) => Err(Failure::bad_request(format!("unable to read body: {error}"))),
    }
}

/// Decodes an object of a resource by its content type.
pub(super) fn object(content_type: &str, body: &[u8], resource: &Resource) -> Result<Decoded> {
    let media = media(content_type);
    let what = format!("must be of type {}", resource.kind);
    let decoded = match media.as_str() {
        "" | "application/json" | "*/*" => decode::json(body).map_err(|error| {
            let error = parse_error(&error);
            unrecognized(
                &what,
                &format!("couldn't get version/kind; json parse error: {error}"),
                body,
            )
        })?,
        "application/yaml" => {
            let refuse =
                |error: &dyn std::fmt::Display| unrecognized(&what, &error.to_string(), body);
            let text = std::str::from_utf8(body).map_err(|error| refuse(&error))?;
            decode::yaml(text).map_err(|error| refuse(&error))?
        }
        "application/vnd.kubernetes.protobuf" => {
            let value = protobuf::decode(body).ok_or_else(undecoded)?;
            Decoded { value, duplicates: Vec::new() }
        }
        _ => return Err(unknown_format()),
    };
    let kind = match &decoded.value {
        Value::Object(map)
            if map.get("apiVersion").is_some_and(|v| !v.is_string() && !v.is_null()) =>
        {
            let sort = map.get("apiVersion").map_or("", json_sort);
            let error = format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {sort} into \
                 Go struct field .apiVersion of type string"
            );
            return Err(unrecognized(&what, &error, body));
        }
        Value::Object(map) => map.get("kind").and_then(Value::as_str).unwrap_or_default(),
        Value::Null => "",
        other => {
            let sort = json_sort(other);
            let error = format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {sort} into \
                 Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
                 Kind string \"json:\\\"kind,omitempty\\\"\" }}"
            );
            return Err(unrecognized(&what, &error, body));
        }
    };
    if kind.is_empty() && (resource.is_custom() || decoded.value.is_null()) {
        let text = String::from_utf8_lossy(body);
        return Err(unrecognized(&what, &format!("Object 'Kind' is missing in '{text}'"), body));
    }
    Ok(decoded)
}

/// The media type alone, in lower case.
fn media(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn unrecognized(what: &str, error: &str, body: &[u8]) -> Failure {
    Failure::bad_request(format!(
        "the object provided is unrecognized ({what}): {error} ({})",
        summary(body)
    ))
}

/// The start of a body, in hexadecimal unless it begins as JSON objects do.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let start = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(start)),
        Some(_) => {
            let hex = start.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            format!("{hex}{more}")
        }
    }
}

/// A parser's error in the words of the real server, where it has them.
fn parse_error(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    error.to_string()
}

fn unknown_format() -> Failure {
    Failure::unsupported_media(
        "the body of the request was in an unknown format - accepted media types include: \
         application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

fn undecoded() -> Failure {
    Failure::unsupported_media(
        "of protobuf this embedded server decodes only what kubectl create sends for its own \
         kinds: send the manifest instead (kubectl create -f, kubectl apply -f)",
    )
}

/// Decodes the options of a deletion, which may be missing.
pub(super) fn options(content_type: &str, body: &[u8]) -> Result<Value> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let value = match media(content_type).as_str() {
        "application/vnd.kubernetes.protobuf" => protobuf::decode(body).ok_or_else(undecoded)?,
        "application/yaml" => {
            let text = String::from_utf8_lossy(body);
            decode::yaml(&text).map_err(|error| Failure::bad_request(error.to_string()))?.value
        }
        "" | "application/json" | "*/*" => {
            let decoded = decode::json(body).map_err(|error| {
                let error = parse_error(&error);
                Failure::bad_request(format!(
                    "couldn't get version/kind; json parse error: {error}"
                ))
            });
            decoded?.value
        }
        _ => return Err(unknown_format()),
    };
    Ok(value)
}
