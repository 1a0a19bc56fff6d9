//! AWS Signature Version 4 in headers, by the vendor's own crate.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningError, SigningInstructions, SigningSettings,
    sign as sign_http,
};
use aws_sigv4::sign::v4::{SigningParams, signing_params::BuildError};
use aws_smithy_runtime_api::client::identity::Identity;
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use thiserror::Error;

/// An access key.
pub(super) struct Key<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
    pub(super) session: Option<&'a str>,
}

/// What a signature is valid for.
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) time: DateTime<Utc>,
}

/// Why there is no signature.
#[derive(Debug, Error)]
pub(crate) enum SignatureError {
    /// Signatures hold a region and none is given.
    #[error("a signature needs a region and the account has none")]
    Region,
    /// Signatures hold a service name and the definition has none.
    #[error("a signature needs `auth.service` and the definition has none")]
    Service,
    /// A header is no text.
    #[error("read the headers to sign")]
    Headers,
    /// The parameters are incomplete.
    #[error("collect what is signed")]
    Parameters(#[source] BuildError),
    /// The signature cannot be computed.
    #[error("compute the signature")]
    Compute(#[source] SigningError),
    /// The signature does not fit into a header.
    #[error("put the signature into headers")]
    Apply,
}

/// Signs method, URL, headers and body.
pub(super) fn sign(
    key: &Key<'_>,
    scope: &Scope<'_>,
    request: &mut reqwest::Request,
) -> Result<(), SignatureError> {
    // The signer traces what it signs, session token included: nobody listens while it works.
    let quiet = tracing::subscriber::NoSubscriber::new();
    let instructions =
        tracing::subscriber::with_default(quiet, || instructions(key, scope, request))?;
    let (headers, _) = instructions.into_parts();
    for header in headers {
        let name = HeaderName::from_static(header.name());
        let mut value = HeaderValue::from_str(header.value()).map_err(|_| SignatureError::Apply)?;
        value.set_sensitive(header.sensitive() || name == AUTHORIZATION);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

fn instructions(
    key: &Key<'_>,
    scope: &Scope<'_>,
    request: &reqwest::Request,
) -> Result<SigningInstructions, SignatureError> {
    if scope.region.is_empty() {
        return Err(SignatureError::Region);
    }
    let identity: Identity = Credentials::new(
        key.id,
        key.secret,
        key.session.map(ToOwned::to_owned),
        None,
        "infrafabric",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service.ok_or(SignatureError::Service)?)
        .time(scope.time.into())
        .settings(SigningSettings::default())
        .build()
        .map_err(SignatureError::Parameters)?
        .into();
    let mut headers = Vec::new();
    for (name, value) in request.headers() {
        headers.push((name.as_str(), value.to_str().map_err(|_| SignatureError::Headers)?));
    }
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.url().as_str(),
        headers.into_iter(),
        SignableBody::Bytes(body),
    )
    .map_err(SignatureError::Compute)?;
    let (instructions, _) =
        sign_http(signable, &params).map_err(SignatureError::Compute)?.into_parts();
    Ok(instructions)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn authorization(request: &reqwest::Request) -> &str {
        request.headers()["authorization"].to_str().expect("text")
    }

    /// `get-vanilla` of the vendor's own signing test suite.
    #[test]
    fn the_vendors_vector_is_met() {
        let url = "https://example.amazonaws.com/".parse().expect("a URL");
        let mut request = reqwest::Request::new(http::Method::GET, url);
        let key = Key { id: "AKIDEXAMPLE", secret: SECRET, session: None };
        let time = "2015-08-30T12:36:00Z".parse().expect("a time");
        let scope = Scope { region: "us-east-1", service: Some("service"), time };
        sign(&key, &scope, &mut request).expect("signs");
        assert_eq!(
            authorization(&request),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert!(request.headers()["authorization"].is_sensitive());
    }

    /// The signature was computed apart, with Python's `hmac` over the canonical request
    /// `POST\n/\n\ncontent-type:…\nhost:…\nx-amz-date:…\nx-amz-security-token:…\n\n…`.
    #[test]
    fn a_form_with_a_session_token_is_signed() {
        let url = "https://ec2.eu-central-1.amazonaws.com/".parse().expect("a URL");
        let mut request = reqwest::Request::new(http::Method::POST, url);
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        *request.body_mut() = Some("Action=DescribeRegions&Version=2016-11-15".into());
        let session = Some("FwoGZXIvYXdzEXAMPLE");
        let key = Key { id: "AKIDEXAMPLE", secret: SECRET, session };
        let time = "2026-11-22T21:30:00Z".parse().expect("a time");
        let scope = Scope { region: "eu-central-1", service: Some("ec2"), time };
        sign(&key, &scope, &mut request).expect("signs");
        let expected = "a91272abaa3f85c2e0e527f7ba8ee47da29e8c04949db0802403af92fd72690d";
        assert!(authorization(&request).ends_with(expected), "{}", authorization(&request));
    }

    #[test]
    fn what_a_signature_needs_is_named() {
        let url: url::Url = "https://example.amazonaws.com/".parse().expect("a URL");
        let key = Key { id: "AKIDEXAMPLE", secret: SECRET, session: None };
        let signed = |region, service| {
            let mut request = reqwest::Request::new(http::Method::GET, url.clone());
            let time = DateTime::UNIX_EPOCH;
            sign(&key, &Scope { region, service, time }, &mut request)
        };
        assert!(matches!(signed("", Some("ec2")), Err(SignatureError::Region)));
        assert!(matches!(signed("us-east-1", None), Err(SignatureError::Service)));
    }
}
