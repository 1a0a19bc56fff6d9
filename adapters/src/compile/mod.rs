//! Checks and compiles definitions: parsed strictly, every name checked, expressions compiled once.

mod expression;
mod template;
mod value;

pub use expression::{EvaluationError, Expression, FUNCTIONS, Path, SyntaxError, Vars};
pub use template::{Template, TemplateError, Tree, TreeError, plain};
