//! Subscriptions to a table: places in its history, so that nobody who does not read costs memory.

use tokio::sync::watch;

/// Wakes whoever follows a table.
#[derive(Default)]
pub(super) struct Watchers {
    news: watch::Sender<()>,
    /// Up to where those are told whose subscriptions were ended last.
    closed_at: u64,
}

impl Watchers {
    /// Tells everyone that there is something new.
    pub(super) fn wake(&self) {
        // That nobody listens is no failure.
        let _ = self.news.send(());
    }

    /// Follows the table from just after a revision.
    pub(super) fn subscribe(&self, from: u64) -> Subscription {
        Subscription { told: from, news: self.news.subscribe() }
    }

    /// Ends all subscriptions; they are told what happened up to now.
    pub(super) fn close(&mut self, revision: u64) {
        *self = Self { news: watch::Sender::default(), closed_at: revision };
    }

    /// Whether a subscriber may be told of a change.
    pub(super) fn may_know(&self, subscription: &Subscription, revision: u64) -> bool {
        revision <= self.closed_at || !subscription.is_closed()
    }
}

/// How far one watcher has been told of a table's changes.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(super) told: u64,
    news: watch::Receiver<()>,
}

impl Subscription {
    /// Waits for news; false when the server has ended this subscription.
    pub(crate) async fn news(&mut self) -> bool {
        self.news.changed().await.is_ok()
    }

    /// Whether the server has ended this subscription.
    pub(crate) fn is_closed(&self) -> bool {
        self.news.has_changed().is_err()
    }
}
