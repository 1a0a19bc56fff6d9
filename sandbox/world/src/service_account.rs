//! Signed requests for access tokens (RFC 7523), verified.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::rsa;

/// The longest that a request may be good for.
const LONGEST_SECONDS: i64 = 3600;
/// How far ahead the asker's clock may be.
const AHEAD_SECONDS: i64 = 300;

/// The account that signed the request.
pub(crate) fn authenticate(
    provider: &Provider,
    received: &Received,
    now: DateTime<Utc>,
) -> Option<Arc<Account>> {
    let text = |key: &str| received.req[key].as_str();
    if text("grant_type") != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return None;
    }
    let (signed, signature) = text("assertion")?.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let (header, claims) = (part(header)?, part(claims)?);
    let (issued, ends) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    let now = now.timestamp();
    let in_time = issued <= now + AHEAD_SECONDS && ends > now && ends - issued <= LONGEST_SECONDS;
    let asks = claims["scope"].as_str().is_some_and(|scope| !scope.is_empty());
    // A provider knows itself by its published addresses.
    let audience = claims["aud"].as_str()?;
    let further = provider.compiled.endpoints.values().map(|further| &further.url);
    let mut bases = std::iter::once(&provider.compiled.endpoint).chain(further);
    let ours = bases.any(|base| {
        let base: Option<Vec<&str>> = base.pattern().collect();
        base.is_some_and(|base| audience == format!("{}{}", base.concat(), received.path))
    });
    if header["alg"] != "RS256" || !in_time || !asks || !ours {
        return None;
    }
    let account = provider.account(claims["iss"].as_str()?)?;
    let name = provider.compiled.spec().auth.secret.first()?;
    let file: Json = serde_json::from_str(account.secrets.get(name.as_str())?).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = file["private_key"].as_str()?;
    rsa::signed(key, signed.as_bytes(), &signature).then_some(account)
}

/// What an account is known by: the address in its key file.
pub(crate) fn email(file: &str) -> Option<String> {
    let file: Json = serde_json::from_str(file).ok()?;
    Some(file["client_email"].as_str()?.to_owned())
}

fn part(text: &str) -> Option<Json> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
