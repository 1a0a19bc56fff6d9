//! What really happened: every effect, and how often everything was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// How many effects are kept.
const EFFECTS: usize = 10_000;

/// How many requests that nothing answers to are kept.
const UNMATCHED: usize = 1_000;

/// What a request did to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// A thing was made.
    Create,
    /// A thing was deleted.
    Delete,
    /// A thing was switched or resized.
    Change,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Delivery {
    /// It was given to the connection.
    Delivered,
    /// It waits for its release.
    Held,
    /// The connection closed without it.
    Lost,
    /// A fault sent something else in its place.
    Replaced,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub time: DateTime<Utc>,
    /// The definition.
    pub definition: String,
    /// The account's digest.
    pub account: String,
    /// The operation, `machine.create`.
    pub operation: String,
    /// What it did.
    pub effect: Effect,
    /// To which thing.
    pub id: String,
    /// The thing's name, when its creation gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The thing's region, when its creation gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What its creation wrote where the definition writes marks, tags or labels.
    pub marks: Vec<String>,
    /// The idempotency key, when the request carried one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The request's body with whatever may be secret left out.
    pub request: Json,
    /// The HTTP status of the provider's own answer.
    pub status: u16,
    /// What became of that answer.
    pub answer: Delivery,
}

/// A request that is no operation of its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmatched {
    /// When.
    pub time: DateTime<Utc>,
    /// The definition, or the name that stood in its place.
    pub definition: String,
    /// The method.
    pub method: String,
    /// The path beneath the provider's base URL.
    pub path: String,
}

/// The ledger as the admin API shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerPage {
    /// Effects, oldest first.
    pub entries: Vec<LedgerEntry>,
    /// How often each operation was asked, by definition.
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// How many requests were no operation at all.
    pub unmatched: u64,
    /// The newest of them.
    pub unmatched_requests: Vec<Unmatched>,
}

/// The truth that tests compare with.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<LedgerEntry>,
    written: u64,
    requests: BTreeMap<String, BTreeMap<String, u64>>,
    unmatched: VecDeque<Unmatched>,
}

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request.
    pub(crate) fn count(&self, definition: &str, operation: &str) {
        let mut inner = self.inner();
        // Keys are looked up first: a name is copied once in its life, not with each request.
        if !inner.requests.contains_key(definition) {
            inner.requests.insert(definition.to_owned(), BTreeMap::new());
        }
        if let Some(operations) = inner.requests.get_mut(definition) {
            match operations.get_mut(operation) {
                Some(count) => *count += 1,
                None => {
                    operations.insert(operation.to_owned(), 1);
                }
            }
        }
    }

    /// Notes a request that is no operation.
    pub(crate) fn unmatched(&self, request: Unmatched) {
        let mut inner = self.inner();
        inner.unmatched.push_back(request);
        if inner.unmatched.len() > UNMATCHED {
            inner.unmatched.pop_front();
        }
    }

    /// Writes an effect and gives its number.
    pub(crate) fn write(&self, mut entry: LedgerEntry) -> u64 {
        let mut inner = self.inner();
        inner.written += 1;
        entry.seq = inner.written;
        inner.entries.push_back(entry);
        if inner.entries.len() > EFFECTS {
            inner.entries.pop_front();
        }
        inner.written
    }

    /// Says what became of an effect's answer.
    pub(crate) fn answered(&self, seq: u64, answer: Delivery) {
        let mut inner = self.inner();
        let first = inner.entries.front().map_or(0, |entry| entry.seq);
        let at = seq.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| inner.entries.get_mut(at)) {
            entry.answer = answer;
        }
    }

    /// Effects after `since`, with the counters, of one definition or of all.
    pub(crate) fn page(&self, definition: Option<&str>, since: u64) -> LedgerPage {
        let inner = self.inner();
        let wanted = |name: &str| definition.is_none_or(|definition| definition == name);
        let first = inner.entries.front().map_or(0, |entry| entry.seq);
        let skip = usize::try_from((since + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let entries = inner.entries.iter().skip(skip);
        let requests = inner.requests.iter().filter(|(name, _)| wanted(name));
        let unmatched = requests.clone().filter_map(|(_, counts)| counts.get("unmatched"));
        let newest = inner.unmatched.iter().filter(|request| wanted(&request.definition));
        LedgerPage {
            entries: entries.filter(|entry| wanted(&entry.definition)).cloned().collect(),
            unmatched: unmatched.sum(),
            requests: requests.map(|(name, counts)| (name.clone(), counts.clone())).collect(),
            unmatched_requests: newest.cloned().collect(),
        }
    }
}

/// Key parts whose values are never kept. `user_data` often carries credentials.
const SECRET: [&str; 7] =
    ["pass", "secret", "credential", "private", "user_data", "userdata", "authorization"];

/// The request with whatever may be secret left out.
pub(crate) fn without_secrets(value: &Json) -> Json {
    match value {
        Json::Object(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| {
                    let lower = key.to_ascii_lowercase();
                    let secret = SECRET.iter().any(|part| lower.contains(part));
                    let shown =
                        if secret { Json::from("[left out]") } else { without_secrets(value) };
                    (key.clone(), shown)
                })
                .collect::<Map<_, _>>(),
        ),
        Json::Array(items) => Json::Array(items.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}
