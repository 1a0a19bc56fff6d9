//! Reads before a request, whose results it or its outputs need.

use infrafabric_definition::Class;
use serde_json::{Map, Value as Json};

use super::Pipeline;
use super::call::Call;
use super::request::{Inputs, RenderError};
use crate::compile::CompiledStep;
use crate::error::AdapterError;

impl Pipeline {
    /// Makes the reads, each with what the ones before gave. What cannot be asked for, or is not
    /// there, is left out.
    pub(super) async fn steps(
        &self,
        steps: &[CompiledStep],
        inputs: &Inputs,
    ) -> Result<Json, AdapterError> {
        let mut given = Map::new();
        for step in steps {
            let mut inputs = inputs.clone();
            inputs.before.push(("steps", Json::Object(given.clone())));
            let operation = &step.operation;
            let call = Call {
                name: &operation.name,
                operation: Some(operation),
                inputs,
                effect: None,
                events: None,
            };
            let answer = match self.run(call).await {
                Ok(answer) => answer,
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

/// Whether the request was not made because its path has no value.
fn lacks_value(error: &AdapterError) -> bool {
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<RenderError>());
    matches!(source, Some(RenderError::Path(_)))
}
