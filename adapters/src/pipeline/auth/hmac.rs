//! Signatures with a shared secret, over a text that the definition writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::header::CONTENT_TYPE;
use infrafabric_definition::{Algorithm, Encoding};
use ring::hmac;
use serde_json::{Value as Json, json};
use url::Url;
use uuid::Uuid;

use super::{SignError, query, write_headers, written};
use crate::compile::{Compiled, Vars};
use crate::pipeline::request::Request;

/// What the definition may write, and what signs.
pub(super) struct Secret<'a> {
    pub(super) all: &'a Json,
    pub(super) key: &'a str,
}

/// Signs a request by its published address, and writes what carries the signature.
pub(super) fn sign(
    definition: &Compiled,
    secret: &Secret<'_>,
    rendered: &Request,
    request: &mut reqwest::Request,
    now: DateTime<Utc>,
) -> Result<(), SignError> {
    let (Some(spec), Some(text)) = (&definition.spec().auth.sign, &definition.auth.text) else {
        return Err(SignError::Template { place: "sign".to_owned(), source: None });
    };
    let mut vars = variables(rendered, request, now);
    vars.set("nonce", &json!(Uuid::new_v4().to_string()));
    vars.set("secret", secret.all);
    let text = written(text, &vars, "sign.text")?;
    let signature =
        signature(spec.algorithm, spec.encoding, secret.key.as_bytes(), text.as_bytes());
    vars.set("signature", &json!(signature));
    write_headers(request, &definition.auth.signed_headers, &vars, "sign.headers")?;
    for (name, template) in &definition.auth.signed_query {
        let value = written(template, &vars, &format!("sign.query.{name}"))?;
        query::put(request.url_mut(), name, &value);
    }
    Ok(())
}

/// What the text may be made of.
fn variables(rendered: &Request, request: &reqwest::Request, now: DateTime<Utc>) -> Vars {
    let published = Url::parse(&rendered.published).ok();
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let mut vars = Vars::default();
    let texts = [
        ("method", rendered.method.as_str()),
        ("path", published.as_ref().map_or("/", Url::path)),
        ("query", published.as_ref().and_then(Url::query).unwrap_or_default()),
        ("host", published.as_ref().and_then(Url::host_str).unwrap_or_default()),
        ("contentType", kind.unwrap_or_default()),
        ("body", &String::from_utf8_lossy(&rendered.body)),
        ("timestamp", &now.timestamp().to_string()),
        ("millis", &now.timestamp_millis().to_string()),
        ("date", &now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
    ];
    for (name, text) in texts {
        vars.set(name, &Json::from(text));
    }
    vars
}

/// The signature of a text.
pub(crate) fn signature(
    algorithm: Algorithm,
    encoding: Encoding,
    key: &[u8],
    text: &[u8],
) -> String {
    let tag = hmac::sign(&hmac::Key::new(hash(algorithm), key), text);
    match encoding {
        Encoding::Base64 => STANDARD.encode(tag.as_ref()),
        Encoding::Hex => hex(tag.as_ref()),
    }
}

/// The hash of that name.
pub(crate) fn hash(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart, with Python's `hmac`.
    #[test]
    fn signatures_are_as_others_make_them() {
        let sign = |algorithm, encoding| {
            signature(algorithm, encoding, b"s3cr3t", "1700000000.{\"a\":\"é\"}".as_bytes())
        };
        assert_eq!(sign(Algorithm::Sha1, Encoding::Hex), SHA1);
        assert_eq!(sign(Algorithm::Sha256, Encoding::Base64), SHA256);
        assert_eq!(sign(Algorithm::Sha512, Encoding::Hex), SHA512);
    }

    const SHA1: &str = "ff6c4cb38018ba8938c3114f14b1110dec863193";
    const SHA256: &str = "OKm+w0F8TNqlVNjaw2Ducd0LkqIi24jD9WWz4XkZ7Ac=";
    const SHA512: &str = "bbff778e4ada234b878c617c4710ea1bf801c682378847a4f8cd76b36dd134a13090b2e6b055988cf22c93765d3bab18057d181fe1aebe52522e945448e83626";
}
