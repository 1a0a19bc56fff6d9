//! Verification of signatures with a shared secret. The text is the definition's; the hash is another
//! library than the signer's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use infrafabric_adapters::compile::{Template, Vars, plain};
use infrafabric_definition::{Algorithm, Encoding};
use serde_json::Value as Json;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::capture::{match_parts, parts};
use crate::login::{says, secrets};
use crate::provider::{Account, Provider};
use crate::received::Received;
use crate::sigv4::hex;

/// How far a request's time may be from ours.
const SKEW: TimeDelta = TimeDelta::minutes(1);

/// The account whose secret signed the request, or what is wrong.
pub(crate) fn authenticate(
    provider: &Provider,
    received: &Received,
    now: DateTime<Utc>,
) -> Result<Arc<Account>, String> {
    let accounts = provider.accounts();
    let found = accounts.into_iter().find(|account| signed(provider, account, received).is_some());
    let account = found.ok_or("Invalid signature")?;
    let said = |name: &str| said(provider, received, name);
    let at = said("timestamp").and_then(|text| DateTime::from_timestamp(text.parse().ok()?, 0));
    let at = at.or_else(|| DateTime::from_timestamp_millis(said("millis")?.parse().ok()?));
    let at = at.or_else(|| Some(DateTime::parse_from_rfc2822(&said("date")?).ok()?.to_utc()));
    match at {
        Some(at) if (at - now).abs() > SKEW => Err("Invalid timestamp".to_owned()),
        _ => Ok(account),
    }
}

/// What the request says of a variable, where a header or a parameter is that variable and no more.
fn said(provider: &Provider, received: &Received, name: &str) -> Option<String> {
    let auth = &provider.compiled.auth;
    let value = |template: &Template, text: &str| {
        let found = match_parts(&parts(template), text)?;
        found.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    };
    let mut headers = auth.signed_headers.iter();
    headers.find_map(|(key, template)| value(template, received.header(key)?)).or_else(|| {
        let mut query = auth.signed_query.iter();
        query.find_map(|(key, template)| value(template, &plain(received.query.get(key)?)))
    })
}

/// Whether the account signed it.
fn signed(provider: &Provider, account: &Account, received: &Received) -> Option<()> {
    let spec = provider.compiled.spec().auth.sign.as_deref()?;
    let auth = &provider.compiled.auth;
    // A provider knows itself by its published addresses.
    let further = provider.compiled.endpoints.values().map(|further| &further.url);
    for base in std::iter::once(&provider.compiled.endpoint).chain(further) {
        let Some(base) = base.pattern().collect::<Option<Vec<&str>>>() else { continue };
        let base = base.concat();
        let rest = base.split_once("://").map_or(base.as_str(), |(_, rest)| rest);
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut vars = variables(provider, account, received);
        vars.set("host", &Json::from(host));
        vars.set("path", &Json::from(format!("{path}{}", received.path)));
        let text = auth.text.as_ref()?.render_text(&vars, ToOwned::to_owned).ok()??;
        let key = account.secrets.get(spec.key.as_str())?.as_bytes();
        let bytes = match spec.algorithm {
            Algorithm::Sha1 => mac::<Hmac<Sha1>>(key, &text)?,
            Algorithm::Sha256 => mac::<Hmac<Sha256>>(key, &text)?,
            Algorithm::Sha512 => mac::<Hmac<Sha512>>(key, &text)?,
        };
        let signature = match spec.encoding {
            Encoding::Hex => hex(&bytes),
            Encoding::Base64 => STANDARD.encode(&bytes),
        };
        vars.set("signature", &Json::from(signature));
        let query = auth.signed_query.iter().all(|(key, template)| {
            let wanted = template.render_text(&vars, ToOwned::to_owned).ok().flatten();
            wanted.is_some() && received.query.get(key).and_then(Json::as_str) == wanted.as_deref()
        });
        if query && says(&auth.signed_headers, &vars, received) {
            return Some(());
        }
    }
    None
}

pub(crate) fn mac<M: Mac + hmac::digest::KeyInit>(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut mac = <M as Mac>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

fn variables(provider: &Provider, account: &Account, received: &Received) -> Vars {
    let carriers: Vec<&str> =
        provider.compiled.auth.signed_query.iter().map(|(name, _)| name.as_str()).collect();
    let mine = |pair: &&str| !carriers.contains(&pair.split('=').next().unwrap_or_default());
    let query: Vec<&str> = received.wire_query.split('&').filter(mine).collect();
    let mut vars = secrets(account);
    let texts = [
        ("method", received.verb.as_str()),
        ("query", &query.join("&")),
        ("contentType", received.header("content-type").unwrap_or_default()),
        ("body", &String::from_utf8_lossy(&received.body)),
    ];
    for (name, text) in texts {
        vars.set(name, &Json::from(text));
    }
    for name in ["timestamp", "millis", "date", "nonce"] {
        if let Some(text) = said(provider, received, name) {
            vars.set(name, &Json::from(text));
        }
    }
    vars
}
