//! Watches: changes as a stream of JSON lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{ListOptions, Verb};
use crate::api::Api;
use crate::faults::Target;
use crate::http::negotiate::Form;
use crate::render::{list, view};
use crate::resource::Resource;
use crate::status::{Failure, Result};
use crate::store::{Change, Event, OutOfRange, Stored, Subscription, line};

/// How long a watch lasts when the client does not say.
const LIFETIME: Duration = Duration::from_mins(30);
/// How often a quiet watch tells how far the world has come.
const BOOKMARK_EVERY: Duration = Duration::from_secs(30);
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// One running watch.
struct Watch {
    api: Arc<Api>,
    resource: Arc<Resource>,
    options: ListOptions,
    form: Form,
    prefix: String,
    initial: VecDeque<Arc<Stored>>,
    /// The bookmark that ends the initial events, while it is due.
    initial_end: Option<u64>,
    subscription: Option<Subscription>,
    /// A last line before the end.
    parting: Option<Bytes>,
    deadline: Instant,
    next_bookmark: Instant,
    with_columns: bool,
}

impl Verb<'_> {
    /// Starts a watch; the stream ends with its timeout, its resource or a full queue.
    pub(crate) fn watch(
        &self,
        options: ListOptions,
        form: Form,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>> {
        let store = &self.api.store;
        let table = &self.resource.table;
        let space = (!self.namespace.is_empty()).then_some(self.namespace.as_str());
        let prefix = self.resource.prefix(space);
        let from = options.revision.unwrap_or_default();
        let wants_state = options.initial_events || from == 0 && !options.no_initial_events;
        let now = Instant::now();
        let lifetime = options.timeout_seconds.map_or(LIFETIME, Duration::from_secs);
        let mut watch = Watch {
            api: Arc::clone(self.api),
            resource: Arc::clone(&self.resource),
            form,
            prefix,
            initial: VecDeque::new(),
            initial_end: None,
            subscription: None,
            parting: None,
            deadline: now + lifetime,
            next_bookmark: now + BOOKMARK_EVERY,
            with_columns: true,
            options,
        };
        // A watch that asks for no initial events begins now when it names no revision.
        if wants_state {
            let (page, subscription) = store.snapshot_and_watch(table, &watch.prefix);
            watch.initial = page
                .items
                .into_iter()
                .map(|(_, stored)| stored)
                .filter(|stored| view::selected(&watch.resource, &watch.options, stored))
                .collect();
            // Version 0 says that any state will do, and where it ends is told too.
            let ends = watch.options.initial_events || watch.options.revision == Some(0);
            watch.initial_end = ends.then_some(page.revision);
            watch.subscription = Some(subscription);
        } else {
            // A version that has not come is waited for.
            let now = store.revision();
            let from = if from == 0 { now } else { from.min(now) };
            match store.watch(table, from) {
                Ok(subscription) => watch.subscription = Some(subscription),
                Err(OutOfRange::Future(current)) => {
                    return Err(Failure::too_large_version(from, current));
                }
                Err(OutOfRange::TooOld) => {
                    let gone = Failure::expired(format!(
                        "too old resource version: {from} ({})",
                        store.revision()
                    ));
                    watch.parting = Some(line("ERROR", gone.to_json().to_string().as_bytes()));
                }
            }
        }
        Ok(futures::stream::unfold(watch, |mut watch| async move {
            let line = watch.next().await?;
            Some((line, watch))
        }))
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(stored) = self.initial.pop_front() {
            return Some(self.shown(Change::Added, &stored));
        }
        if let Some(revision) = self.initial_end.take()
            && self.options.bookmarks
        {
            return Some(self.bookmark(revision, true));
        }
        if let Some(parting) = self.parting.take() {
            return Some(parting);
        }
        loop {
            while let Some(event) = self.ready() {
                let late = self.lateness();
                if !late.is_zero() {
                    sleep_until((event.at + late).into()).await;
                }
                if let Some(line) = self.told(&event) {
                    return Some(line);
                }
            }
            let subscription = self.subscription.as_mut()?;
            tokio::select! {
                biased;
                open = subscription.news() => {
                    if !open {
                        return None;
                    }
                }
                () = self.api.closing.cancelled() => return None,
                () = sleep_until(self.deadline) => return self.last(),
                () = sleep_until(self.next_bookmark), if self.options.bookmarks => {
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    if let Some(lines) = self.caught_up() {
                        return Some(lines);
                    }
                }
            }
        }
    }

    /// The next change that is there. Who has fallen too far behind is told nothing more and must
    /// list again.
    fn ready(&mut self) -> Option<Arc<Event>> {
        let subscription = self.subscription.as_mut()?;
        let Ok(event) = self.api.store.next(&self.resource.table, subscription) else {
            self.subscription = None;
            return None;
        };
        event
    }

    /// How late a fault makes this watcher.
    fn lateness(&self) -> Duration {
        self.api.faults.lateness(&Target {
            verb: "watch",
            group: &self.resource.group,
            plural: &self.resource.plural,
            subresource: "",
            namespace: self.prefix.trim_end_matches('/'),
            name: "",
        })
    }

    /// Everything that is already there, then how far that is.
    fn caught_up(&mut self) -> Option<Bytes> {
        // Every change up to this revision was queued before it was read.
        let mut revision = self.api.store.revision();
        let mut lines = BytesMut::new();
        while let Some(event) = self.ready() {
            revision = revision.max(event.revision());
            if let Some(line) = self.told(&event) {
                lines.extend_from_slice(&line);
            }
        }
        // Only who is still told of everything may count on having been.
        self.subscription.as_ref().filter(|one| !one.is_closed())?;
        lines.extend_from_slice(&self.bookmark(revision, false));
        Some(lines.freeze())
    }

    fn last(&mut self) -> Option<Bytes> {
        let lines = if self.options.bookmarks { self.caught_up() } else { None };
        self.subscription = None;
        lines
    }

    /// What a change means to this watcher.
    fn told(&mut self, event: &Event) -> Option<Bytes> {
        if !event.key.starts_with(&self.prefix) {
            return None;
        }
        let chosen = |stored: &Stored| view::selected(&self.resource, &self.options, stored);
        let before = event.previous.as_deref().is_some_and(chosen);
        match (event.change, before) {
            (Change::Deleted, true) => Some(self.shown(Change::Deleted, &event.stored)),
            (Change::Deleted, false) => None,
            (_, before) => match (before, chosen(&event.stored)) {
                (true, true) => Some(self.shown(Change::Modified, &event.stored)),
                (false, true) => Some(self.shown(Change::Added, &event.stored)),
                (true, false) => {
                    // It left the selection: the old object under the new revision.
                    let mut old = view::of(&self.resource, event.previous.as_deref()?);
                    old["metadata"]["resourceVersion"] = json!(event.revision().to_string());
                    Some(self.rendered("DELETED", old))
                }
                (false, false) => None,
            },
        }
    }

    fn shown(&mut self, change: Change, stored: &Stored) -> Bytes {
        match self.form {
            Form::Object => view::told(&self.resource, stored, change),
            _ => self.rendered(change.name(), view::of(&self.resource, stored)),
        }
    }

    fn rendered(&mut self, kind: &str, object: Value) -> Bytes {
        let with_columns = std::mem::take(&mut self.with_columns);
        let object = list::rendered(&self.resource, object, &self.form, with_columns);
        line(kind, object.to_string().as_bytes())
    }

    fn bookmark(&mut self, revision: u64, initial_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let object = json!({"kind": self.resource.kind,
            "apiVersion": self.resource.api_version(), "metadata": metadata});
        self.rendered("BOOKMARK", object)
    }
}
