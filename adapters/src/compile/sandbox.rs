//! The `sandbox:` section with its templates compiled, for the simulator.

mod action;
mod webhook;

use std::collections::BTreeMap;

use infrafabric_definition::{
    Class, Sandbox, SandboxAnswer, SandboxChild, SandboxFailure, SandboxList, SandboxObject,
    SandboxRead, SandboxRule, Text,
};

pub use self::action::{CompiledSandboxAction, CompiledSandboxThing};
pub use self::webhook::{CompiledDelivery, CompiledSandboxWebhook};
use super::definition::Problems;
use super::operation::{text_template, tree};
use super::template::{Template, Tree};

/// The simulated provider.
#[derive(Debug)]
pub struct CompiledSandbox {
    /// Secret values that the simulated account accepts.
    pub accepts: BTreeMap<String, String>,
    /// The answer to who asks for an access token.
    pub token: Option<CompiledAnswer>,
    /// The body of every error answer.
    pub error: CompiledAnswer,
    /// The answer of `verify`.
    pub verify: CompiledAnswer,
    /// Its things.
    pub objects: BTreeMap<String, CompiledSandboxObject>,
    /// What its actions make and change.
    pub things: BTreeMap<String, CompiledSandboxThing>,
    /// Its actions.
    pub actions: BTreeMap<String, CompiledSandboxAction>,
    /// Its catalogs.
    pub catalogs: BTreeMap<String, CompiledAnswer>,
    /// What it delivers.
    pub webhook: Option<CompiledSandboxWebhook>,
    /// How failures look on the wire.
    pub failures: BTreeMap<Class, SandboxFailure>,
}

/// An answer.
#[derive(Debug)]
pub struct CompiledAnswer {
    /// HTTP status.
    pub status: u16,
    /// Answer headers.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Option<Tree>,
}

/// One kind of simulated thing.
#[derive(Debug)]
pub struct CompiledSandboxObject {
    /// The identity of a new thing.
    pub id: Template,
    /// The thing as reads show it.
    pub item: Tree,
    /// What must be unique.
    pub unique: Option<Template>,
    /// Whether a deleted thing stays visible.
    pub lingers: bool,
    /// What a creation must fulfil.
    pub rules: Vec<CompiledRule>,
    /// The answer of a creation.
    pub create: CompiledAnswer,
    /// The answer of a read.
    pub read: CompiledAnswer,
    /// The answer of a list.
    pub list: CompiledList,
    /// The answer of a deletion.
    pub delete: CompiledAnswer,
    /// The answers of its verbs.
    pub verbs: BTreeMap<String, CompiledAnswer>,
    /// The answers of the steps of its operations.
    pub steps: BTreeMap<String, CompiledRead>,
    /// What answers who waits.
    pub wait: Option<CompiledRead>,
    /// The answers for its parts.
    pub parts: BTreeMap<String, CompiledSandboxPart>,
    /// What it holds.
    pub children: BTreeMap<String, CompiledSandboxChild>,
}

/// The answer of a read beside the thing's own.
#[derive(Debug)]
pub struct CompiledRead {
    /// The path that is asked.
    pub path: Option<Template>,
    /// The identity of the thing that is asked for.
    pub of: Option<Template>,
    /// The answer.
    pub answer: CompiledAnswer,
}

/// A simulated part.
#[derive(Debug)]
pub struct CompiledSandboxPart {
    /// The answer of its creation.
    pub create: CompiledAnswer,
    /// The answer of its deletion.
    pub delete: CompiledAnswer,
}

/// A kind of simulated things that another one holds.
#[derive(Debug)]
pub struct CompiledSandboxChild {
    /// The identity of a new one.
    pub id: Template,
    /// One as lists show it.
    pub item: Tree,
    /// The answer of a creation.
    pub create: CompiledAnswer,
    /// The answer of a list.
    pub list: CompiledAnswer,
    /// The answer of a deletion.
    pub delete: CompiledAnswer,
}

/// A condition on a creation.
#[derive(Debug)]
pub struct CompiledRule {
    /// Must be true.
    pub must: Template,
    /// The class of the refusal.
    pub class: Class,
    /// The vendor's message.
    pub message: String,
}

/// The answer of a list.
#[derive(Debug)]
pub struct CompiledList {
    /// Which things are listed.
    pub filter: Option<Template>,
    /// How many to a page.
    pub limit: Option<Template>,
    /// The page asked for.
    pub page: Option<Template>,
    /// The answer.
    pub answer: CompiledAnswer,
}

impl CompiledSandbox {
    /// Compiles the section; every problem it has goes to `problems`.
    pub(super) fn compile(sandbox: &Sandbox, problems: &mut Problems) -> Self {
        let path = "spec.sandbox";
        let mut objects = BTreeMap::new();
        for (name, spec) in &sandbox.objects {
            let place = format!("{path}.objects.{name}");
            objects.extend(object(spec, &place, problems).map(|o| (name.0.clone(), o)));
        }
        let mut catalogs = BTreeMap::new();
        for (name, spec) in &sandbox.catalogs {
            let place = format!("{path}.catalogs.{name}");
            catalogs.insert(name.0.clone(), answer(spec, &place, problems));
        }
        let mut things = BTreeMap::new();
        for (name, spec) in &sandbox.things {
            let thing =
                CompiledSandboxThing::compile(spec, &format!("{path}.things.{name}"), problems);
            things.extend(thing.map(|thing| (name.0.clone(), thing)));
        }
        let mut actions = BTreeMap::new();
        for (name, spec) in &sandbox.actions {
            let place = format!("{path}.actions.{name}");
            let action = CompiledSandboxAction::compile(spec, &place, problems);
            actions.insert(name.0.clone(), action);
        }
        let accepts = sandbox.accepts.iter().map(|(k, v)| (k.0.clone(), v.0.clone())).collect();
        let token = sandbox.token.as_ref();
        let webhook = sandbox.webhook.as_ref().and_then(|webhook| {
            CompiledSandboxWebhook::compile(webhook, &format!("{path}.webhook"), problems)
        });
        Self {
            webhook,
            accepts,
            token: token.map(|token| answer(token, &format!("{path}.token"), problems)),
            error: answer(&sandbox.error, &format!("{path}.error"), problems),
            verify: answer(&sandbox.verify, &format!("{path}.verify"), problems),
            objects,
            things,
            actions,
            catalogs,
            failures: sandbox.failures.clone(),
        }
    }
}

fn object(
    spec: &SandboxObject,
    path: &str,
    problems: &mut Problems,
) -> Option<CompiledSandboxObject> {
    let optional = |text: &Option<Text>, key: &str, problems: &mut Problems| {
        text.as_ref().and_then(|text| text_template(text, &format!("{path}.{key}"), problems))
    };
    let mut steps = BTreeMap::new();
    for (name, spec) in &spec.steps {
        steps.insert(name.0.clone(), read(spec, &format!("{path}.steps.{name}"), problems));
    }
    let mut parts = BTreeMap::new();
    for (name, spec) in &spec.parts {
        let place = format!("{path}.parts.{name}");
        let create = answer(&spec.create, &format!("{place}.create"), problems);
        let delete = answer(&spec.delete, &format!("{place}.delete"), problems);
        parts.insert(name.0.clone(), CompiledSandboxPart { create, delete });
    }
    let mut children = BTreeMap::new();
    for (name, spec) in &spec.children {
        let place = format!("{path}.children.{name}");
        children.extend(child(spec, &place, problems).map(|child| (name.0.clone(), child)));
    }
    let mut verbs = BTreeMap::new();
    for (name, spec) in &spec.verbs {
        verbs.insert(name.0.clone(), answer(spec, &format!("{path}.verbs.{name}"), problems));
    }
    Some(CompiledSandboxObject {
        verbs,
        steps,
        wait: spec.wait.as_ref().map(|wait| read(wait, &format!("{path}.wait"), problems)),
        parts,
        children,
        unique: optional(&spec.unique, "unique", problems),
        lingers: spec.lingers,
        rules: rules(&spec.rules, path, problems),
        create: answer(&spec.create, &format!("{path}.create"), problems),
        read: answer(&spec.read, &format!("{path}.read"), problems),
        list: list(&spec.list, &format!("{path}.list"), problems),
        delete: answer(&spec.delete, &format!("{path}.delete"), problems),
        id: text_template(&spec.id, &format!("{path}.id"), problems)?,
        item: tree(&spec.item.0, &format!("{path}.item"), problems)?,
    })
}

fn rules(spec: &[SandboxRule], path: &str, problems: &mut Problems) -> Vec<CompiledRule> {
    let mut rules = Vec::new();
    for (i, rule) in spec.iter().enumerate() {
        let must = text_template(&rule.must, &format!("{path}.rules[{i}].must"), problems);
        let message = rule.message.0.clone();
        rules.extend(must.map(|must| CompiledRule { must, class: rule.class, message }));
    }
    rules
}

fn child(spec: &SandboxChild, path: &str, problems: &mut Problems) -> Option<CompiledSandboxChild> {
    Some(CompiledSandboxChild {
        create: answer(&spec.create, &format!("{path}.create"), problems),
        list: answer(&spec.list, &format!("{path}.list"), problems),
        delete: answer(&spec.delete, &format!("{path}.delete"), problems),
        id: text_template(&spec.id, &format!("{path}.id"), problems)?,
        item: tree(&spec.item.0, &format!("{path}.item"), problems)?,
    })
}

fn list(spec: &SandboxList, path: &str, problems: &mut Problems) -> CompiledList {
    let optional = |text: &Option<Text>, key: &str, problems: &mut Problems| {
        text.as_ref().and_then(|text| text_template(text, &format!("{path}.{key}"), problems))
    };
    let whole = SandboxAnswer {
        status: None,
        headers: spec.headers.clone(),
        body: Some(spec.body.clone()),
    };
    CompiledList {
        filter: optional(&spec.filter, "where", problems),
        limit: optional(&spec.limit, "limit", problems),
        page: optional(&spec.page, "page", problems),
        answer: answer(&whole, path, problems),
    }
}

fn read(spec: &SandboxRead, path: &str, problems: &mut Problems) -> CompiledRead {
    let optional = |text: &Option<Text>, key: &str, problems: &mut Problems| {
        text.as_ref().and_then(|text| text_template(text, &format!("{path}.{key}"), problems))
    };
    let whole =
        SandboxAnswer { status: None, headers: spec.headers.clone(), body: spec.body.clone() };
    CompiledRead {
        path: optional(&spec.path, "path", problems),
        of: optional(&spec.of, "of", problems),
        answer: answer(&whole, path, problems),
    }
}

fn answer(spec: &SandboxAnswer, path: &str, problems: &mut Problems) -> CompiledAnswer {
    let mut headers = Vec::new();
    for (key, value) in &spec.headers {
        let place = format!("{path}.headers.{key}");
        headers.extend(text_template(value, &place, problems).map(|t| (key.0.clone(), t)));
    }
    let body = spec.body.as_ref().and_then(|b| tree(&b.0, &format!("{path}.body"), problems));
    CompiledAnswer { status: spec.status.unwrap_or(200), headers, body }
}
