//! What the pipeline asks of its caller around every effect.

pub mod file;

use async_trait::async_trait;
use infrafabric_definition::Class;
use rust_decimal::Decimal;
use thiserror::Error;

/// An effect about to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The definition's name.
    pub provider: String,
    /// `machine.create`, `machine.delete`.
    pub operation: String,
    /// The idempotency token of this attempt; the same on every retry of it.
    pub token: String,
    /// What the effect is aimed at, for effects on something that exists.
    pub external_id: Option<String>,
    /// The rendered request as canonical bytes (method, path, body) before authentication: what
    /// the caller digests. Never stored as it is.
    pub request: Vec<u8>,
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `None` when it succeeded.
    pub class: Option<Class>,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The provider's identity of what it made, when the answer said.
    pub external_id: Option<String>,
    /// What it costs per hour from now on, when known.
    pub price_per_hour: Option<(Decimal, String)>,
}

/// Why the journal forbids an effect, or could not keep it.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Somebody else wrote the object: look again before acting.
    #[error("record the intent: the object changed meanwhile")]
    Changed,
    /// The token stands for another request already: this one needs a token of its own.
    #[error("record the intent: its token stands for another request")]
    Differs,
    /// The right to act is lost (lease gone, global stop, shutting down).
    #[error("keep the right to act: {0}")]
    Forbidden(String),
    /// The record could not be written.
    #[error("write the journal")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Keeps a record of every effect before and after it happens. The pipeline calls `intent` once an
/// attempt, `permit` right before every sending, and `outcome` once at the end of the attempt.
///
/// # Guarantees
/// The pipeline sends nothing when `intent` or `permit` fails.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes down, durably, that the effect is about to happen.
    async fn intent(&self, intent: &Intent) -> Result<(), JournalError>;
    /// Whether the effect may still start.
    async fn permit(&self) -> Result<(), JournalError>;
    /// Writes down how it ended. A failure here does not undo the effect: the caller finds the
    /// open intent later.
    async fn outcome(&self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError>;
}

/// Permits everything and keeps nothing: for effects that are none, on a simulator whose own ledger is the
/// record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrecorded;

#[async_trait]
impl Journal for Unrecorded {
    async fn intent(&self, _: &Intent) -> Result<(), JournalError> {
        Ok(())
    }
    async fn permit(&self) -> Result<(), JournalError> {
        Ok(())
    }
    async fn outcome(&self, _: &Intent, _: &Outcome) -> Result<(), JournalError> {
        Ok(())
    }
}
