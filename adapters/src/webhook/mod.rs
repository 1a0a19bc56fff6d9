//! Deliveries of a provider: told from forgeries and from what is old, before anything believes them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use infrafabric_definition::{Algorithm, Encoding, KeyForm, Proof, Webhook};
use ring::{hmac, signature};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use thiserror::Error;
use url::Url;

use crate::compile::{Compiled, CompiledWebhook, EvaluationError, Template, Vars, plain};
use crate::pipeline::hash;

/// The most signatures of one delivery that are looked at.
const MOST_SIGNATURES: usize = 16;

/// A request that says it comes from the provider.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The address that the provider called, query included.
    pub url: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body as it came.
    pub body: &'a [u8],
}

/// What a delivery says, once it is known to come from the provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What the event is known by when it is delivered again.
    pub id: Option<String>,
    /// The vendor's name for what happened.
    pub kind: Option<String>,
    /// When it was signed.
    pub signed: Option<DateTime<Utc>>,
    /// The body, as JSON or form; null when it is neither.
    pub body: Json,
}

/// Why a delivery is not believed. Never says what was sent, nor the secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WebhookError {
    /// The definition does not say how deliveries are signed.
    #[error("the definition has no `webhook`: its deliveries cannot be told from forgeries")]
    Undefined,
    /// The Secret has none of the keys.
    #[error("the Secret has none of the keys {0}")]
    NoSecret(String),
    /// The Secret's key is not of the form that the definition says.
    #[error("the Secret's key `{0}` is not written as the definition says")]
    Key(String),
    /// There is no signature where it should stand.
    #[error("the delivery carries no signature")]
    Unsigned,
    /// No signature is right.
    #[error("the signature is wrong: forged, changed on the way, or signed with another secret")]
    Forged,
    /// It does not say when it was signed.
    #[error("the delivery does not say when it was signed")]
    Undated,
    /// It is too old, or from the future: perhaps somebody sends it again.
    #[error(
        "signed {seconds} s ago, and {tolerance:?} are allowed: sent again, or a clock is wrong"
    )]
    Stale {
        /// Its age; negative when it is from the future.
        seconds: i64,
        /// What is allowed.
        tolerance: Duration,
    },
    /// The body is no text.
    #[error("the body is not UTF-8")]
    Binary,
    /// An expression of the definition fails on it.
    #[error("evaluate `webhook.{name}`")]
    Evaluate {
        /// The expression's name.
        name: &'static str,
        /// Why.
        source: EvaluationError,
    },
}

/// What a delivery says, if it comes from the provider and is not old at that time.
pub fn verify(
    definition: &Compiled,
    secrets: &BTreeMap<String, SecretString>,
    delivery: &Delivery<'_>,
    now: DateTime<Utc>,
) -> Result<Event, WebhookError> {
    Verifier::open(definition, secrets).verify(definition, delivery, now)
}

/// The secrets of an account that verify deliveries.
pub(crate) struct Verifier {
    keys: Vec<(String, SecretString)>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Takes what the definition names of the Secret; none is fine until a delivery comes.
    pub(crate) fn open(definition: &Compiled, secrets: &BTreeMap<String, SecretString>) -> Self {
        let names = definition.spec().webhook.iter().flat_map(|webhook| &webhook.secret);
        let held = |name: &str| {
            let value = secrets.get(name)?.expose_secret().trim();
            (!value.is_empty()).then(|| (name.to_owned(), SecretString::from(value)))
        };
        Self { keys: names.filter_map(|name| held(name.as_str())).collect() }
    }

    /// What a delivery says, if it comes from the provider and is not old.
    pub(crate) fn verify(
        &self,
        definition: &Compiled,
        delivery: &Delivery<'_>,
        now: DateTime<Utc>,
    ) -> Result<Event, WebhookError> {
        let (Some(spec), Some(webhook)) = (&definition.spec().webhook, &definition.webhook) else {
            return Err(WebhookError::Undefined);
        };
        let keys = self.bytes(spec)?;
        let body = std::str::from_utf8(delivery.body).map_err(|_| WebhookError::Binary)?;
        let (vars, event) = variables(delivery, body);
        let evaluate = |name, template: &Template| {
            template.render(&vars).map_err(|source| WebhookError::Evaluate { name, source })
        };
        let given = match evaluate("signature", &webhook.signature)? {
            Some(Json::Array(given)) => given.iter().map(plain).take(MOST_SIGNATURES).collect(),
            Some(one) => vec![plain(&one)],
            None => Vec::new(),
        };
        if given.iter().all(String::is_empty) {
            return Err(WebhookError::Unsigned);
        }
        let text = match &webhook.text {
            None => body.to_owned(),
            Some(text) => plain(&evaluate("text", text)?.ok_or(WebhookError::Unsigned)?),
        };
        let right =
            |key: &Vec<u8>| given.iter().any(|given| proves(spec, key, text.as_bytes(), given));
        if !keys.iter().any(right) {
            return Err(WebhookError::Forged);
        }
        let signed = signed(webhook, &evaluate, now)?;
        let text = |name, template: &Option<Template>| match template {
            Some(template) => Ok(evaluate(name, template)?.as_ref().map(plain)),
            None => Ok(None),
        };
        let (id, kind) = (text("id", &webhook.id)?, text("kind", &webhook.kind)?);
        Ok(Event { id, kind, signed, body: event })
    }

    /// The keys as bytes.
    fn bytes(&self, spec: &Webhook) -> Result<Vec<Vec<u8>>, WebhookError> {
        if self.keys.is_empty() {
            let names: Vec<String> = spec.secret.iter().map(|name| format!("`{name}`")).collect();
            return Err(WebhookError::NoSecret(names.join(", ")));
        }
        let read = |(name, key): &(String, SecretString)| {
            key_bytes(key.expose_secret(), spec.key.as_ref())
                .ok_or_else(|| WebhookError::Key(name.clone()))
        };
        self.keys.iter().map(read).collect()
    }
}

/// When it was signed, if the definition says where that stands.
fn signed(
    webhook: &CompiledWebhook,
    evaluate: &impl Fn(&'static str, &Template) -> Result<Option<Json>, WebhookError>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, WebhookError> {
    let Some(template) = &webhook.timestamp else { return Ok(None) };
    let given = evaluate("timestamp", template)?.as_ref().map(plain);
    let at = given.and_then(|text| time(&text)).ok_or(WebhookError::Undated)?;
    let (age, tolerance) = (now - at, webhook.tolerance);
    if age.abs().to_std().is_ok_and(|age| age > tolerance) {
        return Err(WebhookError::Stale { seconds: age.num_seconds(), tolerance });
    }
    Ok(Some(at))
}

/// Seconds or milliseconds since 1970, or RFC 3339.
fn time(text: &str) -> Option<DateTime<Utc>> {
    /// As seconds it is the year 5138.
    const MILLIS: i64 = 100_000_000_000;
    match text.parse::<i64>() {
        Ok(seconds) if seconds.abs() < MILLIS => DateTime::from_timestamp(seconds, 0),
        Ok(millis) => DateTime::from_timestamp_millis(millis),
        Err(_) => Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()),
    }
}

/// Whether the key made the signature of the text. Takes as long for a right beginning as for a wrong.
fn proves(spec: &Webhook, key: &[u8], text: &[u8], given: &str) -> bool {
    let mac = |algorithm| {
        let key = hmac::Key::new(hash(algorithm), key);
        decode(given, spec.encoding).is_some_and(|tag| hmac::verify(&key, text, &tag).is_ok())
    };
    match spec.algorithm {
        Proof::Sha1 => mac(Algorithm::Sha1),
        Proof::Sha256 => mac(Algorithm::Sha256),
        Proof::Sha512 => mac(Algorithm::Sha512),
        Proof::Ed25519 => {
            let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
            decode(given, spec.encoding).is_some_and(|given| key.verify(text, &given).is_ok())
        }
        Proof::Token => {
            let same = hmac::Key::new(hash(Algorithm::Sha256), key);
            let tag = hmac::sign(&same, key);
            hmac::verify(&same, given.as_bytes(), tag.as_ref()).is_ok()
        }
    }
}

fn key_bytes(text: &str, form: Option<&KeyForm>) -> Option<Vec<u8>> {
    let Some(form) = form else { return Some(text.as_bytes().to_vec()) };
    let prefix = form.prefix.as_ref().map_or("", |prefix| prefix.as_str());
    decode(text.strip_prefix(prefix).unwrap_or(text), form.encoding)
}

fn decode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    const BASE64: &GeneralPurpose = &STANDARD;
    match encoding {
        Encoding::Base64 => BASE64.decode(text).ok(),
        Encoding::Hex if text.len().is_multiple_of(2) && text.is_ascii() => (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
            .collect(),
        Encoding::Hex => None,
    }
}

/// What expressions see, and the body as data.
fn variables(delivery: &Delivery<'_>, body: &str) -> (Vars, Json) {
    let texts = |pairs: form_urlencoded::Parse<'_>| {
        let pairs = pairs.map(|(name, value)| (name.into_owned(), Json::from(value.into_owned())));
        Json::Object(pairs.collect::<Map<String, Json>>())
    };
    let kind = delivery.headers.get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let form = if kind.starts_with("application/x-www-form-urlencoded") {
        texts(form_urlencoded::parse(delivery.body))
    } else {
        Json::Object(Map::new())
    };
    let event = serde_json::from_str(body).unwrap_or_else(|_| {
        if form.as_object().is_some_and(Map::is_empty) { Json::Null } else { form.clone() }
    });
    let query = Url::parse(delivery.url).map(|url| texts(url.query_pairs()));
    let mut vars = Vars::default();
    vars.set("headers", &crate::pipeline::headers(delivery.headers));
    vars.set("query", &query.unwrap_or_else(|_| Json::Object(Map::new())));
    vars.set("url", &Json::from(delivery.url)).set("body", &Json::from(body));
    vars.set("form", &form).set("event", &event);
    (vars, event)
}
