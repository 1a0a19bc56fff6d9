//! Subscriptions to a table, with bounded queues.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Event;

/// How many undelivered changes a watcher may fall behind before it is dropped.
const QUEUE: usize = 4096;

#[derive(Default)]
pub(super) struct Watchers(Vec<mpsc::Sender<Arc<Event>>>);

impl Watchers {
    /// Hands the change to everyone; who cannot take it is dropped and must list again.
    pub(super) fn tell(&mut self, event: &Arc<Event>) {
        self.0.retain(|watcher| watcher.try_send(Arc::clone(event)).is_ok());
    }

    pub(super) fn subscribe(&mut self, backlog: Vec<Arc<Event>>) -> Subscription {
        self.0.retain(|watcher| !watcher.is_closed());
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.0.push(sender);
        Subscription { backlog: backlog.into(), receiver }
    }

    pub(super) fn close(&mut self) {
        self.0.clear();
    }
}

/// The receiving end of a watch.
#[derive(Debug)]
pub(crate) struct Subscription {
    backlog: VecDeque<Arc<Event>>,
    receiver: mpsc::Receiver<Arc<Event>>,
}

impl Subscription {
    /// The next change; `None` when the server dropped this watcher.
    pub(crate) async fn next(&mut self) -> Option<Arc<Event>> {
        match self.backlog.pop_front() {
            Some(event) => Some(event),
            None => self.receiver.recv().await,
        }
    }

    /// The next change that is already there.
    pub(crate) fn ready(&mut self) -> Option<Arc<Event>> {
        self.backlog.pop_front().or_else(|| self.receiver.try_recv().ok())
    }
}
