//! What a simulated provider delivers to who listens, signed as the vendor signs it. Nothing here is the
//! verifier's: hashes and tokens are written anew.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use hmac::Hmac;
use infrafabric_adapters::compile::{
    Compiled, CompiledDelivery, CompiledSandboxWebhook, CompiledWebhook, EvaluationError, Vars,
    plain,
};
use infrafabric_definition::{Encoding, Proof, Webhook};
use ring::signature::Ed25519KeyPair;
use serde_json::{Map, Value as Json, json};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::rsa;
use crate::signature::mac;
use crate::sigv4::hex;

/// A request of a simulated provider to who listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// The address, with its query.
    pub url: String,
    /// The headers, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// What the contract makes of it: for each event, some of its outputs.
    pub gives: Vec<Json>,
    /// What it wants to hear, where it is a handshake.
    pub reply: Option<String>,
}

/// Everything that a definition's simulated provider delivers, signed at that time.
pub fn deliveries(
    compiled: &Compiled,
    at: DateTime<Utc>,
) -> Result<Vec<Delivered>, EvaluationError> {
    let simulated = compiled.sandbox.as_ref().and_then(|sandbox| sandbox.webhook.as_ref());
    let (Some(spec), Some(webhook), Some(simulated)) =
        (&compiled.spec().webhook, &compiled.webhook, simulated)
    else {
        return Ok(Vec::new());
    };
    let deliver = Deliver { compiled, spec, webhook, simulated, at };
    simulated.deliveries.iter().map(|one| deliver.one(one)).collect()
}

struct Deliver<'a> {
    compiled: &'a Compiled,
    spec: &'a Webhook,
    webhook: &'a CompiledWebhook,
    simulated: &'a CompiledSandboxWebhook,
    at: DateTime<Utc>,
}

impl Deliver<'_> {
    fn one(&self, delivery: &CompiledDelivery) -> Result<Delivered, EvaluationError> {
        let mut vars = self.time();
        let mut url = self.simulated.url.render_text(&vars, ToOwned::to_owned)?.unwrap_or_default();
        let mut query = Map::new();
        if let Some(Json::Object(pairs)) = part(delivery.query.as_ref(), &vars)? {
            let pairs = pairs.into_iter().map(|(name, value)| (name, plain(&value)));
            let pairs: Vec<(String, String)> = pairs.collect();
            let _ = write!(url, "?{}", encoded(&pairs));
            query.extend(pairs.into_iter().map(|(name, value)| (name, Json::from(value))));
        }
        let json = part(delivery.json.as_ref(), &vars)?;
        let form = part(delivery.form.as_ref(), &vars)?;
        let (kind, body, form) = match (json, form) {
            (Some(json), _) => (Some("application/json"), json.to_string(), Map::new()),
            (None, Some(Json::Object(form))) => {
                let pairs = form.into_iter().map(|(name, value)| (name, plain(&value)));
                let pairs: Vec<(String, String)> = pairs.collect();
                let body = encoded(&pairs);
                let form = pairs.into_iter().map(|(name, value)| (name, Json::from(value)));
                (Some("application/x-www-form-urlencoded"), body, form.collect())
            }
            _ => (None, String::new(), Map::new()),
        };
        let event = serde_json::from_str(&body).unwrap_or_else(|_| Json::Object(form.clone()));
        vars.set("url", &Json::from(url.as_str())).set("body", &Json::from(body.as_str()));
        vars.set("query", &Json::Object(query)).set("form", &Json::Object(form));
        vars.set("event", &event);
        // What is signed may name other headers; the signature is in none of it.
        let unsigned = self.headers(delivery, kind, "")?;
        let named = unsigned.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        vars.set("headers", &Json::Object(named));
        let text = match &self.webhook.text {
            Some(text) => match text.render(&vars)? {
                // Of texts that would all be believed, one is signed.
                Some(Json::Array(texts)) => texts.first().map(plain).unwrap_or_default(),
                text => text.as_ref().map(plain).unwrap_or_default(),
            },
            None => body.clone(),
        };
        let signature = self.sign(&text).unwrap_or_default();
        Ok(Delivered {
            method: if kind.is_some() { "POST" } else { "GET" },
            url,
            headers: self.headers(delivery, kind, &signature)?,
            body,
            gives: delivery.gives.clone(),
            reply: delivery.reply.clone(),
        })
    }

    fn time(&self) -> Vars {
        let mut vars = Vars::default();
        vars.set("timestamp", &Json::from(self.at.timestamp().to_string()));
        vars.set("millis", &Json::from(self.at.timestamp_millis().to_string()));
        let created = self.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        vars.set("created", &Json::from(created));
        vars
    }

    fn headers(
        &self,
        delivery: &CompiledDelivery,
        kind: Option<&str>,
        signature: &str,
    ) -> Result<Vec<(String, String)>, EvaluationError> {
        let mut vars = self.time();
        vars.set("signature", &Json::from(signature));
        let mut headers = Vec::new();
        headers.extend(kind.map(|kind| ("content-type".to_owned(), kind.to_owned())));
        for (name, template) in self.simulated.headers.iter().chain(&delivery.headers) {
            let value = template.render_text(&vars, ToOwned::to_owned)?;
            headers.extend(value.map(|value| (name.to_ascii_lowercase(), value)));
        }
        Ok(headers)
    }

    fn sign(&self, text: &str) -> Option<String> {
        let accepts = &self.compiled.sandbox.as_ref()?.accepts;
        let secret = accepts.get(self.spec.secret.first()?.as_str())?;
        let key = match &self.spec.key {
            None => secret.as_bytes().to_vec(),
            Some(form) => {
                let prefix = form.prefix.as_ref().map_or("", |prefix| prefix.as_str());
                bytes(secret.strip_prefix(prefix).unwrap_or(secret), form.encoding)?
            }
        };
        let own = self.simulated.key.as_deref();
        let signature = match self.spec.algorithm {
            Proof::Token => return Some(secret.clone()),
            Proof::Jwt => return self.token(own?, secret),
            Proof::Sha1 => mac::<Hmac<Sha1>>(&key, text)?,
            Proof::Sha256 => mac::<Hmac<Sha256>>(&key, text)?,
            Proof::Sha512 => mac::<Hmac<Sha512>>(&key, text)?,
            Proof::Ed25519 => {
                let seed = bytes(own?.trim(), Encoding::Hex)?;
                let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
                pair.sign(text.as_bytes()).as_ref().to_vec()
            }
        };
        Some(match self.spec.encoding {
            Encoding::Hex => hex(&signature),
            Encoding::Base64 => STANDARD.encode(&signature),
        })
    }

    /// A token for that audience, good for an hour.
    fn token(&self, key: &str, audience: &str) -> Option<String> {
        let (_, issuer) = self.webhook.keys.as_ref()?;
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": "sandbox"});
        let ends = self.at + TimeDelta::hours(1);
        let claims = json!({
            "iss": issuer, "aud": audience, "nbf": self.at.timestamp(), "exp": ends.timestamp(),
        });
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = rsa::sign(key, signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn part(
    tree: Option<&infrafabric_adapters::compile::Tree>,
    vars: &Vars,
) -> Result<Option<Json>, EvaluationError> {
    tree.map_or(Ok(None), |tree| tree.render(vars))
}

fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn bytes(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => STANDARD.decode(text).ok(),
        Encoding::Hex => {
            let digits = text.as_bytes().chunks(2);
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            digits.map(byte).collect()
        }
    }
}
