//! Reading request bodies.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::decode::{self, Decoded};
use crate::protobuf;
use crate::status::{Failure, Result};

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

/// Decodes an object by its content type.
pub(super) fn object(content_type: &str, body: &[u8]) -> Result<Decoded> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type JSON or YAML): {error}"
        ))
    };
    match media {
        "" | "application/json" | "text/plain" | "*/*" => {
            decode::json(body).map_err(|e| refuse(&e))
        }
        "application/yaml" => {
            let text = std::str::from_utf8(body).map_err(|error| refuse(&error))?;
            decode::yaml(text).map_err(|error| refuse(&error))
        }
        "application/vnd.kubernetes.protobuf" if let Some(value) = protobuf::decode(body) => {
            Ok(Decoded { value, duplicates: Vec::new() })
        }
        other => Err(Failure::unsupported_media(format!(
            "the body of the request was in an unknown format ({other}) - accepted media types \
             include: application/json, application/yaml; of protobuf this embedded server \
             decodes only what kubectl create sends for its own kinds: send the manifest instead (kubectl create -f, kubectl apply -f)"
        ))),
    }
}

/// Decodes the options of a deletion, which may be missing.
pub(super) fn options(content_type: &str, body: &[u8]) -> Result<Value> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    Ok(object(content_type, body)?.value)
}
