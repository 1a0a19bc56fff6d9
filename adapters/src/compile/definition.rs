//! A definition, checked and compiled.

use std::collections::BTreeMap;
use std::time::Duration;

use infrafabric_definition::{
    AnswerFormat, Catalog, Child, Class, Definition, ErrorRule, Find, ListScope, Name, ObjectSpec,
    Operation, Part, Scope, Text,
};
use serde_json::{Value as Json, json};
use thiserror::Error;

use super::action::CompiledAction;
use super::check;
use super::expression::Expression;
use super::operation::{CompiledOperation, condition, text_template, tree};
use super::sandbox::CompiledSandbox;
use super::template::{Template, Tree};
use super::webhook::CompiledWebhook;
use crate::contract;

/// A definition that passed every check, with its expressions compiled.
#[derive(Debug)]
pub struct Compiled {
    name: String,
    digest: String,
    spec: Definition,
    /// The main base URL.
    pub endpoint: Template,
    /// The further base URLs.
    pub endpoints: BTreeMap<String, CompiledEndpoint>,
    /// Seconds to wait after a refusal, where the answer says so elsewhere than in its header.
    pub retry_after: Option<Template>,
    /// The error rules, in order.
    pub errors: Vec<CompiledErrorRule>,
    /// The call that gives an access token, where the scheme has one.
    pub token: Option<CompiledOperation>,
    /// What authentication writes by templates.
    pub auth: CompiledAuth,
    /// The authenticated read, if there is one.
    pub verify: Option<CompiledOperation>,
    /// The objects by contract name.
    pub objects: BTreeMap<String, CompiledObject>,
    /// The actions by contract name.
    pub actions: BTreeMap<String, CompiledAction>,
    /// The catalogs by contract name.
    pub catalogs: BTreeMap<String, CompiledCatalog>,
    /// How deliveries are told from forgeries.
    pub webhook: Option<CompiledWebhook>,
    /// The simulated provider.
    pub sandbox: Option<CompiledSandbox>,
}

/// A further base URL.
#[derive(Debug)]
pub struct CompiledEndpoint {
    /// The base URL.
    pub url: Template,
    /// The service that signatures name there.
    pub service: Option<String>,
    /// The region that signatures name there, where that is not the account's.
    pub region: Option<String>,
}

/// The templates of authentication.
#[derive(Debug, Default)]
pub struct CompiledAuth {
    /// Headers that carry the credentials.
    pub headers: Vec<(String, Template)>,
    /// Query parameters that carry the credentials.
    pub query: Vec<(String, Template)>,
    /// The text that is signed.
    pub text: Option<Template>,
    /// Headers that carry the signature.
    pub signed_headers: Vec<(String, Template)>,
    /// Query parameters that carry the signature.
    pub signed_query: Vec<(String, Template)>,
}

/// One kind of object.
#[derive(Debug)]
pub struct CompiledObject {
    /// By what a thing of ours is found.
    pub find: Find,
    /// How late a list may be.
    pub lag: Duration,
    /// Whether the provider honours our token.
    pub keyed: bool,
    /// Where one list call looks.
    pub scope: ListScope,
    /// What must be there before it, in order.
    pub parts: Vec<CompiledPart>,
    /// What it holds, kind after kind.
    pub children: Vec<CompiledChild>,
    /// Makes one.
    pub create: Option<CompiledOperation>,
    /// Reads one.
    pub read: Option<CompiledOperation>,
    /// Lists ours.
    pub list: Option<CompiledOperation>,
    /// Deletes one.
    pub delete: Option<CompiledOperation>,
    /// What else can be done with one.
    pub verbs: BTreeMap<String, CompiledOperation>,
    /// The contract's outputs by name; `state` is a map.
    pub outputs: BTreeMap<String, Tree>,
}

impl CompiledObject {
    /// Whether `want.machines` is read by anything.
    pub fn takes_machines(&self) -> bool {
        let reads = |template: &Template| {
            let mut paths = template.expressions().flat_map(Expression::paths);
            paths.any(|path| path.starts_with(&["want".to_owned(), "machines".to_owned()]))
        };
        let mut created = false;
        if let Some(create) = &self.create {
            create.request_templates("", &mut |_, template| created |= reads(template));
        }
        created || self.children.iter().any(|child| reads(&child.of))
    }
}

/// A thing that another one needs.
#[derive(Debug)]
pub struct CompiledPart {
    /// Its name.
    pub name: String,
    /// Makes it.
    pub create: CompiledOperation,
    /// Removes it.
    pub delete: Option<CompiledOperation>,
}

/// A kind of things that another one holds.
#[derive(Debug)]
pub struct CompiledChild {
    /// Its name.
    pub name: String,
    /// All that are wanted.
    pub of: Template,
    /// What tells one that is wanted from another.
    pub key: Template,
    /// What tells one that is there from another.
    pub same: Template,
    /// Reads all that are there.
    pub list: CompiledOperation,
    /// Makes one.
    pub create: CompiledOperation,
    /// Removes one.
    pub delete: CompiledOperation,
    /// Whether it would stay when its holder goes.
    pub outlives: bool,
}

/// One catalog.
#[derive(Debug)]
pub struct CompiledCatalog {
    /// The request.
    pub list: CompiledOperation,
    /// The contract's columns by name.
    pub columns: BTreeMap<String, Tree>,
}

/// One exception to the shared status table.
#[derive(Debug)]
pub struct CompiledErrorRule {
    /// Only this status.
    pub status: Option<u16>,
    /// Only this operation.
    pub operation: Option<String>,
    /// Only if this holds.
    pub when: Option<Template>,
    /// The class it then has.
    pub class: Class,
    /// How far it reaches.
    pub scope: Option<Scope>,
}

/// One thing wrong with a definition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{path}: {reason}")]
pub struct Problem {
    /// Where: `spec.objects.machine.create.json.tags`.
    pub path: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    /// Whether expressions were checked before and need not be compiled now.
    pub(super) trusted: bool,
}

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }
}

impl Compiled {
    /// Checks and compiles a definition; all problems at once.
    pub fn new(name: &str, spec: Definition) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let compiled = Self::compile(name, spec.digest(), spec, &mut problems);
        let mut problems = problems.found;
        if let Some(compiled) = &compiled {
            check::check(compiled, &mut problems);
        }
        match compiled {
            Some(compiled) if problems.is_empty() => Ok(compiled),
            _ => Err(problems),
        }
    }

    /// Takes a definition that passed [`Compiled::new`] when the program was built: nothing is checked
    /// again, and an expression is compiled when it is first needed. The digest is that of the whole,
    /// of which the simulator's part may be left out.
    pub(crate) fn trusted(
        name: &str,
        digest: &str,
        spec: Definition,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems { trusted: true, ..Problems::default() };
        let compiled = Self::compile(name, digest.to_owned(), spec, &mut problems);
        compiled.filter(|_| problems.found.is_empty()).ok_or(problems.found)
    }

    fn compile(
        name: &str,
        digest: String,
        spec: Definition,
        problems: &mut Problems,
    ) -> Option<Self> {
        let endpoint = text_template(&spec.endpoint, "spec.endpoint", problems);
        let mut endpoints = BTreeMap::new();
        for (key, value) in &spec.endpoints {
            let place = format!("spec.endpoints.{key}.url");
            let name = |name: &Option<Name>| name.as_ref().map(|name| name.0.clone());
            endpoints.extend(text_template(&value.url, &place, problems).map(|url| {
                let (service, region) = (name(&value.service), name(&value.region));
                (key.0.clone(), CompiledEndpoint { url, service, region })
            }));
        }
        let retry_after = spec.limits.as_ref().and_then(|limits| limits.retry_after.as_ref());
        let retry_after =
            retry_after.and_then(|text| text_template(text, "spec.limits.retryAfter", problems));
        let errors =
            (0..).zip(&spec.errors).map(|(i, rule)| error_rule(rule, i, problems)).collect();
        let token = spec.auth.token.as_ref().and_then(|token| {
            let path = "spec.auth.token";
            CompiledOperation::compile("auth.token", token, AnswerFormat::Json, path, problems)
        });
        let auth = auth(&spec, problems);
        let verify = spec.verify.as_ref().and_then(|verify| {
            CompiledOperation::compile("verify", verify, spec.answer, "spec.verify", problems)
        });
        let mut objects = BTreeMap::new();
        for (key, value) in &spec.objects {
            objects.insert(key.0.clone(), object(key, &value.expanded(), &spec, problems));
        }
        let mut actions = BTreeMap::new();
        for (key, value) in &spec.actions {
            let action = CompiledAction::compile(key, value, spec.answer, problems);
            actions.extend(action.map(|action| (key.0.clone(), action)));
        }
        let mut catalogs = BTreeMap::new();
        for (key, value) in &spec.catalogs {
            catalogs.extend(catalog(key, value, &spec, problems).map(|c| (key.0.clone(), c)));
        }
        let webhook = spec.webhook.as_ref();
        let webhook = webhook.and_then(|webhook| CompiledWebhook::compile(webhook, problems));
        let sandbox =
            spec.sandbox.as_ref().map(|sandbox| CompiledSandbox::compile(sandbox, problems));
        Some(Self {
            name: name.to_owned(),
            digest,
            endpoint: endpoint?,
            endpoints,
            retry_after,
            errors,
            token,
            auth,
            verify,
            objects,
            actions,
            catalogs,
            webhook,
            sandbox,
            spec,
        })
    }

    /// The definition's name, `digitalocean`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the definition's canonical JSON, hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What was compiled.
    pub fn spec(&self) -> &Definition {
        &self.spec
    }

    /// What the simulated account has for the parameters that must be given.
    pub fn simulated_parameters(&self) -> BTreeMap<String, String> {
        let own = self.spec.sandbox.as_ref().map(|sandbox| &sandbox.parameters);
        let needed = self.spec.parameters.iter().filter(|(_, given)| given.default.is_none());
        let value = |name: &Name| {
            let own = own.and_then(|own| own.get(name.as_str()));
            own.map_or_else(|| "sandbox".to_owned(), |text| text.0.clone())
        };
        needed.map(|(name, _)| (name.0.clone(), value(name))).collect()
    }

    /// A wish for an action that this provider understands: the contract's example, with what the
    /// simulated provider has other names for.
    pub fn example(&self, action: &str) -> Json {
        let known = contract::of(self.spec.domain).action(action);
        let example = known.and_then(|known| serde_json::from_str(known.example).ok());
        let mut example: Json = example.unwrap_or_else(|| json!({}));
        let simulated = self.sandbox.as_ref().and_then(|sandbox| sandbox.actions.get(action));
        let own = simulated.and_then(|action| action.example.as_object());
        for (key, value) in own.into_iter().flatten() {
            example[key] = value.clone();
        }
        example
    }

    /// Every operation that the definition declares, sorted: `machine.create`, `sizes.list`,
    /// `verify`.
    pub fn capabilities(&self) -> Vec<String> {
        let mut names: Vec<String> = self.verify.iter().map(|verify| verify.name.clone()).collect();
        for object in self.objects.values() {
            let operations = [&object.create, &object.read, &object.list, &object.delete];
            let held = object.children.iter().flat_map(|c| [&c.list, &c.create, &c.delete]);
            let verbs = object.verbs.values().chain(held);
            let operations = operations.into_iter().flatten().chain(verbs);
            names.extend(operations.map(|operation| operation.name.clone()));
        }
        names.extend(self.catalogs.values().map(|catalog| catalog.list.name.clone()));
        names.extend(self.actions.keys().cloned());
        names.sort();
        names
    }
}

fn auth(spec: &Definition, problems: &mut Problems) -> CompiledAuth {
    let mut templates = |given: &BTreeMap<Name, Text>, path: &str| {
        let compiled = given.iter().filter_map(|(name, text)| {
            let template = text_template(text, &format!("spec.auth.{path}.{name}"), problems)?;
            Some((name.0.clone(), template))
        });
        compiled.collect::<Vec<_>>()
    };
    let headers = templates(&spec.auth.headers, "headers");
    let query = templates(&spec.auth.query, "query");
    let Some(sign) = &spec.auth.sign else {
        return CompiledAuth { headers, query, ..CompiledAuth::default() };
    };
    let signed_headers = templates(&sign.headers, "sign.headers");
    let signed_query = templates(&sign.query, "sign.query");
    let text = text_template(&sign.text, "spec.auth.sign.text", problems);
    CompiledAuth { headers, query, text, signed_headers, signed_query }
}

fn error_rule(rule: &ErrorRule, i: usize, problems: &mut Problems) -> CompiledErrorRule {
    let when = rule.when.as_ref();
    let when = when.and_then(|text| condition(text, &format!("spec.errors[{i}].when"), problems));
    CompiledErrorRule {
        status: rule.status,
        operation: rule.operation.as_ref().map(|text| text.0.clone()),
        when,
        class: rule.class,
        scope: rule.scope,
    }
}

fn object(
    key: &Name,
    spec: &ObjectSpec,
    definition: &Definition,
    problems: &mut Problems,
) -> CompiledObject {
    let path = format!("spec.objects.{key}");
    let operation = |operation: &Option<_>, verb: &str, problems: &mut Problems| {
        let name = format!("{key}.{verb}");
        let place = format!("{path}.{verb}");
        let operation = operation.as_ref()?;
        CompiledOperation::compile(&name, operation, definition.answer, &place, problems)
    };
    let lag = spec.identity.lag.duration().unwrap_or_else(|| {
        let reason = format!("`{}` is no span such as 30s", spec.identity.lag);
        problems.push(Problem { path: format!("{path}.identity.lag"), reason });
        Duration::ZERO
    });
    let mut outputs = BTreeMap::new();
    for (name, value) in &spec.outputs {
        let place = format!("{path}.as.{name}");
        outputs.extend(tree(&value.0, &place, problems).map(|t| (name.0.clone(), t)));
    }
    let mut parts = Vec::new();
    for (i, part) in spec.parts.iter().enumerate() {
        parts.extend(self::part(key, part, definition, &format!("{path}.parts[{i}]"), problems));
    }
    let mut children = Vec::new();
    for (i, child) in spec.children.iter().enumerate() {
        let place = format!("{path}.children[{i}]");
        children.extend(self::child(key, child, definition, &place, problems));
    }
    let mut verbs = BTreeMap::new();
    for (verb, given) in &spec.verbs {
        let (name, place) = (format!("{key}.{verb}"), format!("{path}.verbs.{verb}"));
        let compiled =
            CompiledOperation::compile(&name, given, definition.answer, &place, problems);
        verbs.extend(compiled.map(|operation| (verb.0.clone(), operation)));
    }
    CompiledObject {
        parts,
        children,
        verbs,
        find: spec.identity.find,
        lag,
        keyed: spec.identity.key,
        scope: spec.scope,
        create: operation(&spec.create, "create", problems),
        read: operation(&spec.read, "read", problems),
        list: operation(&spec.list, "list", problems),
        delete: operation(&spec.delete, "delete", problems),
        outputs,
    }
}

fn part(
    key: &Name,
    spec: &Part,
    definition: &Definition,
    path: &str,
    problems: &mut Problems,
) -> Option<CompiledPart> {
    let mut operation = |operation: &Operation, verb: &str| {
        let name = format!("{key}.{verb}.{}", spec.name);
        let place = format!("{path}.{verb}");
        CompiledOperation::compile(&name, operation, definition.answer, &place, problems)
    };
    let create = operation(&spec.create, "create");
    let delete = spec.delete.as_ref().and_then(|delete| operation(delete, "delete"));
    Some(CompiledPart { name: spec.name.0.clone(), create: create?, delete })
}

fn child(
    key: &Name,
    spec: &Child,
    definition: &Definition,
    path: &str,
    problems: &mut Problems,
) -> Option<CompiledChild> {
    let mut operation = |operation: &Operation, verb: &str| {
        let name = format!("{key}.{}.{verb}", spec.name);
        let place = format!("{path}.{verb}");
        CompiledOperation::compile(&name, operation, definition.answer, &place, problems)
    };
    let list = operation(&spec.list, "list");
    let create = operation(&spec.create, "create");
    let delete = operation(&spec.delete, "delete");
    let mut template =
        |text: &Text, key: &str| text_template(text, &format!("{path}.{key}"), problems);
    let (of, key, same) =
        (template(&spec.of, "of"), template(&spec.key, "key"), template(&spec.same, "same"));
    Some(CompiledChild {
        name: spec.name.0.clone(),
        of: of?,
        key: key?,
        same: same?,
        list: list?,
        create: create?,
        delete: delete?,
        outlives: spec.outlives,
    })
}

fn catalog(
    key: &Name,
    spec: &Catalog,
    definition: &Definition,
    problems: &mut Problems,
) -> Option<CompiledCatalog> {
    let path = format!("spec.catalogs.{key}");
    let mut columns = BTreeMap::new();
    for (name, value) in &spec.columns {
        let place = format!("{path}.as.{name}");
        columns.extend(tree(&value.0, &place, problems).map(|t| (name.0.clone(), t)));
    }
    let name = format!("{key}.list");
    let place = format!("{path}.list");
    let list = CompiledOperation::compile(&name, &spec.list, definition.answer, &place, problems)?;
    Some(CompiledCatalog { list, columns })
}
