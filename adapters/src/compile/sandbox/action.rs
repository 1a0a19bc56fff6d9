//! How the simulated provider answers actions, with its templates compiled.

use std::collections::BTreeMap;

use infrafabric_definition::{Free, Name, SandboxAction, SandboxThing};
use serde_json::Value as Json;

use super::{CompiledAnswer, CompiledList, CompiledRule, answer, list, rules};
use crate::compile::definition::Problems;
use crate::compile::operation::{text_template, tree};
use crate::compile::template::{Template, Tree};

/// What a simulated action makes and changes.
#[derive(Debug)]
pub struct CompiledSandboxThing {
    /// The identity of a new one.
    pub id: Template,
    /// What it is at first.
    pub starts: BTreeMap<String, Tree>,
    /// The thing as answers show it.
    pub item: Tree,
}

/// A simulated action.
#[derive(Debug)]
pub struct CompiledSandboxAction {
    /// What differs from the contract's own example of a wish.
    pub example: Json,
    /// What must hold.
    pub rules: Vec<CompiledRule>,
    /// The kind of things that it finds, and which of them.
    pub of: Option<(String, Option<Template>)>,
    /// What the thing is from now on.
    pub sets: BTreeMap<String, Tree>,
    /// The answer.
    pub answer: CompiledAnswer,
    /// What the device pushes when it was done.
    pub event: Option<Tree>,
    /// The answers of the steps before its call.
    pub steps: BTreeMap<String, CompiledList>,
    /// The answer to who asks what became of it.
    pub resolve: Option<CompiledList>,
}

impl CompiledSandboxThing {
    pub(super) fn compile(
        spec: &SandboxThing,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        Some(Self {
            starts: trees(&spec.starts, &format!("{path}.starts"), problems),
            id: text_template(&spec.id, &format!("{path}.id"), problems)?,
            item: tree(&spec.item.0, &format!("{path}.item"), problems)?,
        })
    }
}

impl CompiledSandboxAction {
    pub(super) fn compile(spec: &SandboxAction, path: &str, problems: &mut Problems) -> Self {
        let resolve = spec.resolve.as_ref();
        let steps = spec.steps.iter().map(|(name, given)| {
            (name.0.clone(), list(given, &format!("{path}.steps.{name}"), problems))
        });
        let filter = spec.filter.as_ref();
        let steps = steps.collect();
        let filter =
            filter.and_then(|text| text_template(text, &format!("{path}.where"), problems));
        let event = spec.event.as_ref();
        let event = event.and_then(|event| tree(&event.0, &format!("{path}.event"), problems));
        Self {
            event,
            of: spec.of.as_ref().map(|of| (of.0.clone(), filter)),
            steps,
            example: spec.example.as_ref().map_or(Json::Null, |example| example.0.clone()),
            rules: rules(&spec.rules, path, problems),
            sets: trees(&spec.sets, &format!("{path}.sets"), problems),
            answer: answer(&spec.answer, &format!("{path}.answer"), problems),
            resolve: resolve.map(|given| list(given, &format!("{path}.resolve"), problems)),
        }
    }
}

fn trees(
    given: &BTreeMap<Name, Free>,
    path: &str,
    problems: &mut Problems,
) -> BTreeMap<String, Tree> {
    let mut compiled = BTreeMap::new();
    for (name, value) in given {
        let place = format!("{path}.{name}");
        compiled.extend(tree(&value.0, &place, problems).map(|t| (name.0.clone(), t)));
    }
    compiled
}
