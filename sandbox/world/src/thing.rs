//! A simulated thing, and the things of one kind in one account.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// How many phases a deleted thing that lingers stays visible.
const LINGER_PHASES: u32 = 60;

/// How many idempotency keys an account remembers.
const KEYS: usize = 10_000;

/// `Thing::deleted` of a living thing.
const LIVING: i64 = i64::MIN;

/// A thing that a request made.
#[derive(Debug)]
pub(crate) struct Thing {
    /// Its identity with the type that the definition gives it.
    pub(crate) id: Json,
    /// Its identity as text.
    pub(crate) key: String,
    pub(crate) seq: u64,
    /// The request that made it.
    /// The body of its creation, as later changes left it.
    req: Mutex<Arc<Json>>,
    off: AtomicBool,
    /// What it is now, by the definition's own names.
    now: Mutex<Arc<Json>>,
    /// What holds it.
    pub(crate) parent: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) name: Option<String>,
    pub(crate) marks: Vec<String>,
    pub(crate) unique: Option<String>,
    deleted_micros: AtomicI64,
    rendered: Mutex<Option<(Age, Arc<Json>)>>,
}

/// Which states a thing is in: phases since its creation and since its deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    pub(crate) alive: usize,
    pub(crate) gone: Option<usize>,
}

/// No definition has more states in a row; beyond them nothing changes.
const STATES: usize = 16;

impl Thing {
    pub(crate) fn new(id: Json, key: String, seq: u64, req: Json, created: DateTime<Utc>) -> Self {
        Self {
            id,
            key,
            seq,
            req: Mutex::new(Arc::new(req)),
            off: AtomicBool::new(false),
            now: Mutex::new(Arc::new(Json::Object(serde_json::Map::new()))),
            parent: None,
            region: None,
            created,
            name: None,
            marks: Vec::new(),
            unique: None,
            deleted_micros: AtomicI64::new(LIVING),
            rendered: Mutex::new(None),
        }
    }

    /// The body of its creation, as later changes left it.
    pub(crate) fn req(&self) -> Arc<Json> {
        Arc::clone(&self.req.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what it was made from.
    pub(crate) fn set_req(&self, req: Json) {
        *self.req.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(req);
        self.forget();
    }

    /// What it is now, by the definition's own names.
    pub(crate) fn now(&self) -> Arc<Json> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what it is.
    pub(crate) fn set_now(&self, now: Json) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(now);
        self.forget();
    }

    /// Whether it is switched off.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Acquire)
    }

    /// Switches it.
    pub(crate) fn switch(&self, off: bool) {
        self.off.store(off, Ordering::Release);
        self.forget();
    }

    /// It looks otherwise now.
    fn forget(&self) {
        *self.rendered.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When it was deleted, in microseconds of Unix time.
    pub(crate) fn deleted(&self) -> Option<i64> {
        let micros = self.deleted_micros.load(Ordering::Acquire);
        (micros != LIVING).then_some(micros)
    }

    /// Its states now.
    pub(crate) fn age(&self, now: DateTime<Utc>, phase: Duration) -> Age {
        let since = |micros: i64| {
            let phase = i64::try_from(phase.as_micros()).unwrap_or(i64::MAX).max(1);
            let passed = (now.timestamp_micros().saturating_sub(micros)).max(0) / phase;
            usize::try_from(passed).unwrap_or(STATES).min(STATES)
        };
        Age { alive: since(self.created.timestamp_micros()), gone: self.deleted().map(since) }
    }

    /// The thing as it was rendered in the same states.
    pub(crate) fn rendered(&self, age: Age) -> Option<Arc<Json>> {
        let kept = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(at, _)| *at == age).map(|(_, item)| Arc::clone(item))
    }

    /// Keeps a rendering.
    pub(crate) fn keep(&self, age: Age, item: &Arc<Json>) {
        let mut kept = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((age, Arc::clone(item)));
    }
}

/// The things of one kind in one account.
#[derive(Debug, Default)]
pub(crate) struct Things {
    by_seq: BTreeMap<u64, Arc<Thing>>,
    by_id: HashMap<String, u64>,
    unique: HashMap<String, u64>,
    keys: HashMap<String, (String, Arc<Thing>)>,
    key_order: VecDeque<String>,
    lingering: VecDeque<(i64, u64)>,
}

/// What a repetition of an idempotency key is.
pub(crate) enum Repetition {
    /// The key is new.
    First,
    /// The same request: this is what it made.
    Same(Arc<Thing>),
    /// Another request under the same key.
    Other,
}

/// What a deletion found.
pub(crate) enum Deletion {
    /// It was living.
    Done(Arc<Thing>),
    /// It was deleted before and is still visible.
    Already(Arc<Thing>),
    /// There is none.
    Absent,
}

impl Things {
    /// Adds a thing, with the key and digest of its request if it had one.
    pub(crate) fn insert(&mut self, thing: Arc<Thing>, key: Option<(String, String)>) {
        if let Some((key, digest)) = key {
            self.key_order.push_back(key.clone());
            self.keys.insert(key, (digest, Arc::clone(&thing)));
            if self.key_order.len() > KEYS
                && let Some(oldest) = self.key_order.pop_front()
            {
                self.keys.remove(&oldest);
            }
        }
        self.unique.extend(thing.unique.iter().map(|unique| (unique.clone(), thing.seq)));
        self.by_id.insert(thing.key.clone(), thing.seq);
        self.by_seq.insert(thing.seq, thing);
    }

    /// Whether the key was used before.
    pub(crate) fn repetition(&self, key: &str, digest: &str) -> Repetition {
        match self.keys.get(key) {
            None => Repetition::First,
            Some((first, thing)) if first == digest => Repetition::Same(Arc::clone(thing)),
            Some(_) => Repetition::Other,
        }
    }

    /// Whether a living thing has that unique value.
    pub(crate) fn has_unique(&self, unique: &str) -> bool {
        self.unique.contains_key(unique)
    }

    /// How many are living.
    pub(crate) fn living(&self) -> usize {
        self.by_seq.len() - self.lingering.len()
    }

    /// One visible thing.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Thing>> {
        self.by_seq.get(self.by_id.get(id)?).cloned()
    }

    /// All visible things, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Thing>> {
        self.by_seq.values().cloned().collect()
    }

    /// Deletes one.
    pub(crate) fn delete(&mut self, id: &str, now: DateTime<Utc>, lingers: bool) -> Deletion {
        let Some(thing) = self.get(id) else { return Deletion::Absent };
        if thing.deleted().is_some() {
            return Deletion::Already(thing);
        }
        let micros = now.timestamp_micros();
        thing.deleted_micros.store(micros, Ordering::Release);
        if let Some(unique) = &thing.unique {
            self.unique.remove(unique);
        }
        if lingers {
            self.lingering.push_back((micros, thing.seq));
        } else {
            self.remove(thing.seq);
        }
        Deletion::Done(thing)
    }

    /// Forgets what has lingered long enough.
    pub(crate) fn expire(&mut self, now: DateTime<Utc>, phase: Duration) {
        let visible = i64::try_from((phase * LINGER_PHASES).as_micros()).unwrap_or(i64::MAX);
        let before = now.timestamp_micros().saturating_sub(visible);
        while let Some((deleted, seq)) = self.lingering.front().copied()
            && deleted < before
        {
            self.lingering.pop_front();
            self.remove(seq);
        }
    }

    fn remove(&mut self, seq: u64) {
        if let Some(thing) = self.by_seq.remove(&seq) {
            self.by_id.remove(&thing.key);
        }
    }
}

/// A living thing, as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingShown {
    /// The definition.
    pub definition: String,
    /// The account's digest.
    pub account: String,
    /// The kind, `machine`.
    pub object: String,
    /// Its identity.
    pub id: String,
    /// Its name, when its creation gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its region, when its creation gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The contract's state; `Unknown` when the definition does not map the vendor's.
    pub state: String,
    /// The vendor's state.
    pub vendor_state: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What its creation wrote where the definition writes marks, tags or labels.
    pub marks: Vec<String>,
}
