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
        match self.asked_after(resolve, inputs).await {
            Ok(Some(answer)) => {
                tracing::info!(operation = call.operation.name, "the answer was lost; it happened");
                Ok(answer)
            }
            Ok(None) => Err(error),
            // In doubt it stays, whatever was wrong with asking.
            Err(why) => {
                error.message = format!("{}; and asking failed: {}", error.message, why.message);
                Err(error)
            }
        }
    }

    /// What the provider shows of a call; none when it shows nothing.
    pub(crate) async fn asked_after(
        &self,
        resolve: &CompiledOperation,
        inputs: &Inputs,
    ) -> Result<Option<Answer>, AdapterError> {
        let question = Call {
            name: &resolve.name,
            operation: Some(resolve),
            inputs: inputs.clone(),
            effect: None,
            events: None,
        };
        let answer = match self.run(question).await {
            // Some say that there is nothing by a refusal.
            Err(error) if error.class == Class::NotFound => return Ok(None),
            answer => answer?,
        };
        let item = self.shown(resolve, inputs, &answer)?.filter(|item| !item.is_null());
        Ok(item.map(|item| Answer { body: item, resolved: true, ..answer }))
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
