//! Stages 6, 7 and 12: the caller's journal around an effect.

use infrafabric_definition::Class;

use super::answer::Answer;
use super::call::{Effect, Ready};
use crate::error::AdapterError;
use crate::journal::{Intent, JournalError, Outcome};

/// The journal's record of one call: nothing for reads.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    effect: Option<Effect<'a>>,
    /// Set once it is written down.
    intent: Option<Intent>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(call: &Ready<'a>) -> Self {
        Self { effect: call.effect, intent: None }
    }

    /// Writes the intent down, once for all attempts of the call.
    pub(crate) async fn intent(&mut self, call: &Ready<'_>) -> Result<(), AdapterError> {
        let Some(effect) = self.effect.filter(|_| self.intent.is_none()) else { return Ok(()) };
        let intent = Intent {
            provider: call.definition.name().to_owned(),
            operation: call.operation.name.clone(),
            token: effect.token.to_owned(),
            external_id: effect.external_id.map(ToOwned::to_owned),
            request: call.request.canonical(),
        };
        effect.journal.intent(&intent).await.map_err(|error| refused(call, error))?;
        self.intent = Some(intent);
        Ok(())
    }

    /// Asks whether the effect may still start.
    pub(crate) async fn permit(&self, call: &Ready<'_>) -> Result<(), AdapterError> {
        let Some(effect) = self.effect else { return Ok(()) };
        effect.journal.permit().await.map_err(|error| refused(call, error))
    }

    /// Writes down how it ended.
    pub(crate) async fn outcome(&self, result: &Result<Answer, AdapterError>) {
        let (Some(effect), Some(intent)) = (self.effect, &self.intent) else { return };
        let outcome = match result {
            Ok(answer) => Outcome {
                class: None,
                status: Some(answer.status),
                external_id: match effect.identity {
                    Some(identity) => identity(answer)
                        .filter(|id| !id.is_empty())
                        .or_else(|| intent.external_id.clone()),
                    None => intent.external_id.clone(),
                },
                price_per_hour: None,
            },
            Err(error) => Outcome {
                class: Some(error.class),
                status: error.status,
                external_id: intent.external_id.clone(),
                price_per_hour: None,
            },
        };
        if let Err(error) = effect.journal.outcome(intent, &outcome).await {
            // The effect stands; who finds the intent open looks the outcome up.
            let operation = &intent.operation;
            tracing::warn!(%operation, %error, "the outcome is not in the journal");
        }
    }
}

/// A journal's refusal says nothing about the provider: never a class that blames it.
fn refused(call: &Ready<'_>, error: JournalError) -> AdapterError {
    let class = match &error {
        JournalError::Changed | JournalError::Differs => Class::Conflict,
        JournalError::Forbidden(_) | JournalError::Write(_) => Class::Policy,
    };
    call.error(class, error.to_string()).because(error)
}
