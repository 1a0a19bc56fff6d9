//! `multipart/form-data` bodies (RFC 7578): the same bytes for the same values, since a repetition
//! sends what was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::compile::plain;

/// Why a body cannot be written.
#[derive(Debug, Error)]
pub(crate) enum MultipartError {
    /// The field is a map, and no file.
    #[error("field `{0}` is a map without `content` or `base64`")]
    NoFile(String),
    /// The file is not what it says.
    #[error("field `{0}`: `base64` is none")]
    Base64(String),
}

/// The `Content-Type` and the body.
pub(crate) fn encode(value: &Json) -> Result<(String, Vec<u8>), MultipartError> {
    let mut fields = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Json::Array(items) => {
                for item in items {
                    fields.push(field(name, item)?);
                }
            }
            one => fields.push(field(name, one)?),
        }
    }
    // A boundary must not stand in what it bounds: it is made of all of it.
    let mut hash = Sha256::new();
    for (head, content) in &fields {
        hash.update(head.len().to_be_bytes());
        hash.update(head);
        hash.update(content);
    }
    let hash = hash.finalize();
    let boundary = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash[..24]);
    let mut body = Vec::new();
    for (head, content) in &fields {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary={boundary}"), body))
}

/// The headers of a field and what is in it.
fn field(name: &str, value: &Json) -> Result<(String, Vec<u8>), MultipartError> {
    let disposition = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
    let Json::Object(file) = value else {
        return Ok((disposition, plain(value).into_bytes()));
    };
    let content = match (file.get("content"), file.get("base64").and_then(Json::as_str)) {
        (Some(content), _) => plain(content).into_bytes(),
        (None, Some(text)) => {
            STANDARD.decode(text).map_err(|_| MultipartError::Base64(name.to_owned()))?
        }
        (None, None) => return Err(MultipartError::NoFile(name.to_owned())),
    };
    let text = |key: &str| file.get(key).and_then(Json::as_str);
    let file_name = quoted(text("filename").unwrap_or("file"));
    // A line of its own in a type would be a header of its own.
    let kind: String = text("type")
        .unwrap_or("application/octet-stream")
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    Ok((format!("{disposition}; filename=\"{file_name}\"\r\nContent-Type: {kind}"), content))
}

/// As browsers write names: quotes and line ends escaped.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_files_are_written_as_the_standard_says() {
        let value = json!({"chat": 7, "tag": ["a", "b"],
            "photo": {"filename": "x\"\n.png", "type": "image/png", "base64": "AAEC"}});
        let (kind, body) = encode(&value).expect("writes");
        let boundary = kind.split_once("boundary=").expect("a boundary").1;
        let text = String::from_utf8(body).expect("text").replace(boundary, "B");
        assert_eq!(
            text,
            "--B\r\nContent-Disposition: form-data; name=\"chat\"\r\n\r\n7\r\n\
             --B\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\na\r\n\
             --B\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\nb\r\n\
             --B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"x%22%0A.png\"\r\n\
             Content-Type: image/png\r\n\r\n\u{0}\u{1}\u{2}\r\n--B--\r\n"
        );
        assert_eq!(encode(&value).expect("writes").0, kind);
    }

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        let error = |value| encode(&value).expect_err("refused").to_string();
        assert!(error(json!({"photo": {"filename": "x"}})).contains("`photo`"));
        assert!(error(json!({"photo": {"base64": "%"}})).contains("`photo`"));
    }
}
