//! Deliveries of a provider: told from forgeries, from what is old and from what came before, and read
//! in the contract's words.

mod jwt;
mod memory;
mod proof;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use infrafabric_definition::{Proof, Webhook};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use thiserror::Error;
use url::Url;

use self::jwt::Published;
use self::memory::{Mark, Memory};
use self::proof::{key_bytes, proves, same};
use crate::compile::{
    Compiled, CompiledHandshake, CompiledWebhook, EvaluationError, Template, Vars, plain,
};
use crate::contract;
use crate::contract::parse::Outputs;

/// The most signatures of one delivery that are looked at.
const MOST_SIGNATURES: usize = 16;
/// The most events of one delivery that are read.
const MOST_EVENTS: usize = 1000;

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
    /// What it tells of, in the contract's words.
    pub events: Vec<Json>,
    /// What the provider wants to hear, where it only makes sure that somebody is there.
    pub reply: Option<Reply>,
    /// Whether the account got it before. Who acted on it then answers as before, and does nothing.
    pub repeated: bool,
    mark: Mark,
    /// Of its id, which may stand where nothing is signed: it only ever adds to what is known.
    named: Option<Mark>,
}

impl Event {
    /// What it tells of, as the contract's type of the domain's events.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<Vec<T>, WebhookError> {
        let typed = self.events.iter().map(|event| serde_json::from_value(event.clone()));
        typed.collect::<Result<_, _>>().map_err(|error| WebhookError::Event(Box::new(error)))
    }
}

/// The answer to a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// `text/plain` or `application/json`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Why a delivery is not believed. Never says what was sent, nor the secret.
#[derive(Debug, Error)]
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
    /// The token names a key that the provider has not published.
    #[error("the token names a key that is not known")]
    UnknownKey,
    /// The published keys cannot be had.
    #[error("ask for the provider's public keys")]
    Keys(#[source] Box<crate::error::AdapterError>),
    /// What it tells of is none of the contract.
    #[error("read what it tells of")]
    Event(#[source] Box<dyn std::error::Error + Send + Sync>),
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

/// What a delivery says, if it comes from the provider and is not old at that time. It does not know
/// what came before, nor fetches keys (`published` is such a set, as JSON): an
/// [`Account`](crate::account::Account) does both.
pub fn verify(
    definition: &Compiled,
    secrets: &BTreeMap<String, SecretString>,
    published: Option<&Json>,
    delivery: &Delivery<'_>,
    now: DateTime<Utc>,
) -> Result<Event, WebhookError> {
    let verifier = Verifier::open(definition, secrets);
    if let Some(published) = published {
        verifier.published().take(published);
    }
    verifier.verify(definition, delivery, now)
}

/// The secrets of an account that verify deliveries, and what it got before.
pub(crate) struct Verifier {
    keys: Vec<(String, SecretString)>,
    greeting: Option<SecretString>,
    published: Mutex<Published>,
    memory: Mutex<Memory>,
    /// Held by who asks for keys.
    pub(crate) fetching: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Takes what the definition names of the Secret; none is fine until a delivery comes.
    pub(crate) fn open(definition: &Compiled, secrets: &BTreeMap<String, SecretString>) -> Self {
        let webhook = definition.spec().webhook.as_ref();
        let held = |name: &str| {
            let value = secrets.get(name)?.expose_secret().trim();
            (!value.is_empty()).then(|| (name.to_owned(), SecretString::from(value)))
        };
        let names = webhook.iter().flat_map(|webhook| &webhook.secret);
        let greeting = webhook.and_then(|webhook| webhook.handshake.as_ref()?.secret.as_ref());
        Self {
            keys: names.filter_map(|name| held(name.as_str())).collect(),
            greeting: greeting.and_then(|name| held(name.as_str())).map(|(_, value)| value),
            published: Mutex::default(),
            memory: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
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
        let body = std::str::from_utf8(delivery.body).map_err(|_| WebhookError::Binary)?;
        let (mut vars, event) = variables(delivery, body);
        let greets = webhook.handshake.as_ref();
        let greets = greets.filter(|handshake| greeted(handshake, &vars));
        if let Some(handshake @ CompiledHandshake { token: Some((token, name)), .. }) = greets {
            self.hold_token(evaluate("handshake.token", token, &vars)?.as_ref(), name)?;
            let mark = Mark::of(&[delivery.url.as_bytes(), body.as_bytes()]);
            // The token says nothing of a body.
            let event = Event::new(Json::Null, mark);
            return Ok(Event { reply: Some(reply(handshake, &vars)?), ..event });
        }
        let (signed, mark) = self.proven((spec, webhook), &vars, (delivery.url, body), now)?;
        // It is genuine, whatever it says of itself.
        let text = |template: &Option<Template>| {
            let said = template.as_ref()?.render(&vars).ok().flatten();
            said.as_ref().map(plain).filter(|said| !said.is_empty())
        };
        let (id, kind) = (text(&webhook.id), text(&webhook.kind));
        let named = id.as_ref().map(|id| Mark::of(&[id.as_bytes()]));
        let reply = greets.map(|handshake| reply(handshake, &vars)).transpose()?;
        let events = match greets {
            Some(_) => Vec::new(),
            None => events(definition, webhook, &mut vars, &event)?,
        };
        Ok(Event { id, kind, signed, events, reply, named, ..Event::new(event, mark) })
    }

    /// Notes that an event came; whether it came before.
    pub(crate) fn note(&self, event: &Event) -> bool {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // What came again names nothing new.
        memory.note(event.mark) || event.named.is_some_and(|named| memory.note(named))
    }

    /// Forgets that an event came.
    pub(crate) fn forget(&self, event: &Event) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget(event.mark);
        if let Some(named) = event.named {
            memory.forget(named);
        }
    }

    /// The published keys that verify tokens.
    pub(crate) fn published(&self) -> std::sync::MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Proves a handshake by the token that is in it.
    fn hold_token(&self, given: Option<&Json>, name: &str) -> Result<(), WebhookError> {
        let secret = self.greeting.as_ref();
        let secret = secret.ok_or_else(|| WebhookError::NoSecret(format!("`{name}`")))?;
        let given = given.map(plain).ok_or(WebhookError::Unsigned)?;
        let right = same(secret.expose_secret().as_bytes(), given.as_bytes());
        right.then_some(()).ok_or(WebhookError::Forged)
    }

    /// When it was signed, if it was, and what it is known by.
    fn proven(
        &self,
        (spec, webhook): (&Webhook, &CompiledWebhook),
        vars: &Vars,
        (delivered, body): (&str, &str),
        now: DateTime<Utc>,
    ) -> Result<(Option<DateTime<Utc>>, Mark), WebhookError> {
        let keys = self.bytes(spec)?;
        let given = match evaluate("signature", &webhook.signature, vars)? {
            Some(Json::Array(given)) => given.iter().map(plain).take(MOST_SIGNATURES).collect(),
            Some(one) => vec![plain(&one)],
            None => Vec::new(),
        };
        if given.iter().all(String::is_empty) {
            return Err(WebhookError::Unsigned);
        }
        if spec.algorithm == Proof::Jwt {
            let issuer = webhook.keys.as_ref().map_or("", |(_, issuer)| issuer.as_str());
            let published = self.published();
            let at = jwt::verify(&published, &given[0], issuer, &keys, (now, webhook.tolerance))?;
            drop(published);
            let mark = Mark::of(&[given[0].as_bytes(), body.as_bytes()]);
            return if holds(webhook, vars)? { Ok((at, mark)) } else { Err(WebhookError::Forged) };
        }
        let texts = match &webhook.text {
            None => vec![body.to_owned()],
            Some(text) => match evaluate("text", text, vars)?.ok_or(WebhookError::Unsigned)? {
                Json::Array(texts) => texts.iter().map(plain).take(MOST_SIGNATURES).collect(),
                one => vec![plain(&one)],
            },
        };
        let right = |key: &Vec<u8>, text: &String| {
            given.iter().any(|given| proves(spec, key, text.as_bytes(), given))
        };
        let proven = texts.iter().find(|text| keys.iter().any(|key| right(key, text)));
        let proven = proven.ok_or(WebhookError::Forged)?;
        if !holds(webhook, vars)? {
            return Err(WebhookError::Forged);
        }
        // By what was signed, however the signature is written; of what is not signed by all of it.
        let address = if spec.algorithm == Proof::Token { delivered.as_bytes() } else { &[] };
        let mark = Mark::of(&[proven.as_bytes(), body.as_bytes(), address]);
        Ok((signed(webhook, vars, now)?, mark))
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

impl Event {
    fn new(body: Json, mark: Mark) -> Self {
        Self {
            id: None,
            kind: None,
            signed: None,
            body,
            events: Vec::new(),
            reply: None,
            repeated: false,
            mark,
            named: None,
        }
    }
}

fn evaluate(
    name: &'static str,
    template: &Template,
    vars: &Vars,
) -> Result<Option<Json>, WebhookError> {
    template.render(vars).map_err(|source| WebhookError::Evaluate { name, source })
}

/// Whether what the signature does not cover is as it must be.
fn holds(webhook: &CompiledWebhook, vars: &Vars) -> Result<bool, WebhookError> {
    match &webhook.must {
        None => Ok(true),
        Some(must) => Ok(evaluate("must", must, vars)? == Some(Json::Bool(true))),
    }
}

/// Whether the provider only makes sure that somebody is there.
fn greeted(handshake: &CompiledHandshake, vars: &Vars) -> bool {
    // What cannot be said of a delivery is not so.
    let when = handshake.when.render(vars).ok().flatten();
    when == Some(Json::Bool(true))
}

fn reply(handshake: &CompiledHandshake, vars: &Vars) -> Result<Reply, WebhookError> {
    let rendered = handshake.reply.render(vars);
    let said =
        rendered.map_err(|source| WebhookError::Evaluate { name: "handshake.reply", source })?;
    Ok(match said {
        Some(json @ (Json::Object(_) | Json::Array(_))) => {
            Reply { content_type: "application/json", body: json.to_string() }
        }
        said => {
            let body = said.as_ref().map(plain).unwrap_or_default();
            Reply { content_type: "text/plain", body }
        }
    })
}

/// What a delivery tells of, in the contract's words.
fn events(
    definition: &Compiled,
    webhook: &CompiledWebhook,
    vars: &mut Vars,
    event: &Json,
) -> Result<Vec<Json>, WebhookError> {
    let contract = contract::of(definition.spec().domain).events;
    let Some(contract) = contract.filter(|_| !webhook.outputs.is_empty()) else {
        return Ok(Vec::new());
    };
    let items = match &webhook.items {
        None => vec![event.clone()],
        Some(items) => match items.render(vars).ok().flatten() {
            Some(Json::Array(items)) => items,
            Some(one) => vec![one],
            None => Vec::new(),
        },
    };
    let mut read = |item: &Json| {
        vars.set("item", item);
        let outputs = Outputs::legible(&webhook.outputs, vars);
        outputs.json(contract.outputs).map_err(|error| WebhookError::Event(Box::new(error)))
    };
    items.iter().take(MOST_EVENTS).map(&mut read).collect()
}

/// When it was signed, if the definition says where that stands.
fn signed(
    webhook: &CompiledWebhook,
    vars: &Vars,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, WebhookError> {
    let Some(template) = &webhook.timestamp else { return Ok(None) };
    let given = evaluate("timestamp", template, vars)?.as_ref().map(plain);
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
    const MILLIS: u64 = 100_000_000_000;
    match text.parse::<i64>() {
        Ok(seconds) if seconds.unsigned_abs() < MILLIS => DateTime::from_timestamp(seconds, 0),
        Ok(millis) => DateTime::from_timestamp_millis(millis),
        Err(_) => Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()),
    }
}

/// What expressions see, and the body as data.
fn variables(delivery: &Delivery<'_>, body: &str) -> (Vars, Json) {
    let kind = delivery.headers.get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    // The type is not signed: what reads as JSON is no form, whatever it says.
    let json = serde_json::from_str::<Json>(body).ok().filter(|json| !json.is_number());
    let form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") && json.is_none();
    let form =
        if form { texts(form_urlencoded::parse(delivery.body)) } else { Json::Object(Map::new()) };
    let event = json.unwrap_or_else(|| {
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

/// Texts by name; a name that is repeated has a list.
fn texts(pairs: form_urlencoded::Parse<'_>) -> Json {
    let mut all = Map::new();
    for (name, value) in pairs {
        let value = Json::from(value.into_owned());
        match all.get_mut(&*name) {
            None => drop(all.insert(name.into_owned(), value)),
            Some(Json::Array(values)) => values.push(value),
            Some(one) => *one = Json::Array(vec![one.take(), value]),
        }
    }
    Json::Object(all)
}
