//! Signed tokens (RFC 7519) that come with a delivery, and the published keys (RFC 7517) that verify
//! them. Only RS256 is taken: a token does not choose how it is verified.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value as Json;

use super::WebhookError;
use super::proof::same;

/// The most keys of a set that are kept.
const MOST_KEYS: usize = 64;
/// How long nobody asks again for keys that did not have the one that was named: forged tokens name any.
const PAUSE: TimeDelta = TimeDelta::minutes(5);
/// The same after a question that failed.
const FAILED: TimeDelta = TimeDelta::seconds(30);
/// How long keys are believed: one that was taken back is no longer among those that are asked for then.
const OLD: TimeDelta = TimeDelta::hours(24);

/// The keys that a provider publishes.
#[derive(Default)]
pub(crate) struct Published {
    keys: HashMap<String, (Vec<u8>, Vec<u8>)>,
    renewed: Option<DateTime<Utc>>,
    /// Not asked for before.
    next: Option<DateTime<Utc>>,
}

impl Published {
    /// Whether they may be asked for now.
    pub(crate) fn is_due(&self, now: DateTime<Utc>) -> bool {
        // A clock that was set back does not silence us.
        self.next.is_none_or(|next| now >= next || next - now > PAUSE)
    }

    /// They were asked for, and these came.
    pub(crate) fn renew(&mut self, set: &Json, now: DateTime<Utc>) {
        self.take(set);
        self.renewed = Some(now);
        self.next = Some(now + PAUSE);
    }

    /// They could not be had.
    pub(crate) fn failed(&mut self, now: DateTime<Utc>) {
        self.next = Some(now + FAILED);
    }

    fn key(&self, name: &str, now: DateTime<Utc>) -> Option<&(Vec<u8>, Vec<u8>)> {
        let fresh = self.renewed.is_none_or(|renewed| now - renewed < OLD);
        self.keys.get(name).filter(|_| fresh)
    }

    /// Takes a set as it is published.
    pub(crate) fn take(&mut self, set: &Json) {
        let bytes = |key: &Json, name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
        let keys = set.get("keys").and_then(Json::as_array);
        let keys = keys.into_iter().flatten().filter(|key| key["kty"] == "RSA");
        let keys = keys.filter_map(|key| {
            Some((key.get("kid")?.as_str()?.to_owned(), (bytes(key, "n")?, bytes(key, "e")?)))
        });
        let keys: HashMap<_, _> = keys.take(MOST_KEYS).collect();
        // An answer without keys says nothing of those that are known.
        if !keys.is_empty() {
            self.keys = keys;
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
}

/// When a token was written, if its provider wrote it for one of the audiences and it is good now.
pub(super) fn verify(
    published: &Published,
    token: &str,
    issuer: &str,
    audiences: &[Vec<u8>],
    (now, tolerance): (DateTime<Utc>, Duration),
) -> Result<Option<DateTime<Utc>>, WebhookError> {
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(tail), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(WebhookError::Forged);
    };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| WebhookError::Forged);
    let header: Header =
        serde_json::from_slice(&decode(head)?).map_err(|_| WebhookError::Forged)?;
    if header.alg != "RS256" {
        return Err(WebhookError::Forged);
    }
    let (n, e) = published.key(&header.kid, now).ok_or(WebhookError::UnknownKey)?;
    let signed = format!("{head}.{body}");
    RsaPublicKeyComponents { n, e }
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(tail)?)
        .map_err(|_| WebhookError::Forged)?;
    let claims: Claims =
        serde_json::from_slice(&decode(body)?).map_err(|_| WebhookError::Forged)?;
    let ours = audiences.iter().any(|audience| same(audience, claims.aud.as_bytes()));
    if claims.iss != issuer || !ours {
        return Err(WebhookError::Forged);
    }
    let within = i64::try_from(tolerance.as_secs()).unwrap_or(i64::MAX);
    let late = now.timestamp().saturating_sub(claims.exp);
    let early = claims.nbf.or(claims.iat).unwrap_or_default().saturating_sub(now.timestamp());
    if late > within || early > within {
        let seconds = if late > within { late } else { early.saturating_neg() };
        return Err(WebhookError::Stale { seconds, tolerance });
    }
    Ok(claims.iat.or(claims.nbf).and_then(|at| DateTime::from_timestamp(at, 0)))
}
