//! Objects by table and key under one global revision, with a bounded history.
//!
//! Everything is kept encoded: an object is serialised once, by the write that made it, and those
//! bytes are what reads, lists and watches send. The lock is never held across an await, nor while
//! anything is parsed. With a folder (`durable`), a commit is in its log before anyone hears of it.

mod durable;
mod history;
mod stored;
mod watcher;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

pub use durable::StorageError;
pub(crate) use durable::{Log, Recovered};
use history::History;
pub(crate) use history::{Change, Event, Lost};
pub(crate) use stored::{Stored, line};
pub(crate) use watcher::Subscription;
use watcher::Watchers;

/// The identity of a table: `<group>/<plural>`.
pub(crate) type TableId = Arc<str>;

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// No object under the key.
    Absent,
    /// The object as it was at this revision.
    Revision(u64),
}

/// What a write does.
#[derive(Debug)]
pub(crate) enum Write {
    /// Stores this object; its resourceVersion is set by the store.
    Put(Value),
    /// The same for a new object with defaults that the next write of it writes down.
    PutFresh(Value),
    /// Removes the object; this is its last state, which watchers see.
    Delete(Value),
}

/// Why a commit changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The object was not as expected.
    Stale,
    /// The log could not be written.
    Unwritten(String),
}

/// The asked revision lies outside the kept history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutOfRange {
    /// Older than the history: 410.
    TooOld,
    /// Not reached yet: 504.
    Future(u64),
}

/// A page of a table.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<(String, Arc<Stored>)>,
    /// The revision the page shows.
    pub(crate) revision: u64,
}

struct Table {
    objects: BTreeMap<String, Arc<Stored>>,
    history: History,
    watchers: Watchers,
}

impl Table {
    fn new(history: usize, floor: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: History::new(history, floor),
            watchers: Watchers::default(),
        }
    }
}

struct Inner {
    revision: u64,
    /// How many changes each table remembers.
    history: usize,
    /// What was before this revision is not remembered by any table.
    floor: u64,
    tables: HashMap<TableId, Table>,
    log: Option<Log>,
}

impl Inner {
    fn table(&mut self, table: &TableId) -> &mut Table {
        let (history, floor) = (self.history, self.floor);
        self.tables.entry(Arc::clone(table)).or_insert_with(|| Table::new(history, floor))
    }

    /// Begins the log anew when it has grown.
    fn tidy(&mut self) {
        let Some(log) = self.log.as_mut() else { return };
        log.settle();
        if log.is_grown() {
            let objects = self.tables.iter().flat_map(|(id, table)| {
                let objects = table.objects.iter();
                objects.map(|(key, stored)| (Arc::clone(id), key.clone(), Arc::clone(stored)))
            });
            log.begin_anew(self.revision, objects.collect());
        }
    }
}

/// The store of one server.
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

impl Store {
    pub(crate) fn new(history: usize) -> Self {
        // Clients treat revision 0 as "any", so the world starts at 1.
        let (revision, floor, tables) = (durable::START, 0, HashMap::new());
        Self { inner: Mutex::new(Inner { revision, history, floor, tables, log: None }) }
    }

    /// A store that goes on with what a folder held.
    pub(crate) fn recovered(history: usize, log: Log, recovered: Recovered) -> Self {
        let revision = recovered.revision;
        let floor = if revision > durable::START { revision } else { 0 };
        let tables = HashMap::new();
        let mut inner = Inner { revision, history, floor, tables, log: Some(log) };
        for record in recovered.objects {
            let Some(bytes) = record.bytes else { continue };
            let stored = Stored::read(bytes, record.revision, record.epoch);
            inner.table(&record.table.into()).objects.insert(record.key, Arc::new(stored));
        }
        Self { inner: Mutex::new(inner) }
    }

    /// Everything of every table.
    pub(crate) fn everything(&self) -> Vec<(TableId, String, Arc<Stored>)> {
        let inner = self.lock();
        let objects = inner.tables.iter().flat_map(|(id, table)| {
            let objects = table.objects.iter();
            objects.map(|(key, stored)| (Arc::clone(id), key.clone(), Arc::clone(stored)))
        });
        objects.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while holding the lock cannot leave a half-done commit: the map insert is last.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest revision of all tables.
    pub(crate) fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// The object under a key.
    pub(crate) fn get(&self, table: &str, key: &str) -> Option<Arc<Stored>> {
        self.lock().tables.get(table)?.objects.get(key).cloned()
    }

    /// How many objects a table holds under a prefix.
    pub(crate) fn is_empty(&self, table: &str, prefix: &str) -> bool {
        let inner = self.lock();
        let Some(table) = inner.tables.get(table) else {
            return true;
        };
        table
            .objects
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .next()
            .is_none_or(|(key, _)| !key.starts_with(prefix))
    }

    /// The objects of a table whose keys start with `prefix`, in key order, after `after`.
    pub(crate) fn snapshot(&self, table: &str, prefix: &str, after: Option<&str>) -> Page {
        let inner = self.lock();
        let items = inner.tables.get(table).map_or_else(Vec::new, |table| {
            let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
            table
                .objects
                .range::<str, _>((start, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, stored)| (key.clone(), Arc::clone(stored)))
                .collect()
        });
        Page { items, revision: inner.revision }
    }

    /// The same page as it was at an older revision, as far as the history reaches.
    pub(crate) fn snapshot_at(
        &self,
        table: &str,
        prefix: &str,
        after: Option<&str>,
        revision: u64,
    ) -> Result<Page, OutOfRange> {
        let inner = self.lock();
        if revision > inner.revision {
            return Err(OutOfRange::Future(inner.revision));
        }
        let Some(found) = inner.tables.get(table) else {
            return Ok(Page { items: Vec::new(), revision });
        };
        if revision < found.history.compacted() {
            return Err(OutOfRange::TooOld);
        }
        let mut objects: BTreeMap<&str, Arc<Stored>> = found
            .objects
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, stored)| (key.as_str(), Arc::clone(stored)))
            .collect();
        for event in found.history.newest_first().take_while(|event| event.revision() > revision) {
            if !event.key.starts_with(prefix) {
                continue;
            }
            match &event.previous {
                Some(previous) => objects.insert(&event.key, Arc::clone(previous)),
                None => objects.remove(event.key.as_str()),
            };
        }
        let items = objects
            .into_iter()
            .filter(|(key, _)| after.is_none_or(|after| *key > after))
            .map(|(key, stored)| (key.to_owned(), stored))
            .collect();
        Ok(Page { items, revision })
    }

    /// Writes one object if it is still as expected, and tells the watchers.
    pub(crate) fn commit(
        &self,
        table: &TableId,
        key: &str,
        expect: Expect,
        epoch: u64,
        write: Write,
    ) -> Result<Arc<Stored>, Refused> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let revision = inner.revision + 1;
        let id = table;
        let table = inner.table(id);
        let current = table.objects.get(key).cloned();
        let as_expected = match (expect, &current) {
            (Expect::Absent, None) => true,
            (Expect::Revision(expected), Some(found)) => found.revision == expected,
            _ => false,
        };
        if !as_expected {
            return Err(Refused::Stale);
        }
        let fresh = matches!(write, Write::PutFresh(_));
        let (change, object) = match (write, &current) {
            (Write::Put(object) | Write::PutFresh(object), None) => (Change::Added, object),
            (Write::Put(object) | Write::PutFresh(object), Some(_)) => (Change::Modified, object),
            (Write::Delete(object), _) => (Change::Deleted, object),
        };
        let mut stored = Stored::encode(object, revision, epoch, change);
        stored.fresh = fresh;
        let stored = Arc::new(stored);
        let gone = change == Change::Deleted;
        if let Some(log) = inner.log.as_mut() {
            log.append(id, key, &stored, gone).map_err(Refused::Unwritten)?;
        }
        let table = inner.table(id);
        if gone {
            table.objects.remove(key);
        } else {
            table.objects.insert(key.to_owned(), Arc::clone(&stored));
        }
        let event = Arc::new(Event {
            change,
            key: key.to_owned(),
            stored: Arc::clone(&stored),
            previous: current,
            at: Instant::now(),
        });
        table.history.push(event);
        table.watchers.wake();
        inner.revision = revision;
        inner.tidy();
        Ok(stored)
    }

    /// Follows a table from just after `from`.
    pub(crate) fn watch(&self, table: &TableId, from: u64) -> Result<Subscription, OutOfRange> {
        let mut inner = self.lock();
        let revision = inner.revision;
        if from > revision {
            return Err(OutOfRange::Future(revision));
        }
        let table = inner.table(table);
        if from < table.history.compacted() {
            return Err(OutOfRange::TooOld);
        }
        Ok(table.watchers.subscribe(from))
    }

    /// The page and a subscription that continues exactly after it.
    pub(crate) fn snapshot_and_watch(&self, table: &TableId, prefix: &str) -> (Page, Subscription) {
        let mut inner = self.lock();
        let revision = inner.revision;
        let table = inner.table(table);
        let items = table
            .objects
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, stored)| (key.clone(), Arc::clone(stored)))
            .collect();
        (Page { items, revision }, table.watchers.subscribe(revision))
    }

    /// The next change that a subscriber was not told of, which then counts as told.
    pub(crate) fn next(
        &self,
        table: &str,
        subscription: &mut Subscription,
    ) -> Result<Option<Arc<Event>>, Lost> {
        let inner = self.lock();
        let Some(table) = inner.tables.get(table) else { return Ok(None) };
        let event = table.history.after(subscription.told)?;
        let event = event.filter(|event| table.watchers.may_know(subscription, event.revision()));
        let event = event.cloned();
        if let Some(event) = &event {
            subscription.told = event.revision();
        }
        Ok(event)
    }

    /// Ends every watch.
    pub(crate) fn close_all(&self) {
        let mut inner = self.lock();
        let revision = inner.revision;
        for table in inner.tables.values_mut() {
            table.watchers.close(revision);
        }
    }

    /// Forgets every change so far, as a compaction does.
    pub(crate) fn forget(&self) {
        let mut inner = self.lock();
        inner.floor = inner.revision;
        let floor = inner.floor;
        for table in inner.tables.values_mut() {
            table.history.forget(floor);
        }
    }

    /// Ends every watch of a table; used when its resource goes away.
    pub(crate) fn close(&self, table: &str) {
        let mut inner = self.lock();
        let revision = inner.revision;
        if let Some(table) = inner.tables.get_mut(table) {
            table.watchers.close(revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(store: &Store, key: &str, expect: Expect) -> Result<Arc<Stored>, Refused> {
        let object = json!({"metadata": {"name": key}});
        store.commit(&"/things".into(), key, expect, 0, Write::Put(object))
    }

    #[test]
    fn a_change_is_encoded_once_for_all_who_are_told() {
        let store = Store::new(3);
        let stored = put(&store, "a", Expect::Absent).unwrap();
        let (one, other) = (stored.line(Change::Added), stored.line(Change::Added));
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert!(one.as_ptr_range().contains(&stored.bytes.as_ptr()));
        let line: Value = serde_json::from_slice(&stored.line(Change::Modified)).unwrap();
        assert_eq!(line["type"], "MODIFIED");
        assert_eq!(line["object"], stored.value());
    }

    #[test]
    fn who_does_not_read_is_told_no_more_once_history_is_over() {
        let store = Store::new(3);
        put(&store, "a", Expect::Absent).unwrap();
        let table: TableId = "/things".into();
        let mut slow = store.watch(&table, store.revision()).unwrap();
        let mut quick = store.watch(&table, store.revision()).unwrap();
        for key in ["b", "c", "d", "e"] {
            put(&store, key, Expect::Absent).unwrap();
            assert_eq!(store.next(&table, &mut quick).unwrap().unwrap().key, key);
        }
        assert_eq!(store.next(&table, &mut slow).unwrap_err(), Lost);
        store.forget();
        assert!(store.next(&table, &mut quick).unwrap().is_none(), "nothing was missed");
        put(&store, "f", Expect::Absent).unwrap();
        store.close(&table);
        put(&store, "g", Expect::Absent).unwrap();
        assert_eq!(store.next(&table, &mut quick).unwrap().unwrap().key, "f");
        assert!(store.next(&table, &mut quick).unwrap().is_none(), "it was sent away before");
        assert!(quick.is_closed());
    }

    #[test]
    fn stale_writes_change_nothing_and_old_moments_can_be_read_back() {
        let store = Store::new(3);
        let first = put(&store, "a", Expect::Absent).unwrap();
        assert_eq!(put(&store, "a", Expect::Absent).unwrap_err(), Refused::Stale);
        assert_eq!(
            put(&store, "a", Expect::Revision(first.revision + 1)).unwrap_err(),
            Refused::Stale
        );
        assert_eq!(store.revision(), first.revision);
        let second = put(&store, "b", Expect::Absent).unwrap();
        let page = store.snapshot_at("/things", "", None, first.revision).unwrap();
        assert_eq!(page.items.len(), 1);
        let ahead = store.snapshot_at("/things", "", None, 99).unwrap_err();
        assert_eq!(ahead, OutOfRange::Future(second.revision));
        for key in ["c", "d", "e"] {
            put(&store, key, Expect::Absent).unwrap();
        }
        let gone = store.snapshot_at("/things", "", None, first.revision).unwrap_err();
        assert_eq!(gone, OutOfRange::TooOld);
        assert!(store.watch(&"/things".into(), first.revision).is_err());
    }
}
