//! Which variables and functions an expression may use where it stands.

use super::shape::Shape;
use super::{paths, problem};
use crate::compile::definition::{Compiled, Problem};
use crate::compile::expression::{Expression, Path};
use crate::compile::functions::FUNCTIONS;
use crate::compile::sandbox::{
    CompiledAnswer, CompiledRead, CompiledSandboxAction, CompiledSandboxObject,
    CompiledSandboxThing,
};
use crate::compile::template::{Template, Tree};
use crate::contract::{Field, Kind};

/// CEL's standard functions, its optional values and its strings extension.
const CEL: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "string",
    "timestamp",
    "type",
    "uint",
    "contains",
    "endsWith",
    "matches",
    "size",
    "startsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "none",
    "of",
    "ofNonZeroValue",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "value",
    "charAt",
    "format",
    "indexOf",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "replace",
    "reverse",
    "split",
    "substring",
    "trim",
    "upperAscii",
];

/// A variable that is there.
pub(super) enum Root<'a> {
    /// A single value: nothing stands below it.
    Value,
    /// A map whose keys are not known here.
    Open,
    /// A map with these keys, each a single value.
    Keys(Vec<&'a str>),
    /// The contract's inputs.
    Want(&'static [Field]),
    /// Data whose shape the simulated provider shows.
    Data(&'a Shape),
}

/// A place where expressions stand.
#[derive(Default)]
pub(super) struct Place<'a> {
    /// Its variables by name.
    pub(super) roots: Vec<(&'static str, Root<'a>)>,
    /// Its functions beyond those that every place has.
    functions: &'static [&'static str],
}

impl<'a> Place<'a> {
    /// A place with single values only.
    fn values(names: &[&'static str]) -> Self {
        Self { roots: names.iter().map(|name| (*name, Root::Value)).collect(), functions: &[] }
    }

    /// The place of `as`.
    pub(super) fn item(shape: &'a Shape) -> Self {
        Self { roots: vec![("item", Root::Data(shape))], functions: &[] }
    }

    /// The place of what is read from an answer.
    pub(super) fn answer(body: &'a Shape) -> Self {
        let roots =
            vec![("body", Root::Data(body)), ("headers", Root::Open), ("status", Root::Value)];
        Self { roots, functions: &[] }
    }

    /// Adds a variable.
    pub(super) fn with(mut self, name: &'static str, root: Root<'a>) -> Self {
        self.roots.push((name, root));
        self
    }

    pub(super) fn open(mut self, names: &[&'static str]) -> Self {
        self.roots.extend(names.iter().map(|name| (*name, Root::Open)));
        self
    }
}

/// Checks every expression of a tree.
pub(super) fn check_tree(tree: &Tree, path: &str, place: &Place<'_>, problems: &mut Vec<Problem>) {
    tree.templates(path, &mut |path, template| check_template(template, path, place, problems));
}

/// Checks every expression of a template.
pub(super) fn check_template(
    template: &Template,
    path: &str,
    place: &Place<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut reasons: Vec<String> =
        paths(template).iter().filter_map(|used| wrong(used, place)).collect();
    for name in template.expressions().flat_map(Expression::functions) {
        let known = [CEL, &FUNCTIONS, place.functions];
        if !known.iter().any(|names| names.contains(&name.as_str())) {
            let ours: Vec<&str> = FUNCTIONS.iter().chain(place.functions).copied().collect();
            let ours = ours.join(", ");
            reasons.push(format!("unknown function `{name}`: CEL's own and {ours} are known"));
        }
    }
    reasons.dedup();
    problems.extend(reasons.into_iter().map(|reason| problem(path, reason)));
}

/// Why a path may not be read at a place, if it may not.
fn wrong(path: &Path, place: &Place<'_>) -> Option<String> {
    let Some((_, root)) = place.roots.iter().find(|(name, _)| *name == path[0]) else {
        let names: Vec<&str> = place.roots.iter().map(|(name, _)| *name).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Some(format!("unknown variable `{}`, here there is {there}", path[0]));
    };
    let shown = path.join(".").replace(".[]", "[]");
    match root {
        Root::Open => None,
        Root::Value if path.len() == 1 => None,
        Root::Value => Some(format!("`{shown}`: `{}` is a single value", path[0])),
        Root::Keys(keys) => {
            let known = path.len() == 2 && keys.contains(&path[1].as_str());
            (!known).then(|| match keys.as_slice() {
                [] => format!("unknown `{shown}`: spec.{} declares none", path[0]),
                keys => format!("unknown `{shown}`, expected one of {}", full(path, keys)),
            })
        }
        Root::Want(fields) => wrong_want(path, fields, &shown),
        Root::Data(shape) => {
            let missing = shape.missing(&path[1..])?;
            let before = path[..=missing.at].join(".").replace(".[]", "[]");
            Some(format!(
                "`{shown}`: in the sandbox's answer `{before}` {}",
                missing.says(&path[missing.at + 1])
            ))
        }
    }
}

fn full(path: &Path, keys: &[&str]) -> String {
    keys.iter().map(|key| format!("{}.{key}", path[0])).collect::<Vec<_>>().join(", ")
}

fn wrong_want(path: &Path, fields: &[Field], shown: &str) -> Option<String> {
    let field = path.get(1).and_then(|name| fields.iter().find(|field| field.name == name));
    let Some(field) = field else {
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        return Some(format!("unknown `{shown}`, expected one of {}", full(path, &names)));
    };
    let below = match (field.kind, path.get(2).map(String::as_str)) {
        (_, None) => return None,
        (Kind::Texts, Some("[]")) => path.get(3),
        (Kind::Labels, Some(_)) => path.get(3),
        (Kind::Maps(keys), Some("[]")) => return wrong_entry(keys, path, shown),
        (Kind::Numbers | Kind::Vectors, Some("[]")) => return None,
        (_, Some(_)) => path.get(2),
    };
    below.map(|_| format!("`{shown}`: `want.{}` holds text, nothing stands below it", field.name))
}

/// What stands in an element of a list of maps.
fn wrong_entry(keys: &[&str], path: &Path, shown: &str) -> Option<String> {
    let key = path.get(3)?;
    if keys.contains(&key.as_str()) {
        return None;
    }
    Some(format!("unknown `{shown}`: an element has {}", keys.join(", ")))
}

/// Checks the expressions of the simulated provider.
pub(super) fn check_sandbox(compiled: &Compiled, problems: &mut Vec<Problem>) {
    let Some(sandbox) = &compiled.sandbox else { return };
    let path = "spec.sandbox";
    let request =
        || Place::default().open(&["req", "query", "headers"]).with("region", Root::Value);
    let error = Place::default().with("error", Root::Keys(vec!["status", "code", "message"]));
    check_answer(&sandbox.error, &format!("{path}.error"), &error, problems);
    check_answer(&sandbox.verify, &format!("{path}.verify"), &request(), problems);
    if let Some(token) = &sandbox.token {
        let place = Place::values(&["token", "refresh"]);
        check_answer(token, &format!("{path}.token"), &place, problems);
    }
    for (name, answer) in &sandbox.catalogs {
        check_answer(answer, &format!("{path}.catalogs.{name}"), &request(), problems);
    }
    for (name, thing) in &sandbox.things {
        check_sandbox_thing(thing, &format!("{path}.things.{name}"), &request, problems);
    }
    for (name, action) in &sandbox.actions {
        check_sandbox_action(action, &format!("{path}.actions.{name}"), &request, problems);
    }
    for (name, object) in &sandbox.objects {
        check_sandbox_object(object, &format!("{path}.objects.{name}"), &request, problems);
    }
}

fn check_sandbox_object(
    object: &CompiledSandboxObject,
    path: &str,
    request: &impl Fn() -> Place<'static>,
    problems: &mut Vec<Problem>,
) {
    let thing = || {
        let mut place = request().open(&["now"]);
        for name in ["id", "seq", "created", "deleted"] {
            place = place.with(name, Root::Value);
        }
        Place { functions: &["phase", "gone", "powered"], ..place }
    };
    let at = |key: &str| format!("{path}.{key}");
    let place = Place::values(&["seq"]).open(&["want"]);
    check_template(&object.id, &at("id"), &place, problems);
    check_tree(&object.item, &at("item"), &thing(), problems);
    if let Some(unique) = &object.unique {
        check_template(unique, &at("unique"), &request(), problems);
    }
    for (i, rule) in object.rules.iter().enumerate() {
        check_template(&rule.must, &at(&format!("rules[{i}].must")), &request(), problems);
    }
    for (verb, answer) in &object.verbs {
        let place = thing().open(&["item"]);
        check_answer(answer, &at(&format!("verbs.{verb}")), &place, problems);
    }
    let answers = [("create", &object.create), ("read", &object.read), ("delete", &object.delete)];
    for (key, answer) in answers {
        check_answer(answer, &at(key), &thing().open(&["item"]), problems);
    }
    let asked = || thing().open(&["item", "path", "want"]);
    for (name, read) in &object.steps {
        check_read(read, &at(&format!("steps.{name}")), &asked(), problems);
    }
    if let Some(wait) = &object.wait {
        check_read(wait, &at("wait"), &asked(), problems);
    }
    for (name, part) in &object.parts {
        let at = |key: &str| at(&format!("parts.{name}.{key}"));
        check_answer(&part.create, &at("create"), &asked(), problems);
        check_answer(&part.delete, &at("delete"), &asked(), problems);
    }
    for (name, child) in &object.children {
        let at = |key: &str| at(&format!("children.{name}.{key}"));
        let place = request().open(&["path"]).with("seq", Root::Value);
        check_template(&child.id, &at("id"), &place, problems);
        let shown = || thing().with("parent", Root::Value);
        check_tree(&child.item, &at("item"), &shown(), problems);
        check_answer(&child.create, &at("create"), &shown().open(&["item"]), problems);
        check_answer(&child.delete, &at("delete"), &shown().open(&["item"]), problems);
        let place = request().open(&["items"]).with("total", Root::Value);
        check_answer(&child.list, &at("list"), &place, problems);
    }
    let list = &object.list;
    if let Some(filter) = &list.filter {
        check_template(filter, &at("list.where"), &request().open(&["item"]), problems);
    }
    for (key, number) in [("limit", &list.limit), ("page", &list.page)] {
        if let Some(number) = number {
            check_template(number, &at(&format!("list.{key}")), &request(), problems);
        }
    }
    let mut place = request().open(&["items"]);
    for name in ["total", "page", "pages", "next"] {
        place = place.with(name, Root::Value);
    }
    check_answer(&list.answer, &at("list"), &place, problems);
}

fn check_sandbox_thing(
    thing: &CompiledSandboxThing,
    path: &str,
    request: &impl Fn() -> Place<'static>,
    problems: &mut Vec<Problem>,
) {
    let id = request().open(&["want"]).with("seq", Root::Value);
    check_template(&thing.id, &format!("{path}.id"), &id, problems);
    for (name, value) in &thing.starts {
        let place = request().open(&["want"]);
        check_tree(value, &format!("{path}.starts.{name}"), &place, problems);
    }
    let mut place = request().open(&["now"]);
    for name in ["id", "seq", "created", "deleted"] {
        place = place.with(name, Root::Value);
    }
    let place = Place { functions: &["phase", "gone"], ..place };
    check_tree(&thing.item, &format!("{path}.item"), &place, problems);
}

fn check_sandbox_action(
    action: &CompiledSandboxAction,
    path: &str,
    request: &impl Fn() -> Place<'static>,
    problems: &mut Vec<Problem>,
) {
    let before = || request().open(&["want", "now"]).with("id", Root::Value);
    for (i, rule) in action.rules.iter().enumerate() {
        check_template(&rule.must, &format!("{path}.rules[{i}].must"), &before(), problems);
    }
    for (name, value) in &action.sets {
        check_tree(value, &format!("{path}.sets.{name}"), &before(), problems);
    }
    if let Some((_, Some(filter))) = &action.of {
        let place = request().open(&["item"]);
        check_template(filter, &format!("{path}.where"), &place, problems);
    }
    let after =
        before().open(&["item", "items"]).with("seq", Root::Value).with("created", Root::Value);
    check_answer(&action.answer, &format!("{path}.answer"), &after, problems);
    if let Some(event) = &action.event {
        check_tree(event, &format!("{path}.event"), &after, problems);
    }
    let steps = action.steps.iter().map(|(name, list)| (format!("{path}.steps.{name}"), list));
    let resolve = action.resolve.iter().map(|list| (format!("{path}.resolve"), list));
    for (path, list) in steps.chain(resolve) {
        if let Some(filter) = &list.filter {
            let place = request().open(&["item"]);
            check_template(filter, &format!("{path}.where"), &place, problems);
        }
        let place = request().open(&["items"]).with("total", Root::Value);
        check_answer(&list.answer, &path, &place, problems);
    }
}

fn check_read(read: &CompiledRead, path: &str, place: &Place<'_>, problems: &mut Vec<Problem>) {
    if let Some(of) = &read.of {
        check_template(of, &format!("{path}.of"), place, problems);
    }
    if let Some(asked) = &read.path {
        check_template(asked, &format!("{path}.path"), place, problems);
    }
    check_answer(&read.answer, path, place, problems);
}

fn check_answer(
    answer: &CompiledAnswer,
    path: &str,
    place: &Place<'_>,
    problems: &mut Vec<Problem>,
) {
    for (name, template) in &answer.headers {
        check_template(template, &format!("{path}.headers.{name}"), place, problems);
    }
    if let Some(body) = &answer.body {
        check_tree(body, &format!("{path}.body"), place, problems);
    }
}
