//! What is compared: the providers' ledger, the witness log, the API's own count of writes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use infrafabric::witness::Phase;
use infrafabric_world::Effect;
use kube::api::{WatchEvent, WatchParams};
use serde_json::Value;

use super::stage::Stage;
use super::{SOON, poll, request};

/// How the names of things begin that a test makes by hand.
pub(crate) const BY_HAND: &str = "by-hand-";

/// Counts the versions of all objects of a kind.
pub(crate) struct Writes {
    seen: Arc<AtomicUsize>,
    watching: tokio::task::JoinHandle<()>,
}

impl Writes {
    /// How many versions there were.
    pub(crate) async fn count(&self) -> usize {
        // What was written before now is on its way; the count stands when it stays.
        let mut last = self.seen.load(Ordering::Acquire);
        poll(std::time::Duration::from_millis(300), async || {
            let now = self.seen.load(Ordering::Acquire);
            let moved = now != last;
            last = now;
            moved.then_some(())
        })
        .await;
        self.seen.load(Ordering::Acquire)
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Stage {
    /// Counts from now on.
    pub(crate) async fn count_writes(&self, kind: &str) -> Writes {
        let seen = Arc::new(AtomicUsize::new(0));
        let stream = self.api(kind).watch(&WatchParams::default(), "0").await.expect("a watch");
        let counter = Arc::clone(&seen);
        let watching = tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(Ok(event)) = stream.next().await {
                if !matches!(event, WatchEvent::Bookmark(_) | WatchEvent::Error(_)) {
                    counter.fetch_add(1, Ordering::AcqRel);
                }
            }
        });
        Writes { seen, watching }
    }

    /// The log verifies, and holds the intent of each effect that the ledger holds, and for each
    /// intent either one outcome or a death before it.
    pub(crate) async fn witness_fits_the_ledger(&self) {
        let entries = self.witnessed(&self.running_operator().serving);
        let page = self.ledger().await;
        assert_eq!(page.unmatched, 0, "{:?}", page.unmatched_requests);
        let ledger = page.entries;
        for (effect, verb) in
            [(Effect::Create, "machine.create"), (Effect::Delete, "machine.delete")]
        {
            // What a person made is in nobody's log.
            let by_hand = |name: &Option<String>| {
                effect == Effect::Create
                    && name.as_ref().is_some_and(|name| name.starts_with(BY_HAND))
            };
            let happened = ledger.iter().filter(|entry| entry.effect == effect);
            let happened = happened.filter(|entry| !by_hand(&entry.name)).count();
            let intents = entries.iter().filter(|e| e.phase == Phase::Intent && e.verb == verb);
            let intents = intents.count();
            let known = entries.iter().filter(|e| {
                e.phase == Phase::Outcome && e.verb == verb && e.class.as_deref() == Some("Ok")
            });
            // Asked again with the same token it is the same effect.
            let known = known.map(|e| e.token.as_ref()).collect::<BTreeSet<_>>().len();
            assert!(intents >= happened, "{verb}: {intents} intents, {happened} effects");
            assert!(known <= happened, "{verb}: {known} successes, {happened} effects");
        }
        for (index, entry) in entries.iter().enumerate() {
            let outcomes = entries.iter().filter(|e| e.intent_index == Some(index as u64)).count();
            match entry.phase {
                Phase::Intent => assert!(outcomes <= 1, "intent {index} has {outcomes} outcomes"),
                Phase::Outcome | Phase::Decision => assert_eq!(outcomes, 0),
            }
            if entry.phase == Phase::Outcome {
                let intent = entry.intent_index.and_then(|at| usize::try_from(at).ok());
                let intent = intent.and_then(|at| entries.get(at)).expect("its intent");
                assert_eq!((&intent.token, &intent.verb), (&entry.token, &entry.verb));
            }
        }
    }

    /// The bytes of every file of the witness log.
    pub(crate) fn witness_files(&self) -> Vec<Vec<u8>> {
        let mut folders = vec![self.dir.path().join("witness")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(std::fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }

    /// Makes a second thing with the marks of the first, as a confused person would.
    pub(crate) async fn second_thing(&self, definition: &str, token: &str) -> String {
        let first = self.creations().await.remove(0);
        let path = format!("/p/{definition}/machines");
        let authorization = format!("Bearer {token}");
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = first.request.to_string();
        let reply = request(self.world_address(), "POST", &path, &headers, &body).await;
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.body);
        let made: Value = serde_json::from_str(&reply.body).expect("JSON");
        made["machine"]["id"].as_str().expect("an id").to_owned()
    }

    /// Removes a thing behind the operator's back.
    pub(crate) async fn remove_thing(&self, definition: &str, token: &str, id: &str) {
        let path = format!("/p/{definition}/machines/{id}");
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        let reply = request(self.world_address(), "DELETE", &path, &headers, "").await;
        assert_eq!(reply.expect("an answer").status, 204);
        let gone = async || self.things().await.iter().all(|thing| thing.id != id).then_some(());
        poll(SOON, gone).await.expect("the thing is gone");
    }
}
