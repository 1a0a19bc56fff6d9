//! The recent changes of one table.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::Stored;

/// How many bytes of object text those changes may keep alive.
const BYTES: usize = 64 * 1024 * 1024;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) change: Change,
    pub(crate) key: String,
    /// The state after the change; for a deletion the last state under the deletion's revision.
    pub(crate) stored: Arc<Stored>,
    /// The state before the change.
    pub(crate) previous: Option<Arc<Stored>>,
    pub(crate) at: Instant,
}

impl Event {
    pub(crate) fn revision(&self) -> u64 {
        self.stored.revision
    }
}

/// A bounded log of changes, oldest first.
pub(super) struct History {
    /// How many changes are remembered.
    limit: usize,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Changes at or below this revision are forgotten.
    compacted: u64,
}

impl History {
    pub(super) fn new(limit: usize, compacted: u64) -> Self {
        Self { limit, events: VecDeque::new(), bytes: 0, compacted }
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.bytes += event.stored.bytes.len();
        self.events.push_back(event);
        while self.events.len() > self.limit || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.stored.bytes.len();
            self.compacted = oldest.revision();
        }
    }

    /// Forgets everything up to a revision that is not in the future.
    pub(super) fn forget(&mut self, revision: u64) {
        self.events.clear();
        self.bytes = 0;
        self.compacted = revision;
    }

    /// The oldest revision that can still be reconstructed or watched from.
    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.events.iter().rev()
    }

    pub(super) fn since(&self, revision: u64) -> Vec<Arc<Event>> {
        let start = self.events.partition_point(|event| event.revision() <= revision);
        self.events.range(start..).cloned().collect()
    }
}
