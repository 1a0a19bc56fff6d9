//! A simulated provider: its definition, its routes, its accounts.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;
use infrafabric_adapters::compile::{
    Compiled, CompiledAnswer, CompiledSandbox, EvaluationError, Vars, plain,
};
use infrafabric_definition::{AnswerFormat, Scheme};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::pushed::{self, Events};
use crate::route::Routes;
use crate::service_account;
use crate::sigv4::hex;
use crate::thing::{Thing, Things};

/// A provider and everything it keeps; a newer definition of the name takes over its accounts.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) routes: Routes,
    pub(crate) accounts: Arc<RwLock<Accounts>>,
    /// What its devices push.
    pub(crate) pushed: Events,
    /// The port of its own where it pushes, if it has one.
    pub(crate) events_port: Option<u16>,
    seq: Arc<AtomicU64>,
}

/// Accounts by the credential that names them: the token, or the access key id.
pub(crate) type Accounts = HashMap<String, Arc<Account>>;

/// One account.
pub(crate) struct Account {
    /// What tells it from others without showing its credentials.
    pub(crate) digest: String,
    /// Accepted secret values, by key.
    pub(crate) secrets: BTreeMap<String, String>,
    /// How many things of a kind it may have; `u64::MAX` for no limit.
    pub(crate) quota: AtomicU64,
    things: Mutex<HashMap<String, Things>>,
    /// Access tokens that were given, and until when they are good.
    issued: Mutex<HashMap<String, DateTime<Utc>>>,
    /// The refresh token that took the place of the accepted one.
    refresh: Mutex<Option<String>>,
    /// Answers by idempotency key.
    said: Mutex<IndexMap<String, Said>>,
    acts: Mutex<()>,
}

/// How long an access token is good.
const LIFE: TimeDelta = TimeDelta::hours(1);

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Provider {
    /// A provider with the one account that its definition accepts; `before` is what had the name.
    pub(crate) fn new(compiled: Arc<Compiled>, before: Option<&Self>) -> Option<Self> {
        let sandbox = compiled.sandbox.as_ref()?;
        let routes = Routes::new(&compiled);
        let accounts = before.map(|b| Arc::clone(&b.accounts)).unwrap_or_default();
        let seq = before.map(|b| Arc::clone(&b.seq)).unwrap_or_default();
        let pushed = before.map_or_else(pushed::events, |b| b.pushed.clone());
        let events_port = before.and_then(|b| b.events_port);
        let secrets = sandbox.accepts.clone();
        let provider = Self { compiled, routes, accounts, pushed, events_port, seq };
        provider.add_account(secrets);
        Some(provider)
    }

    /// The simulated side of the definition.
    pub(crate) fn sandbox(&self) -> Option<&CompiledSandbox> {
        self.compiled.sandbox.as_ref()
    }

    /// The definition's name.
    pub(crate) fn name(&self) -> &str {
        self.compiled.name()
    }

    /// The format of answers where no operation says otherwise.
    pub(crate) fn format(&self) -> AnswerFormat {
        self.compiled.spec().answer
    }

    /// Adds an account, or finds the one with those secrets; `None` when the key that names
    /// accounts is missing.
    pub(crate) fn add_account(&self, secrets: BTreeMap<String, String>) -> Option<Arc<Account>> {
        let auth = &self.compiled.spec().auth;
        let credential = match auth.scheme {
            // Whoever asks is the one account there is.
            Scheme::None => String::new(),
            _ => secrets.get(auth.secret.first()?.as_str())?.clone(),
        };
        let credential = match self.compiled.spec().auth.scheme {
            Scheme::JwtBearer => service_account::email(&credential)?,
            _ => credential,
        };
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = accounts.get(&credential).filter(|known| known.secrets == secrets) {
            return Some(Arc::clone(known));
        }
        let digest = Sha256::digest(format!("{}\n{credential}", self.name()));
        let account = Arc::new(Account {
            digest: hex(&digest[..6]),
            secrets,
            quota: AtomicU64::new(u64::MAX),
            things: Mutex::default(),
            issued: Mutex::default(),
            refresh: Mutex::default(),
            said: Mutex::default(),
            acts: Mutex::default(),
        });
        accounts.insert(credential, Arc::clone(&account));
        Some(account)
    }

    /// The account that a credential names.
    pub(crate) fn account(&self, credential: &str) -> Option<Arc<Account>> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.get(credential).cloned()
    }

    /// All accounts.
    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.values().cloned().collect()
    }

    /// The account that an access token was given to, while it is good.
    pub(crate) fn account_of_token(&self, token: &str, now: DateTime<Utc>) -> Option<Arc<Account>> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.values().find(|account| account.is_good(token, now)).cloned()
    }

    /// All living things with their account's digest and kind, oldest first.
    pub(crate) fn living(&self) -> Vec<(String, String, Arc<Thing>)> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let mut living = Vec::new();
        for account in accounts.values() {
            for (object, things) in account.things().iter() {
                let all = things.all().into_iter().filter(|thing| thing.deleted().is_none());
                living.extend(all.map(|t| (account.digest.clone(), object.clone(), t)));
            }
        }
        living.sort_by_key(|(.., thing)| thing.seq);
        living
    }

    /// What the definition reads as an output of the contract from an item.
    pub(crate) fn output(&self, object: &str, output: &str, item: &Json) -> Option<String> {
        let template = self.compiled.objects.get(object)?.outputs.get(output)?;
        let mut vars = Vars::default();
        vars.set("item", item);
        template.render(&vars).ok()?.map(|value| plain(&value))
    }

    /// A number that no thing of this provider has.
    pub(crate) fn next_seq(&self) -> u64 {
        self.seq.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What an account was answered under an idempotency key.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Of what was asked.
    pub(crate) digest: String,
    /// The answer, which is given again.
    pub(crate) answer: Answer,
}

/// How many idempotency keys of actions an account remembers.
const KEYS: usize = 10_000;

impl Account {
    /// One action at a time: two of one key must not both find it new.
    pub(crate) fn acts(&self) -> MutexGuard<'_, ()> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was answered under a key.
    pub(crate) fn said(&self, key: &str) -> Option<Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Remembers an answer under its key; the oldest are forgotten.
    pub(crate) fn say(&self, key: String, said: Said) {
        let mut all = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEYS {
            all.drain(..KEYS / 2);
        }
        all.insert(key, said);
    }

    /// Gives an access token, as the definition's own answer or as RFC 6749 has it.
    pub(crate) fn issue(
        &self,
        own: Option<&CompiledAnswer>,
        format: AnswerFormat,
        now: DateTime<Utc>,
    ) -> Result<Answer, EvaluationError> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, until| *until > now);
        // Nobody guesses it, and nothing of value is behind it.
        let number = issued.len();
        let digest = Sha256::digest(format!("{:?} {number} {now}", self.secrets));
        let token = format!("at-{}", hex(&digest[..16]));
        issued.insert(token.clone(), now + LIFE);
        let Some(own) = own else {
            let body = json!({
                "access_token": token, "token_type": "Bearer", "expires_in": LIFE.num_seconds(),
            });
            return Ok(Answer::json(200, &body));
        };
        let refresh = format!("rt-{}", hex(&digest[16..]));
        let mut vars = Vars::default();
        vars.set("token", &json!(token)).set("refresh", &json!(refresh));
        let answer = Answer::render(own, &vars, format)?;
        if String::from_utf8_lossy(&answer.body).contains(&refresh) {
            *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(refresh);
        }
        Ok(answer)
    }

    /// The refresh token that took the place of the accepted one.
    pub(crate) fn refresh(&self) -> Option<String> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_good(&self, token: &str, now: DateTime<Utc>) -> bool {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.get(token).is_some_and(|until| *until > now)
    }

    /// Its things by kind.
    pub(crate) fn things(&self) -> MutexGuard<'_, HashMap<String, Things>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
