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

impl Change {
    /// Its name in a watch.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
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
    /// The newest change that was forgotten.
    lost: u64,
}

/// The change that should come next is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

impl History {
    pub(super) fn new(limit: usize, compacted: u64) -> Self {
        Self { limit, events: VecDeque::new(), bytes: 0, compacted, lost: 0 }
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
            self.lost = self.compacted;
        }
    }

    /// Forgets everything up to a revision that is not in the future.
    pub(super) fn forget(&mut self, revision: u64) {
        self.lost = self.events.back().map_or(self.lost, |newest| newest.revision());
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

    /// The first change after a revision.
    pub(super) fn after(&self, revision: u64) -> Result<Option<&Arc<Event>>, Lost> {
        if revision < self.lost {
            return Err(Lost);
        }
        // Who is not behind is the common case.
        if self.events.back().is_none_or(|newest| newest.revision() <= revision) {
            return Ok(None);
        }
        let next = self.events.partition_point(|event| event.revision() <= revision);
        Ok(self.events.get(next))
    }
}
