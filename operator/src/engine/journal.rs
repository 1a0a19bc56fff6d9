//! The effect journal: intent in the object's status and in the witness before a request leaves,
//! its outcome in the witness after.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use infrafabric_adapters::clock::Clock;
use infrafabric_adapters::journal::{Intent, Journal, JournalError, Outcome};
use infrafabric_crds::engine::{Forgotten, Operation, WitnessRef};
use tokio_util::sync::CancellationToken;

use super::halt::Halt;
use crate::fault_point::fault_point;
use crate::witness::{Cost, Entry, ObjectId, Phase, Receipt, Witness};

/// Writes the intent into the object, with the resourceVersion that was decided on.
#[async_trait]
pub trait IntentWriter: Send + Sync {
    /// Writes the whole status with the operation in it; a conflict is [`JournalError::Changed`].
    async fn write(&self, operation: &Operation) -> Result<(), JournalError>;
}

/// The journal of one effect on one object.
pub struct ObjectJournal<'a> {
    /// Who is written about.
    pub object: ObjectId,
    /// The Provider's name.
    pub provider: String,
    /// The operation as far as it is known before the request is rendered.
    pub operation: Operation,
    /// Writes the object.
    pub writer: &'a dyn IntentWriter,
    /// The log.
    pub witness: &'a Witness,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// An earlier operation that this one may be again: its token stands for one request only.
    pub forgotten: Option<Forgotten>,
    /// Whether effects are stopped for all.
    pub halt: Halt,
    /// Cancelled when no further effect may start.
    pub stop: CancellationToken,
    /// The operator's identity in the log.
    pub actor: String,
    /// What was written to the log.
    pub receipts: Arc<Mutex<Receipts>>,
}

/// The log entries of one effect.
#[derive(Clone, Debug, Default)]
pub struct Receipts {
    /// The intent's.
    pub intent: Option<Receipt>,
    /// The outcome's.
    pub outcome: Option<Receipt>,
}

impl Receipts {
    /// The newest one, as status shows it.
    pub fn newest(&self) -> Option<WitnessRef> {
        self.outcome.as_ref().or(self.intent.as_ref()).map(|receipt| WitnessRef {
            index: receipt.index,
            leaf_hash: receipt.leaf_hash.clone(),
            checkpoint: receipt.checkpoint.clone(),
        })
    }
}

impl ObjectJournal<'_> {
    async fn append(&self, entry: Entry) -> Result<Receipt, JournalError> {
        self.witness.append(entry).await.map_err(|error| JournalError::Write(Box::new(error)))
    }

    fn entry(&self, intent: &Intent, phase: Phase) -> Entry {
        Entry {
            at: self.clock.now(),
            phase,
            object: self.object.clone(),
            provider: Some(self.provider.clone()),
            verb: intent.operation.clone(),
            token: Some(intent.token.clone()),
            request_digest: Some(self.witness.digest(&intent.request)),
            intent_index: None,
            class: None,
            external_id_digest: intent
                .external_id
                .as_ref()
                .map(|id| self.witness.digest(id.as_bytes())),
            cost: None,
            actor: self.actor.clone(),
            note: None,
        }
    }

    fn receipts(&self) -> std::sync::MutexGuard<'_, Receipts> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for ObjectJournal<'_> {
    async fn intent(&self, intent: &Intent) -> Result<(), JournalError> {
        let digest = self.witness.digest(&intent.request);
        // What is made of several things has its token in each request; the first one stands for all.
        let is_first = self.receipts().intent.is_none();
        let forgotten =
            self.forgotten.as_ref().filter(|earlier| is_first && earlier.token == intent.token);
        if forgotten.is_some_and(|earlier| earlier.request_digest != digest) {
            return Err(JournalError::Differs);
        }
        let operation = Operation { request_digest: digest, ..self.operation.clone() };
        fault_point("intent.status.before");
        self.writer.write(&operation).await?;
        fault_point("intent.witness.before");
        let receipt = self.append(self.entry(intent, Phase::Intent)).await?;
        fault_point("intent.witness.after");
        self.receipts().intent = Some(receipt);
        Ok(())
    }

    async fn permit(&self) -> Result<(), JournalError> {
        if self.stop.is_cancelled() {
            return Err(JournalError::Forbidden("the operator is stopping".to_owned()));
        }
        if let Some(why) = self.halt.why() {
            return Err(JournalError::Forbidden(why));
        }
        fault_point("send.before");
        Ok(())
    }

    async fn outcome(&self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        fault_point("outcome.witness.before");
        let intent_index = self.receipts().intent.as_ref().map(|receipt| receipt.index);
        let class = outcome.class.map_or("Ok", infrafabric_definition::Class::as_str);
        let known_id = outcome.external_id.as_ref().or(intent.external_id.as_ref());
        let cost = outcome.price_per_hour.clone().map(|(amount, currency)| Cost {
            amount,
            currency,
            per: Some("hour".to_owned()),
        });
        let entry = Entry {
            intent_index,
            class: Some(class.to_owned()),
            external_id_digest: known_id.map(|id| self.witness.digest(id.as_bytes())),
            cost,
            ..self.entry(intent, Phase::Outcome)
        };
        let receipt = self.append(entry).await?;
        fault_point("outcome.witness.after");
        self.receipts().outcome = Some(receipt);
        Ok(())
    }
}
