//! AWS Signature Version 4 in headers, by the vendor's own crate.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningError, SigningInstructions, SigningSettings, sign as sign_http,
};
use aws_sigv4::sign::v4::{SigningParams, signing_params::BuildError};
use aws_smithy_runtime_api::client::identity::Identity;
use chrono::{DateTime, Utc};
use http::header::{HeaderName, HeaderValue};
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
        let mut value =
            HeaderValue::from_str(header.value()).map_err(|_| SignatureError::Apply)?;
        value.set_sensitive(header.sensitive());
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
    let identity: Identity =
        Credentials::new(key.id, key.secret, key.session.map(ToOwned::to_owned), None, "infrafabric")
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
    let (instructions, _) = sign_http(signable, &params).map_err(SignatureError::Compute)?.into_parts();
    Ok(instructions)
}
