//! A call on its way through the pipeline.

use std::fmt;

use infrafabric_definition::Class;
use serde_json::Value as Json;

use super::answer::{Answer, Asked};
use super::request::{Inputs, Request};
use crate::compile::{Compiled, CompiledOperation};
use crate::error::AdapterError;
use crate::journal::Journal;

/// What a caller asks the pipeline to do.
pub(crate) struct Call<'a> {
    /// `machine.create`, `verify`, `sizes.list`.
    pub(crate) name: &'a str,
    /// The operation, if the definition declares it.
    pub(crate) operation: Option<&'a CompiledOperation>,
    /// What its request is rendered from.
    pub(crate) inputs: Inputs,
    /// Set when it changes the world.
    pub(crate) effect: Option<Effect<'a>>,
    /// Sees each event of a stream as it comes.
    pub(crate) events: Option<&'a Events<'a>>,
}

/// Sees the events of a stream as they come.
pub(crate) type Events<'a> = dyn Fn(&Json) + Send + Sync + 'a;

/// Reads the identity of what an answer says was made.
pub(crate) type Identity<'a> = dyn Fn(&Answer) -> Option<String> + Send + Sync + 'a;

/// What makes a call an effect.
#[derive(Clone, Copy)]
pub(crate) struct Effect<'a> {
    /// The idempotency token.
    pub(crate) token: &'a str,
    /// What it is aimed at; `None` for creations.
    pub(crate) external_id: Option<&'a str>,
    /// Whom to tell before and after.
    pub(crate) journal: &'a dyn Journal,
    /// Whether the provider honours the token, so that the effect may be repeated.
    pub(crate) keyed: bool,
    /// Creations: success without an identity is in doubt.
    pub(crate) identity: Option<&'a Identity<'a>>,
    /// Whether it removes something: what is gone already is a success.
    pub(crate) deletes: bool,
}

impl fmt::Debug for Effect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effect").field("external_id", &self.external_id).finish_non_exhaustive()
    }
}

/// A call whose operation is declared and whose request is rendered.
pub(crate) struct Ready<'a> {
    pub(crate) definition: &'a Compiled,
    pub(crate) operation: &'a CompiledOperation,
    pub(crate) request: Request,
    /// What was asked, where what the answer is read as needs that.
    pub(crate) asked: Option<Box<Asked>>,
    pub(crate) effect: Option<Effect<'a>>,
    pub(crate) events: Option<&'a Events<'a>>,
}

impl fmt::Debug for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("operation", &self.operation.name).finish_non_exhaustive()
    }
}

impl Ready<'_> {
    /// A failure of this call, not sent.
    pub(crate) fn error(&self, class: Class, message: impl Into<String>) -> AdapterError {
        AdapterError::new(class, self.definition.name(), &self.operation.name, message)
    }

    /// The class when the request left and no answer says how it ended.
    pub(crate) fn in_doubt(&self) -> Class {
        if self.effect.is_some() { Class::Unknown } else { Class::Unavailable }
    }

    /// Whether "not found" is what was wanted.
    pub(crate) fn absence_is_success(&self) -> bool {
        self.effect.is_some_and(|effect| effect.deletes)
    }
}
