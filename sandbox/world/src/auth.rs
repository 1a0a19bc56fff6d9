//! Whose request it is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use infrafabric_definition::{Carrier, Name, Scheme};

use crate::provider::{Account, Provider};
use crate::received::{Received, decode};
use crate::sigv4::{Refused, Signed};
use crate::{login, oci, ovh, service_account, signature};

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
    let carried = || carried(provider, received);
    let found = match auth.scheme {
        Scheme::None => provider.account(""),
        Scheme::Obs => {
            let session = received.session.as_deref();
            provider.accounts().into_iter().find(|account| session == Some(&*account.digest))
        }
        Scheme::Basic => scheme(header, "basic").and_then(|pair| by_pair(provider, pair)),
        Scheme::Bearer | Scheme::Header | Scheme::Query | Scheme::Path => {
            carried().and_then(|token| provider.account(token))
        }
        Scheme::Headers => login::by_headers(provider, received),
        Scheme::Hmac => {
            return signature::authenticate(provider, received, now).map(without_region);
        }
        Scheme::Oauth2 | Scheme::Oauth2Refresh | Scheme::JwtBearer | Scheme::Exchange => {
            match (carried(), auth.scheme) {
                (Some(token), _) => provider.account_of_token(token, now),
                (None, Scheme::Oauth2) => by_client(provider, received),
                (None, Scheme::Oauth2Refresh) => login::by_refresh(provider, received),
                (None, Scheme::Exchange) => login::by_login(provider, received),
                (None, _) => service_account::authenticate(provider, received, now),
            }
        }
        Scheme::Oci => return oci::authenticate(provider, received, now).map(without_region),
        Scheme::Ovh => return ovh::authenticate(provider, received, now).map(without_region),
        Scheme::AwsSigv4 => {
            return signed(provider, received, header, now).map_err(|refused| refused.to_string());
        }
    };
    found.map(without_region).ok_or_else(|| "Unable to authenticate you".to_owned())
}

/// Whoever asks what takes no credentials; who sends some is told, since they belong elsewhere.
pub(crate) fn anybody(provider: &Provider, received: &Received) -> Result<Authenticated, String> {
    if received.header("authorization").is_some() || carried(provider, received).is_some() {
        return Err("credentials are not taken here".to_owned());
    }
    let any = provider.accounts().into_iter().next();
    any.map(without_region).ok_or_else(|| "no account".to_owned())
}

/// Takes the credentials out of what templates see.
pub(crate) fn hide(provider: &Provider, received: &mut Received) {
    let auth = &provider.compiled.spec().auth;
    let signed = auth.sign.as_deref();
    let name = auth.name.as_ref().map(Name::as_str);
    let is = |known: &str, key: &str| known.eq_ignore_ascii_case(key);
    let in_query = |key: &str| {
        let named = carrier(provider) == Some(Carrier::Query) && name == Some(key);
        let written = auth.query.keys().any(|known| known.as_str() == key);
        named
            || written
            || signed.is_some_and(|sign| sign.query.keys().any(|known| known.as_str() == key))
    };
    // `Authorization` is never among them.
    let in_headers = |key: &str| match auth.scheme {
        Scheme::Ovh => ovh::HEADERS.contains(&key.to_ascii_lowercase().as_str()),
        Scheme::AwsSigv4 => is("x-amz-security-token", key),
        Scheme::Headers => auth.headers.keys().any(|known| is(known.as_str(), key)),
        Scheme::Hmac => {
            signed.is_some_and(|sign| sign.headers.keys().any(|known| is(known.as_str(), key)))
        }
        _ => carrier(provider) == Some(Carrier::Header) && name.is_some_and(|name| is(name, key)),
    };
    if let Some(values) = received.query.as_object_mut() {
        values.retain(|key, _| !in_query(key));
    }
    if let Some(values) = received.headers.as_object_mut() {
        values.retain(|key, _| !in_headers(key));
    }
}

/// Where requests carry the token, if the scheme has one.
fn carrier(provider: &Provider) -> Option<Carrier> {
    let auth = &provider.compiled.spec().auth;
    match auth.scheme {
        Scheme::Bearer => Some(Carrier::Bearer),
        Scheme::Header => Some(Carrier::Header),
        Scheme::Query => Some(Carrier::Query),
        Scheme::Path => Some(Carrier::Path),
        scheme => scheme.fetches_token().then(|| auth.carrier.unwrap_or_default()),
    }
}

/// The token that a request carries.
fn carried<'a>(provider: &Provider, received: &'a Received) -> Option<&'a str> {
    let auth = &provider.compiled.spec().auth;
    let name = auth.name.as_ref().map_or("", |name| name.as_str());
    match carrier(provider)? {
        Carrier::Bearer => scheme(received.header("authorization"), "bearer"),
        Carrier::Header => {
            let prefix = auth.prefix.as_ref().map_or("", |prefix| prefix.as_str());
            received.header(name)?.strip_prefix(prefix)
        }
        Carrier::Query => received.query.get(name)?.as_str(),
        Carrier::Path => received.path_token.as_deref(),
    }
}

/// Takes the token out of the path, so that what is left is an operation's.
pub(crate) fn take_path_token(provider: &Provider, received: &mut Received) {
    if carrier(provider) != Some(Carrier::Path) {
        return;
    }
    let prefix = provider.compiled.spec().auth.prefix.as_ref().map_or("", |prefix| prefix.as_str());
    let Some(rest) = received.path.strip_prefix(prefix) else { return };
    let (token, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    received.path_token = Some(decode(token));
    received.path = path.to_owned();
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
