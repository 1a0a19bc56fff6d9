//! Oracle's request signature: an HTTP signature (draft-cavage-http-signatures) with RSA and SHA-256.
//! <https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use sha2::{Digest as _, Sha256};
use url::{Position, Url};

use super::rsa::RsaKey;
use super::{SignError, carry};

/// Who signs, and with what.
pub(super) struct Key<'a> {
    pub(super) tenancy: &'a str,
    pub(super) user: &'a str,
    pub(super) fingerprint: &'a str,
    pub(super) private: &'a RsaKey,
}

/// Signs a request as it leaves. Its body is signed where the method has one, an empty one too.
pub(super) fn sign(
    key: &Key<'_>,
    body: &[u8],
    request: &mut reqwest::Request,
    now: DateTime<Utc>,
) -> Result<(), SignError> {
    let put = |headers: &mut HeaderMap, name: HeaderName, text: &str| {
        headers.insert(name, HeaderValue::from_str(text).map_err(SignError::Header)?);
        Ok(())
    };
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    put(request.headers_mut(), DATE, &date)?;
    let mut names = "date (request-target) host".to_owned();
    let method = request.method().as_str().to_ascii_lowercase();
    let url = request.url();
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let mut text =
        format!("date: {date}\n(request-target): {method} {target}\nhost: {}", host(url));
    if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        let headers = request.headers_mut();
        if !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let kind = headers[CONTENT_TYPE].to_str().unwrap_or_default().to_owned();
        let (length, digest) = (body.len().to_string(), STANDARD.encode(Sha256::digest(body)));
        put(headers, CONTENT_LENGTH, &length)?;
        put(headers, HeaderName::from_static("x-content-sha256"), &digest)?;
        names.push_str(" content-length content-type x-content-sha256");
        text = format!(
            "{text}\ncontent-length: {length}\ncontent-type: {kind}\nx-content-sha256: {digest}"
        );
    }
    let signature = key.private.sign(text.as_bytes()).map_err(SignError::Key)?;
    let header = format!(
        "Signature algorithm=\"rsa-sha256\",headers=\"{names}\",keyId=\"{}/{}/{}\",signature=\"{}\",version=\"1\"",
        key.tenancy,
        key.user,
        key.fingerprint,
        STANDARD.encode(signature)
    );
    carry(request, AUTHORIZATION, &header)
}

/// What stands in the header `host`: the port only when it is not the scheme's own.
fn host(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}
