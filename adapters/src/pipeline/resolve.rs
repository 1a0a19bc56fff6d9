//! Calls whose answer was lost: the provider is asked what became of them.

use infrafabric_definition::Class;

use serde_json::Value as Json;

use super::Pipeline;
use super::answer::Answer;
use super::call::{Call, Ready};
use super::request::Inputs;
use crate::compile::CompiledOperation;
use crate::error::AdapterError;

impl Pipeline {
    /// The result of a call that the provider shows to have happened; the failure as it was when it
    /// shows nothing: what cannot be seen yet may have happened all the same.
    pub(super) async fn resolved(
        &self,
        call: &Ready<'_>,
        (resolve, inputs): (&CompiledOperation, &Inputs),
        mut error: AdapterError,
    ) -> Result<Answer, AdapterError> {
        if error.class != Class::Unknown || call.effect.is_none() {
            return Err(error);
        }
        let question = Call {
            name: &resolve.name,
            operation: Some(resolve),
            inputs: inputs.clone(),
            effect: None,
            events: None,
        };
        let found = match self.run(question).await {
            Ok(answer) => self.shown(resolve, inputs, &answer).map(|item| (item, answer)),
            Err(why) => Err(why),
        };
        match found {
            Ok((Some(item), answer)) if !item.is_null() => {
                tracing::info!(operation = call.operation.name, "the answer was lost; it happened");
                Ok(Answer { body: item, resolved: true, ..answer })
            }
            Ok(_) => Err(error),
            // In doubt it stays, whatever was wrong with asking.
            Err(why) => {
                error.message = format!("{}; and asking failed: {}", error.message, why.message);
                Err(error)
            }
        }
    }

    /// What of the provider's answer is what was made.
    fn shown(
        &self,
        resolve: &CompiledOperation,
        inputs: &Inputs,
        answer: &Answer,
    ) -> Result<Option<Json>, AdapterError> {
        let Some(item) = &resolve.item else { return Ok(None) };
        let mut vars = inputs.vars(&self.parameters);
        answer.add_to(&mut vars);
        self.evaluated(&resolve.name, item, &vars)
    }
}
