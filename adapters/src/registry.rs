//! All definitions in use: the built-in ones and those given at run time.

use std::sync::Arc;

use infrafabric_definition::Definition;

use crate::compile::{Compiled, Problem};

/// The definitions by name, swapped atomically; calls in flight finish on the one they began with.
#[derive(Debug, Default)]
pub struct Registry {}

/// Where a definition came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Embedded in the binary.
    BuiltIn,
    /// Given at run time (a ProviderDefinition object, a file).
    Given,
}

impl Registry {
    /// A registry with the built-in definitions.
    pub fn built_in() -> Result<Self, Vec<Problem>> {
        Ok(Self {})
    }

    /// The definition of that name and where it came from.
    pub fn get(&self, name: &str) -> Option<(Arc<Compiled>, Source)> {
        let _ = name;
        None
    }

    /// Takes a definition into use, or says everything that is wrong with it and keeps the old one.
    /// A built-in's name is refused unless `allow_override`.
    pub fn put(
        &self,
        name: &str,
        spec: Definition,
        allow_override: bool,
    ) -> Result<Arc<Compiled>, Vec<Problem>> {
        let _ = allow_override;
        Compiled::new(name, spec).map(Arc::new)
    }

    /// Forgets a given definition; a built-in of the name serves again.
    pub fn remove(&self, name: &str) {
        let _ = name;
    }

    /// All names, sorted, with their source.
    pub fn names(&self) -> Vec<(String, Source)> {
        Vec::new()
    }
}
