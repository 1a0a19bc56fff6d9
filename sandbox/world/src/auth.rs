//! Whose request it is.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use infrafabric_definition::Scheme;

use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::sigv4::{Refused, Signed};

/// An authenticated request.
pub(crate) struct Authenticated {
    /// The account.
    pub(crate) account: Arc<Account>,
    /// The region the request was signed for.
    pub(crate) region: Option<String>,
}

/// The account, or a sentence saying why the credentials are refused.
pub(crate) fn authenticate(
    provider: &Provider,
    received: &Received,
    now: DateTime<Utc>,
) -> Result<Authenticated, String> {
    let header = received.header("authorization");
    match provider.compiled.spec().auth.scheme {
        Scheme::Bearer => {
            let token = header
                .and_then(|header| header.split_once(' '))
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim());
            let account = token.and_then(|token| provider.account(token));
            account
                .map(|account| Authenticated { account, region: None })
                .ok_or_else(|| "Unable to authenticate you".to_owned())
        }
        Scheme::AwsSigv4 => {
            signed(provider, received, header, now).map_err(|refused| refused.to_string())
        }
    }
}

fn signed(
    provider: &Provider,
    received: &Received,
    header: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Authenticated, Refused> {
    let signed = Signed::parse(header)?;
    let spec = provider.compiled.spec();
    let services = spec.endpoints.values().filter_map(|endpoint| endpoint.service.as_ref());
    let mut services = spec.auth.service.iter().chain(services).peekable();
    if services.peek().is_some() && !services.any(|service| service.as_str() == signed.service) {
        return Err(Refused::Service(signed.service.to_owned()));
    }
    let account = provider.account(signed.access_key).ok_or(Refused::Signature)?;
    let secret = spec.auth.secret.get(1).and_then(|key| account.secrets.get(key.as_str()));
    signed.verify(received, secret.ok_or(Refused::Signature)?, now)?;
    Ok(Authenticated { account, region: Some(signed.region.to_owned()) })
}
