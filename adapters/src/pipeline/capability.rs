//! Stage 1: what the definition does not declare is refused before any byte leaves.

use infrafabric_definition::Class;

use crate::compile::{Compiled, CompiledOperation};
use crate::error::AdapterError;

/// The operation, if the definition declares it.
pub(crate) fn require<'a>(
    definition: &Compiled,
    name: &str,
    operation: Option<&'a CompiledOperation>,
) -> Result<&'a CompiledOperation, AdapterError> {
    operation.ok_or_else(|| {
        let message = format!("the definition does not declare {name}");
        AdapterError::new(Class::Unsupported, definition.name(), name, message)
    })
}
