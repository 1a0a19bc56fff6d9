//! Calls whose answer was lost: the provider is asked what became of them.

use infrafabric_definition::Class;

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
        let answer = match self.run(question).await {
            Ok(answer) => answer,
            Err(why) => {
                error.message = format!("{}; and asking failed: {}", error.message, why.message);
                return Err(error);
            }
        };
        let found = match &resolve.item {
            Some(item) => {
                let mut vars = inputs.vars(&self.parameters);
                answer.add_to(&mut vars);
                self.evaluated(&resolve.name, item, &vars)?
            }
            None => None,
        };
        match found {
            Some(item) if !item.is_null() => {
                tracing::info!(operation = call.operation.name, "the answer was lost; it happened");
                Ok(Answer { body: item, resolved: true, ..answer })
            }
            _ => Err(error),
        }
    }
}
