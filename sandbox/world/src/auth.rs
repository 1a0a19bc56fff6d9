//! Whose request it is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use infrafabric_definition::Scheme;
use serde_json::Value as Json;

use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::sigv4::{Refused, Signed};
use crate::{oci, ovh, service_account};

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
    let auth = &provider.compiled.spec().auth;
    let found = match auth.scheme {
        Scheme::Bearer => scheme(header, "bearer").and_then(|token| provider.account(token)),
        Scheme::Basic => scheme(header, "basic").and_then(|pair| by_pair(provider, pair)),
        Scheme::Header => {
            let name = auth.name.as_ref().map_or("", |name| name.as_str());
            let prefix = auth.prefix.as_ref().map_or("", |prefix| prefix.as_str());
            let token = received.header(name).and_then(|text| text.strip_prefix(prefix));
            token.and_then(|token| provider.account(token))
        }
        Scheme::Query => {
            let name = auth.name.as_ref().map_or("", |name| name.as_str());
            let token = received.query.get(name).and_then(Json::as_str);
            token.and_then(|token| provider.account(token))
        }
        Scheme::Oauth2 => match scheme(header, "bearer") {
            Some(token) => provider.account_of_token(token, now),
            None => by_client(provider, received),
        },
        Scheme::JwtBearer => match scheme(header, "bearer") {
            Some(token) => provider.account_of_token(token, now),
            None => service_account::authenticate(provider, received, now),
        },
        Scheme::Oci => return oci::authenticate(provider, received, now).map(without_region),
        Scheme::Ovh => return ovh::authenticate(provider, received, now).map(without_region),
        Scheme::AwsSigv4 => {
            return signed(provider, received, header, now).map_err(|refused| refused.to_string());
        }
    };
    found.map(without_region).ok_or_else(|| "Unable to authenticate you".to_owned())
}

/// Takes the credentials out of what templates see.
pub(crate) fn hide(provider: &Provider, received: &mut Received) {
    let auth = &provider.compiled.spec().auth;
    let name = auth.name.as_ref().map_or("", |name| name.as_str());
    let values = match auth.scheme {
        Scheme::Query => &mut received.query,
        _ => &mut received.headers,
    };
    let carries = |key: &str| match auth.scheme {
        Scheme::Header | Scheme::Query => key.eq_ignore_ascii_case(name),
        // `Authorization` is never among them.
        Scheme::Bearer | Scheme::Basic | Scheme::Oauth2 | Scheme::JwtBearer | Scheme::Oci => false,
        Scheme::Ovh => ovh::HEADERS.contains(&key.to_ascii_lowercase().as_str()),
        Scheme::AwsSigv4 => key.eq_ignore_ascii_case("x-amz-security-token"),
    };
    if let Some(values) = values.as_object_mut() {
        values.retain(|key, _| !carries(key));
    }
}

fn without_region(account: Arc<Account>) -> Authenticated {
    Authenticated { account, region: None }
}

/// What stands after the scheme's name in an `Authorization` header.
fn scheme<'a>(header: Option<&'a str>, name: &str) -> Option<&'a str> {
    let (scheme, rest) = header?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim())
}

/// The account of a client that asks for an access token with its secret.
fn by_client(provider: &Provider, received: &Received) -> Option<Arc<Account>> {
    let text = |key: &str| received.req[key].as_str();
    if text("grant_type") != Some("client_credentials") {
        return None;
    }
    let account = provider.account(text("client_id")?)?;
    let key = provider.compiled.spec().auth.secret.get(1)?;
    let wanted = account.secrets.get(key.as_str())?;
    (text("client_secret") == Some(wanted)).then_some(account)
}

/// The account of a user, if the password is right; without one in the definition it is empty.
fn by_pair(provider: &Provider, pair: &str) -> Option<Arc<Account>> {
    let text = String::from_utf8(STANDARD.decode(pair).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    let account = provider.account(user)?;
    let key = provider.compiled.spec().auth.secret.get(1);
    let wanted = key.and_then(|key| account.secrets.get(key.as_str())).map_or("", String::as_str);
    (password == wanted).then_some(account)
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
