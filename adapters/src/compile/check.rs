//! What a compiled definition must fulfil beyond its syntax: every name is known, every variable
//! stands where it has a value, every path is in the simulated provider's answers.

mod actions;
mod events;
mod facts;
mod operations;
mod scope;
mod shape;
mod webhook;

use infrafabric_definition::{Find, Method, Name, Operation};

use self::scope::{Place, Root, check_tree};
use self::shape::Shapes;
use super::definition::{Compiled, CompiledObject, Problem};
use super::template::{Template, Tree};
use crate::contract::{self, CatalogContract, DomainContract, Field, Kind, ObjectContract};

/// Says everything that is wrong with a definition that compiled.
pub(super) fn check(compiled: &Compiled, problems: &mut Vec<Problem>) {
    let contract = contract::of(compiled.spec().domain);
    let shapes = Shapes::new(compiled.spec());
    facts::check(compiled, problems);
    operations::check(compiled, &contract, &shapes, problems);
    scope::check_sandbox(compiled, problems);
    for (name, object) in &compiled.objects {
        let path = format!("spec.objects.{name}");
        match contract.objects.iter().find(|known| known.name == name) {
            Some(known) => check_object(compiled, known, object, &path, &shapes, problems),
            None => problems.push(unknown(&path, "object", name, &objects(&contract))),
        }
    }
    actions::check(compiled, &contract, &shapes, problems);
    for (name, catalog) in &compiled.catalogs {
        let path = format!("spec.catalogs.{name}");
        match contract.catalogs.iter().find(|known| known.name == name) {
            Some(known) => {
                check_fields(known.columns, &catalog.columns, &path, problems);
                let item = shapes.row(name, catalog);
                for (column, tree) in &catalog.columns {
                    let place = Place::item(&item);
                    check_tree(tree, &format!("{path}.as.{column}"), &place, problems);
                }
            }
            None => problems.push(unknown(&path, "catalog", name, &catalogs(&contract))),
        }
    }
    webhook::check(compiled, &contract, problems);
    events::check(compiled, problems);
    check_sandbox_names(compiled, problems);
}

fn objects(contract: &DomainContract) -> Vec<&'static str> {
    contract.objects.iter().map(|ObjectContract { name, .. }| *name).collect()
}

fn catalogs(contract: &DomainContract) -> Vec<&'static str> {
    contract.catalogs.iter().map(|CatalogContract { name, .. }| *name).collect()
}

fn check_object(
    compiled: &Compiled,
    contract: &ObjectContract,
    object: &CompiledObject,
    path: &str,
    shapes: &Shapes,
    problems: &mut Vec<Problem>,
) {
    let spec = compiled.spec().objects[contract.name].expanded();
    let needed: [(&str, &Option<Operation>); 4] = [
        ("create", &spec.create),
        ("read", &spec.read),
        ("list", &spec.list),
        ("delete", &spec.delete),
    ];
    for (verb, given) in needed {
        if given.is_none() && contract.needs.contains(&verb) {
            let (last, before) = contract.needs.split_last().unwrap_or((&"", &[]));
            let needs = format!("{} and {last}", before.join(", "));
            let reason = format!("missing: a {} needs {needs}", contract.name);
            problems.push(problem(&format!("{path}.{verb}"), reason));
        }
    }
    let verbs: Vec<&str> = contract.verbs.iter().map(|verb| verb.name).collect();
    for verb in object.verbs.keys().filter(|verb| !verbs.contains(&verb.as_str())) {
        problems.push(unknown(&format!("{path}.verbs.{verb}"), "verb", verb, &verbs));
    }
    for verb in spec.when_stopped.iter().filter(|verb| !verbs.contains(&verb.as_str())) {
        problems.push(unknown(&format!("{path}.whenStopped"), "verb", verb.as_str(), &verbs));
    }
    check_fields(contract.outputs, &object.outputs, path, problems);
    if let Some(state) = object.outputs.get("state") {
        check_state(state, contract.states, &format!("{path}.as.state"), problems);
    }
    let item = shapes.item(contract.name);
    for (output, tree) in &object.outputs {
        let place = Place::item(&item).with("steps", Root::Open);
        check_tree(tree, &format!("{path}.as.{output}"), &place, problems);
    }
    check_identity(object, path, problems);
}

/// `as` gives all that the contract requires, and nothing that it does not know.
fn check_fields(
    fields: &[Field],
    given: &std::collections::BTreeMap<String, Tree>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    for (name, tree) in given {
        let place = format!("{path}.as.{name}");
        match fields.iter().find(|field| field.name == name) {
            None => problems.push(unknown(&place, "name", name, &names)),
            Some(field) => check_constant(field, tree, &place, problems),
        }
    }
    for field in fields.iter().filter(|field| field.required && !given.contains_key(field.name)) {
        let reason = format!("missing: {}", field.about);
        problems.push(problem(&format!("{path}.as.{}", field.name), reason));
    }
}

/// A value without an expression is of the field's type.
fn check_constant(field: &Field, tree: &Tree, path: &str, problems: &mut Vec<Problem>) {
    let literal = match tree {
        Tree::Text(template) => template.literal(),
        _ => None,
    };
    let wanted = match (field.kind, tree) {
        (Kind::State, _) => return,
        (Kind::Int | Kind::Amount | Kind::Bool, Tree::Text(_)) if literal.is_none() => return,
        (Kind::Int | Kind::Amount, Tree::Constant(value)) if value.is_i64() => return,
        (Kind::Int | Kind::Amount, _) => "a whole number",
        (Kind::Bool, Tree::Constant(value)) if value.is_boolean() => return,
        (Kind::Bool, _) => "true or false",
        (text, Tree::Text(_)) if is_text(text) || text == Kind::Decimal => return,
        (Kind::Decimal, Tree::Constant(value)) if value.is_number() => return,
        (text, _) if is_text(text) => "text",
        (Kind::Decimal, _) => "a number",
        (kind, Tree::List(_)) if is_list(kind) => return,
        (kind, Tree::Text(_)) if is_list(kind) && literal.is_none() => return,
        (kind, _) if is_list(kind) => "a list",
        (Kind::Labels, Tree::Map(_)) => return,
        (Kind::Labels, Tree::Text(_)) if literal.is_none() => return,
        (_, _) => "a map",
    };
    problems.push(problem(path, format!("expected {wanted} or an expression that gives it")));
}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Phone | Kind::Currency | Kind::Interval)
}

fn is_list(kind: Kind) -> bool {
    let plain = matches!(kind, Kind::Texts | Kind::Addresses | Kind::Numbers | Kind::Vectors);
    plain || matches!(kind, Kind::Maps(_))
}

fn check_state(tree: &Tree, states: &[&str], path: &str, problems: &mut Vec<Problem>) {
    // One that is always the same has no word of the vendor's.
    if let Tree::Text(template) = tree
        && let Some(literal) = template.literal()
    {
        if !states.contains(&literal) {
            problems.push(unknown(path, "state", literal, states));
        }
        return;
    }
    let Tree::Map(entries) = tree else {
        let reason = "expected a state of the contract, or a map: `of` is the vendor's state, its values map to ours";
        return problems.push(problem(path, reason.to_owned()));
    };
    if !entries.iter().any(|(key, value)| key == "of" && matches!(value, Tree::Text(_))) {
        let reason = "missing: the vendor's state, such as ${item.status}";
        problems.push(problem(&format!("{path}.of"), reason.to_owned()));
    }
    if entries.len() < 2 {
        let reason = "maps no state: give each of the vendor's states one of ours";
        problems.push(problem(path, reason.to_owned()));
    }
    for (key, value) in entries.iter().filter(|(key, _)| key != "of") {
        let ours = match value {
            Tree::Text(template) => template.literal().unwrap_or_default(),
            _ => "",
        };
        if !states.contains(&ours) {
            problems.push(unknown(&format!("{path}.{key}"), "state", ours, states));
        }
    }
}

/// What a thing is found by is sent with the create and shown by the list.
fn check_found(
    object: &CompiledObject,
    (find, input, output): (&str, &str, &str),
    wants: &[super::expression::Path],
    place: &str,
    problems: &mut Vec<Problem>,
) {
    if !wants.iter().any(|path| path.get(1).is_some_and(|name| name == input)) {
        let reason = format!("by `{find}`, but the create does not send `want.{input}`");
        problems.push(problem(&format!("{place}.find"), reason));
    }
    if !object.outputs.contains_key(output) {
        let reason = format!("by `{find}`, but `as` does not give `{output}`");
        problems.push(problem(&format!("{place}.find"), reason));
    }
}

fn check_identity(object: &CompiledObject, path: &str, problems: &mut Vec<Problem>) {
    let Some(create) = &object.create else { return };
    let place = format!("{path}.identity");
    let mut wants = Vec::new();
    create.request_templates("", &mut |_, template| {
        wants.extend(paths(template).into_iter().filter(|path| path[0] == "want"));
    });
    let by = match object.find {
        Find::Tag => Some(("tag", "marks", "marks")),
        Find::Name => Some(("name", "name", "name")),
        Find::None => None,
    };
    if let Some(by) = by {
        check_found(object, by, &wants, &place, problems);
    }
    if !object.parts.is_empty() && object.find != Find::Name {
        let reason = "what has parts is addressed by its name: find it by `name`".to_owned();
        problems.push(problem(&format!("{place}.find"), reason));
    }
    let reason = match (object.keyed, create.repeatable()) {
        (true, false) => "true, but the create does not send `token` and is no put at `want.name`",
        (false, true) if create.method == Method::Put => {
            "false, but the create is a put at `want.name`: set it to true"
        }
        (false, true) => "false, but the create sends `token`: set it to true",
        _ => return,
    };
    problems.push(problem(&format!("{place}.key"), reason.to_owned()));
}

/// The simulated provider has all that the definition has, and nothing more.
fn check_sandbox_names(compiled: &Compiled, problems: &mut Vec<Problem>) {
    let spec = compiled.spec();
    let Some(sandbox) = &spec.sandbox else { return };
    let compare =
        |kind: &str, defined: Vec<&Name>, simulated: Vec<&Name>, problems: &mut Vec<Problem>| {
            for name in defined.iter().filter(|name| !simulated.contains(name)) {
                let path = format!("spec.sandbox.{kind}.{name}");
                let reason = format!("missing: spec.{kind}.{name} has no simulated counterpart");
                problems.push(problem(&path, reason));
            }
            for name in simulated.iter().filter(|name| !defined.contains(name)) {
                let path = format!("spec.sandbox.{kind}.{name}");
                problems.push(problem(&path, format!("simulates nothing: no spec.{kind}.{name}")));
            }
        };
    compare("objects", spec.objects.keys().collect(), sandbox.objects.keys().collect(), problems);
    compare(
        "catalogs",
        spec.catalogs.keys().collect(),
        sandbox.catalogs.keys().collect(),
        problems,
    );
    for (name, object) in &spec.objects {
        let Some(simulated) = sandbox.objects.get(name) else { continue };
        let verbs = [&object.create, &object.read, &object.list, &object.delete];
        let operations = || verbs.into_iter().flatten();
        let steps = operations().flat_map(|operation| &operation.steps).map(|step| &step.name);
        compare(
            &format!("objects.{name}.steps"),
            steps.collect(),
            simulated.steps.keys().collect(),
            problems,
        );
        let verbs = || object.verbs.keys().collect();
        compare(
            &format!("objects.{name}.verbs"),
            verbs(),
            simulated.verbs.keys().collect(),
            problems,
        );
        let parts = object.parts.iter().map(|part| &part.name);
        compare(
            &format!("objects.{name}.parts"),
            parts.collect(),
            simulated.parts.keys().collect(),
            problems,
        );
        let children = object.children.iter().map(|child| &child.name);
        compare(
            &format!("objects.{name}.children"),
            children.collect(),
            simulated.children.keys().collect(),
            problems,
        );
        let mut all = operations().chain(object.verbs.values());
        let waits = all.any(|operation| operation.wait.is_some());
        let path = format!("spec.sandbox.objects.{name}.wait");
        match (waits, &simulated.wait) {
            (true, None) => {
                let reason =
                    "missing: who waits for the end of an operation is answered".to_owned();
                problems.push(problem(&path, reason));
            }
            (false, Some(_)) => {
                problems.push(problem(&path, "simulates nothing: no operation waits".to_owned()));
            }
            _ => {}
        }
    }
}

/// Every path that a template reads.
fn paths(template: &Template) -> Vec<super::expression::Path> {
    template.expressions().flat_map(super::expression::Expression::paths).collect()
}

fn problem(path: &str, reason: String) -> Problem {
    Problem { path: path.to_owned(), reason }
}

fn unknown(path: &str, what: &str, name: &str, known: &[&str]) -> Problem {
    problem(path, format!("unknown {what} `{name}`, expected one of {}", known.join(", ")))
}
