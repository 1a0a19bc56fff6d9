//! Actions with their templates compiled.

use std::collections::BTreeMap;

use infrafabric_definition::{ActionSpec, AnswerFormat, Name};

use super::definition::Problems;
use super::operation::{CompiledOperation, condition, text_template, tree};
use super::template::{Template, Tree};

/// One exchange that a provider does for us.
#[derive(Debug)]
pub struct CompiledAction {
    /// What must be true of a wish, and what is said otherwise.
    pub rules: Vec<(Template, Template)>,
    /// The request; what became of it when its answer was lost is asked by its `resolve`.
    pub call: CompiledOperation,
    /// Whether the provider honours our token.
    pub keyed: bool,
    /// The piece of text that an event of a stream brings.
    pub delta: Option<Template>,
    /// The contract's outputs by name; `state` is a map.
    pub outputs: BTreeMap<String, Tree>,
}

impl CompiledAction {
    /// Compiles an action; every problem it has goes to `problems`.
    pub(super) fn compile(
        name: &Name,
        spec: &ActionSpec,
        answer: AnswerFormat,
        problems: &mut Problems,
    ) -> Option<Self> {
        let path = format!("spec.actions.{name}");
        let mut rules = Vec::new();
        for (i, rule) in spec.rules.iter().enumerate() {
            let place = format!("{path}.rules[{i}]");
            let must = condition(&rule.must, &format!("{place}.must"), problems);
            let message = text_template(&rule.message, &format!("{place}.message"), problems);
            rules.extend(must.zip(message));
        }
        let call = format!("{path}.call");
        let call = CompiledOperation::compile(name.as_str(), &spec.call, answer, &call, problems);
        let resolve = spec.resolve.as_ref().and_then(|resolve| {
            let (name, place) = (format!("{name}.resolve"), format!("{path}.resolve"));
            CompiledOperation::compile(&name, resolve, answer, &place, problems)
        });
        let delta = spec.delta.as_ref();
        let delta =
            delta.and_then(|delta| text_template(delta, &format!("{path}.delta"), problems));
        let mut outputs = BTreeMap::new();
        for (output, value) in &spec.outputs {
            let place = format!("{path}.as.{output}");
            outputs.extend(tree(&value.0, &place, problems).map(|t| (output.0.clone(), t)));
        }
        let call = CompiledOperation { resolve: resolve.map(Box::new), ..call? };
        Some(Self { rules, call, keyed: spec.key, delta, outputs })
    }
}
