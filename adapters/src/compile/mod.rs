//! Checks and compiles definitions: parsed strictly, every name checked, expressions compiled once.

mod action;
mod check;
mod definition;
mod dialect;
mod expression;
mod functions;
pub(crate) mod load;
mod operation;
mod sandbox;
mod template;
mod value;
mod webhook;

pub use action::CompiledAction;
pub use definition::{
    Compiled, CompiledAuth, CompiledCatalog, CompiledChild, CompiledEndpoint, CompiledErrorRule,
    CompiledObject, CompiledPart, Problem,
};
pub use expression::{EvaluationError, Expression, Path, SyntaxError, Vars};
pub use functions::FUNCTIONS;
pub use load::{LoadError, Place, parse};
pub use operation::{
    BodyTemplate, CompiledOperation, CompiledStep, CompiledWait, PathTemplate, Transport,
};
pub use sandbox::{
    CompiledAnswer, CompiledDelivery, CompiledList, CompiledRead, CompiledRule, CompiledSandbox,
    CompiledSandboxAction, CompiledSandboxChild, CompiledSandboxObject, CompiledSandboxPart,
    CompiledSandboxThing, CompiledSandboxWebhook,
};
pub use template::{Template, TemplateError, Tree, TreeError, plain};
pub use webhook::{CompiledHandshake, CompiledWebhook};
