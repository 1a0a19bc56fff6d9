//! What comes before a request: reads whose results it or its outputs need, and what nobody sees until
//! the request names it.

use infrafabric_definition::Class;
use serde_json::{Map, Value as Json};

use super::Pipeline;
use super::call::{Call, Effect};
use super::request::{Inputs, RenderError};
use crate::compile::CompiledStep;
use crate::error::AdapterError;

impl Pipeline {
    /// Makes the reads, each with what the ones before gave. What cannot be asked for, or is not
    /// there, is left out. What is sent is an effect of its own, with its intent and outcome; when it
    /// fails, what it is for did not happen, so that it may be tried again.
    pub(super) async fn steps(
        &self,
        steps: &[CompiledStep],
        inputs: &Inputs,
        effect: Option<&Effect<'_>>,
    ) -> Result<Json, AdapterError> {
        let mut given = Map::new();
        for step in steps {
            let mut inputs = inputs.clone();
            inputs.before.push(("steps", Json::Object(given.clone())));
            let operation = &step.operation;
            let sends = effect.filter(|_| operation.sends());
            let token = sends.map(|effect| format!("{} {}", effect.token, step.name));
            if token.is_some() {
                inputs.token.clone_from(&token);
            }
            let effect = sends.zip(token.as_deref()).map(|(effect, token)| Effect {
                token,
                external_id: None,
                journal: effect.journal,
                keyed: false,
                identity: None,
                deletes: false,
            });
            let call = Call {
                name: &operation.name,
                operation: Some(operation),
                inputs,
                effect,
                events: None,
            };
            let answer = match self.run(call).await {
                Ok(answer) => answer,
                Err(error) if sends.is_some() => return Err(before(error)),
                Err(error) if error.class == Class::NotFound || lacks_value(&error) => continue,
                Err(error) => return Err(error),
            };
            let item = match &operation.item {
                Some(template) => self.evaluate(&operation.name, template, &answer)?,
                None => Some(answer.body),
            };
            given.extend(item.map(|item| (step.name.clone(), item)));
        }
        Ok(Json::Object(given))
    }
}

/// Nobody sees what was sent before the request that names it: nothing is in doubt.
fn before(mut error: AdapterError) -> AdapterError {
    if error.class == Class::Unknown {
        error.class = Class::Unavailable;
        error.scope = crate::error::scope_of(Class::Unavailable);
        error.message = format!("nothing was made: what comes before it failed: {}", error.message);
    }
    error
}

/// Whether the request was not made because its path has no value.
fn lacks_value(error: &AdapterError) -> bool {
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<RenderError>());
    matches!(source, Some(RenderError::Path(_)))
}
