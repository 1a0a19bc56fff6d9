//! What went over the wire, for whoever judges it.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// A request to a simulated provider and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The definition.
    pub definition: String,
    /// The method on the wire.
    pub method: String,
    /// The path beneath the provider's base URL.
    pub path: String,
    /// The query on the wire.
    pub query: String,
    /// The request's `Content-Type`.
    pub kind: String,
    /// The request's body.
    pub body: Bytes,
    /// The answer's status.
    pub status: u16,
    /// The answer's `Content-Type`.
    pub answer_kind: String,
    /// The answer's body.
    pub answer: Bytes,
}

/// Keeps every exchange of a world, secrets in bodies included: for tests and checks on loopback.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Exchange>>);

impl Recorder {
    pub(crate) fn add(&self, exchange: Exchange) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }

    /// Everything so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
