//! Requests, answers and error rules: what each may use and must give.

use std::collections::BTreeMap;

use infrafabric_definition::{Find, Name, Scheme};

use super::scope::{Place, Root, check_template};
use super::shape::{Shape, Shapes};
use super::{paths, problem, unknown};
use crate::compile::definition::{Compiled, CompiledChild, CompiledPart, Problem};
use crate::compile::operation::{BodyTemplate, CompiledOperation, Transport};
use crate::compile::template::Tree;
use crate::contract::{self, ActionContract, DomainContract, Field};

/// Headers that the pipeline alone writes.
const OURS: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "transfer-encoding",
];

/// What an operation is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Verify,
    /// The call that gives an access token for what the Secret holds.
    Exchange,
    Create,
    /// The creation of a part.
    Part,
    Read,
    List,
    Delete,
    /// What else can be done with a thing.
    Change,
    /// An action that is aimed at nothing.
    Act,
    /// One with many results; about a thing.
    Find,
    Among,
    /// One that is aimed at a thing.
    Aimed,
    /// What became of a lost call; of one that is aimed at a thing.
    Resolve,
    Asked,
    /// All that another thing holds; the making of one; the removal.
    Held,
    Hold,
    Drop,
    Catalog,
}

impl Verb {
    fn of(action: &ActionContract) -> Self {
        match (action.many, action.does.aim()) {
            (true, None) => Self::Find,
            (true, Some(_)) => Self::Among,
            (false, Some(_)) => Self::Aimed,
            (false, None) => Self::Act,
        }
    }
}

/// Checks every operation and every error rule.
pub(super) fn check(
    compiled: &Compiled,
    contract: &DomainContract,
    shapes: &Shapes,
    problems: &mut Vec<Problem>,
) {
    let parameters: Vec<&str> = compiled.spec().parameters.keys().map(Name::as_str).collect();
    let mut checker = Checker { compiled, shapes, parameters, problems };
    if let Some(token) = &compiled.token {
        let exchange = compiled.spec().auth.scheme == Scheme::Exchange;
        let verb = if exchange { Verb::Exchange } else { Verb::Verify };
        checker.operation(token, "spec.auth.token", verb, &[]);
    }
    if let Some(verify) = &compiled.verify {
        checker.operation(verify, "spec.verify", Verb::Verify, &[]);
    }
    for (name, object) in &compiled.objects {
        let inputs =
            contract.objects.iter().find(|known| known.name == name).map_or(&[][..], |o| o.inputs);
        let path = format!("spec.objects.{name}");
        for (i, part) in object.parts.iter().enumerate() {
            let path = format!("{path}.parts[{i}]");
            checker.operation(&part.create, &format!("{path}.create"), Verb::Part, inputs);
            checker.part(part, &format!("{path}.create"));
            if object.parts[..i].iter().any(|before| before.name == part.name) {
                let reason = format!("`{}` twice: each has its own name", part.name);
                checker.problems.push(problem(&format!("{path}.name"), reason));
            }
            if let Some(delete) = &part.delete {
                checker.operation(delete, &format!("{path}.delete"), Verb::Delete, inputs);
            }
        }
        for (i, child) in object.children.iter().enumerate() {
            checker.child(child, &format!("{path}.children[{i}]"), inputs);
        }
        let given = [
            ("create", &object.create, Verb::Create),
            ("read", &object.read, Verb::Read),
            ("list", &object.list, Verb::List),
            ("delete", &object.delete, Verb::Delete),
        ];
        for (key, operation, verb) in given {
            if let Some(operation) = operation {
                checker.operation(operation, &format!("{path}.{key}"), verb, inputs);
            }
        }
        let filtered = |list: &CompiledOperation| {
            list.items.as_ref().is_some_and(|items| paths(items).iter().any(|p| p[0] == "scope"))
        };
        for (verb, operation) in &object.verbs {
            let known = contract.objects.iter().find(|known| known.name == name);
            let known = known.and_then(|known| known.verbs.iter().find(|v| v.name == verb));
            let inputs = known.map_or(&[][..], |verb| verb.inputs);
            checker.operation(operation, &format!("{path}.verbs.{verb}"), Verb::Change, inputs);
        }
        if let (Some(list), Find::Tag) = (&object.list, object.find)
            && !uses(list, "scope")
            && !filtered(list)
        {
            let reason = "does not use `scope.mark`: a list asks for what carries our mark";
            checker.problems.push(problem(&format!("{path}.list"), reason.to_owned()));
        }
    }
    for (name, action) in &compiled.actions {
        let path = format!("spec.actions.{name}");
        let Some(known) = contract.action(name) else { continue };
        checker.operation(&action.call, &format!("{path}.call"), Verb::of(known), known.inputs);
        if let Some(resolve) = action.call.resolve.as_deref() {
            let verb = if known.does.aim().is_some() { Verb::Asked } else { Verb::Resolve };
            checker.operation(resolve, &format!("{path}.resolve"), verb, known.inputs);
        }
    }
    for (name, catalog) in &compiled.catalogs {
        let path = format!("spec.catalogs.{name}.list");
        checker.operation(&catalog.list, &path, Verb::Catalog, &[]);
    }
    let mut answering = operations(compiled);
    // What is asked after a lost answer has errors of its own.
    let calls = compiled.actions.values().map(|action| &action.call);
    let resolves = calls.filter_map(|call| call.resolve.as_deref());
    answering.extend(resolves.map(|resolve| (resolve.name.as_str(), resolve)));
    checker.errors(&answering);
    checker.retry_after();
}

/// The operations by name.
pub(super) fn operations(compiled: &Compiled) -> BTreeMap<&str, &CompiledOperation> {
    let objects = compiled.objects.values().flat_map(|object| {
        let parts = object.parts.iter().flat_map(|part| [Some(&part.create), part.delete.as_ref()]);
        let verbs = [&object.create, &object.read, &object.list, &object.delete];
        let held = object.children.iter().flat_map(|c| [&c.list, &c.create, &c.delete]);
        let verbs = verbs.map(Option::as_ref).into_iter().chain(parts).flatten().chain(held);
        verbs.chain(object.verbs.values())
    });
    let actions = compiled.actions.values().map(|action| &action.call);
    let objects = objects.chain(actions);
    let catalogs = compiled.catalogs.values().map(|catalog| &catalog.list);
    let all = compiled.verify.iter().chain(objects).chain(catalogs);
    all.map(|operation| (operation.name.as_str(), operation)).collect()
}

fn uses(operation: &CompiledOperation, root: &str) -> bool {
    let mut found = false;
    operation.request_templates("", &mut |_, template| {
        found |= paths(template).iter().any(|path| path[0] == root);
    });
    found
}

/// The variables of a request.
fn request<'a>(parameters: &[&'a str], verb: Verb, inputs: &'static [Field]) -> Place<'a> {
    let parameters = Root::Keys(parameters.to_vec());
    let place = Place::default().with("region", Root::Value).with("parameters", parameters);
    match verb {
        Verb::Verify | Verb::Exchange => place,
        Verb::Create | Verb::Part => {
            place.with("want", Root::Want(inputs)).with("token", Root::Value)
        }
        Verb::Read => place.with("id", Root::Value),
        Verb::Delete => place.with("id", Root::Value).with("token", Root::Value),
        Verb::Change | Verb::Aimed | Verb::Asked => place
            .with("id", Root::Value)
            .with("token", Root::Value)
            .with("want", Root::Want(inputs)),
        Verb::Act | Verb::Resolve => {
            place.with("want", Root::Want(inputs)).with("token", Root::Value)
        }
        Verb::Held => place.with("id", Root::Value).with("cursor", Root::Value),
        Verb::Hold => {
            let place = place.with("id", Root::Value).with("token", Root::Value);
            place.with("want", Root::Want(inputs)).open(&["child"])
        }
        Verb::Drop => place.with("id", Root::Value).with("token", Root::Value).open(&["item"]),
        Verb::Find => place.with("want", Root::Want(inputs)).with("cursor", Root::Value),
        Verb::Among => {
            let place = place.with("id", Root::Value).with("cursor", Root::Value);
            place.with("want", Root::Want(inputs))
        }
        Verb::List => place.with("scope", Root::Keys(vec!["mark"])).with("cursor", Root::Value),
        Verb::Catalog => place.with("cursor", Root::Value),
    }
}

struct Checker<'a> {
    compiled: &'a Compiled,
    shapes: &'a Shapes,
    parameters: Vec<&'a str>,
    problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn operation(
        &mut self,
        operation: &CompiledOperation,
        path: &str,
        verb: Verb,
        inputs: &'static [Field],
    ) {
        let parameters = self.parameters.clone();
        let auth = &self.compiled.spec().auth;
        let secrets: Vec<&str> =
            auth.secret.iter().chain(&auth.optional_secret).map(Name::as_str).collect();
        let known = || {
            let place = request(&parameters, verb, inputs);
            let place = if operation.steps.is_empty() { place } else { place.open(&["steps"]) };
            let place = match verb {
                Verb::Exchange => place.with("secret", Root::Keys(secrets.clone())),
                _ => place,
            };
            let parts = matches!(verb, Verb::Create | Verb::Part);
            if parts { place.open(&["parts"]) } else { place }
        };
        let place = known();
        operation.request_templates(path, &mut |path, template| {
            check_template(template, path, &place, self.problems);
        });
        for (i, step) in operation.steps.iter().enumerate() {
            let path = format!("{path}.steps[{i}]");
            if operation.steps[..i].iter().any(|before| before.name == step.name) {
                let reason = format!("`{}` twice: each has its own name", step.name);
                self.problems.push(problem(&format!("{path}.name"), reason));
            }
            step.operation.request_templates(&path, &mut |path, template| {
                check_template(template, path, &known(), self.problems);
            });
            self.endpoint(&step.operation, &path);
            if step.operation.sends() && !matches!(verb, Verb::Act | Verb::Aimed) {
                let reason =
                    "sends something: only before the call of an action may that be".to_owned();
                self.problems.push(problem(&format!("{path}.post"), reason));
            }
        }
        self.secret_fields(operation, path, &secrets);
        if let Some(wait) = operation.wait.as_deref() {
            let path = format!("{path}.wait");
            let place = known().open(&["body", "headers"]);
            match &wait.address {
                Some(address) => {
                    check_template(address, &format!("{path}.get"), &place, self.problems);
                }
                None => wait.poll.request_templates(&path, &mut |path, template| {
                    check_template(template, path, &place, self.problems);
                }),
            }
            let answer = Place::answer(&Shape::Any);
            check_template(&wait.done, &format!("{path}.done"), &answer, self.problems);
            if let Some(failed) = &wait.failed {
                check_template(failed, &format!("{path}.failed"), &answer, self.problems);
            }
        }
        self.headers(operation, path, verb);
        self.endpoint(operation, path);
        self.results(operation, path, verb);
        self.pages(operation, path);
        if operation.path.text.starts_with("//") {
            let place = format!("{path}.{}", operation.method.as_str().to_ascii_lowercase());
            self.problems.push(problem(&place, "begins with //: give a path, no host".to_owned()));
        }
        let shapes = self.shapes;
        operation.answer_templates(path, &mut |at, template| {
            let key = at.rsplit('.').next();
            let of_page = matches!(key, Some("next" | "cursor"));
            let body = if of_page { shapes.page() } else { shapes.body(&operation.name) };
            let place = Place::answer(body);
            let place = if key == Some("items") && verb == Verb::List {
                place.with("scope", Root::Keys(vec!["mark"]))
            } else if matches!(verb, Verb::Resolve | Verb::Asked) {
                // What was asked for is looked for among what there is.
                let place = place.with("want", Root::Want(inputs)).with("token", Root::Value);
                if verb == Verb::Asked { place.with("id", Root::Value) } else { place }
            } else if key == Some("items") && matches!(verb, Verb::Find | Verb::Among) {
                place.with("want", Root::Want(inputs))
            } else if key == Some("item") && matches!(verb, Verb::Create | Verb::Act) {
                place.with("want", Root::Want(inputs)).with("token", Root::Value)
            } else if key == Some("item") && matches!(verb, Verb::Read | Verb::Aimed) {
                place.with("id", Root::Value)
            } else if of_page {
                place.with("page", Root::Value).with("count", Root::Value)
            } else {
                place
            };
            check_template(template, at, &place, self.problems);
        });
    }

    /// Fields of the body that come from the Secret.
    fn secret_fields(&mut self, operation: &CompiledOperation, path: &str, secrets: &[&str]) {
        if operation.secret_fields.is_empty() {
            return;
        }
        let path = format!("{path}.secretFields");
        let map = |tree: &Tree| matches!(tree, Tree::Map(_));
        let fits = match &operation.body {
            BodyTemplate::Json(tree) | BodyTemplate::Form(tree) => map(tree),
            _ => false,
        };
        if !fits || operation.transport == Transport::Socket {
            let reason = "has no meaning: the body is no map of `json` or `form`".to_owned();
            self.problems.push(problem(&path, reason));
        }
        if operation.anonymous || operation.name == "auth.token" {
            let reason = "cannot be: no credentials go with this request".to_owned();
            self.problems.push(problem(&path, reason));
        }
        let scheme = self.compiled.spec().auth.scheme;
        if matches!(scheme, Scheme::Hmac | Scheme::Oci | Scheme::Ovh | Scheme::AwsSigv4) {
            let reason = "cannot be: the signature covers the body".to_owned();
            self.problems.push(problem(&path, reason));
        }
        let place = Place::default().with("secret", Root::Keys(secrets.to_vec()));
        for (field, template) in &operation.secret_fields {
            check_template(template, &format!("{path}.{field}"), &place, self.problems);
        }
    }

    /// What another thing holds.
    fn child(&mut self, child: &CompiledChild, path: &str, inputs: &'static [Field]) {
        let wanted = Place::default().with("want", Root::Want(inputs));
        check_template(&child.of, &format!("{path}.of"), &wanted, self.problems);
        let place = Place::default().open(&["child"]);
        check_template(&child.key, &format!("{path}.key"), &place, self.problems);
        let place = Place::default().open(&["item"]);
        check_template(&child.same, &format!("{path}.same"), &place, self.problems);
        self.operation(&child.list, &format!("{path}.list"), Verb::Held, inputs);
        self.operation(&child.create, &format!("{path}.create"), Verb::Hold, inputs);
        self.operation(&child.delete, &format!("{path}.delete"), Verb::Drop, inputs);
    }

    /// What a part's creation is known by when it is repeated.
    fn part(&mut self, part: &CompiledPart, path: &str) {
        if !part.create.repeatable() {
            let reason =
                "is no put at `want.name` and sends no `token`: a repetition makes another";
            self.problems.push(problem(path, reason.to_owned()));
        }
    }

    fn headers(&mut self, operation: &CompiledOperation, path: &str, verb: Verb) {
        for (name, _) in &operation.headers {
            let lower = name.to_ascii_lowercase();
            let place = format!("{path}.headers.{name}");
            // Whoever logs in may have to say who it is.
            let login = verb == Verb::Exchange && lower == "authorization";
            // JSON goes by many names.
            let json = lower == "content-type" && matches!(operation.body, BodyTemplate::Json(_));
            if OURS.contains(&lower.as_str()) && !login && !json {
                let reason = "written by the pipeline alone: leave it out".to_owned();
                self.problems.push(problem(&place, reason));
            } else if http::HeaderName::try_from(&lower).is_err() {
                self.problems.push(problem(&place, "is no header name".to_owned()));
            }
        }
    }

    fn endpoint(&mut self, operation: &CompiledOperation, path: &str) {
        let Some(name) = &operation.endpoint else { return };
        let known: Vec<&str> = self.compiled.endpoints.keys().map(String::as_str).collect();
        if !known.contains(&name.as_str()) {
            let place = format!("{path}.endpoint");
            self.problems.push(match known.as_slice() {
                [] => {
                    problem(&place, format!("unknown endpoint `{name}`: spec.endpoints has none"))
                }
                known => unknown(&place, "endpoint", name, known),
            });
        }
    }

    /// `item` for one thing, `items` for many.
    fn results(&mut self, operation: &CompiledOperation, path: &str, verb: Verb) {
        let (needed, refused) = match verb {
            Verb::Create | Verb::Read | Verb::Resolve | Verb::Asked => {
                (Some("item"), Some("items"))
            }
            Verb::List | Verb::Catalog | Verb::Find | Verb::Among | Verb::Held => {
                (Some("items"), Some("item"))
            }
            _ => (None, Some("items")),
        };
        let given = |key: &str| match key {
            "item" => operation.item.is_some(),
            _ => operation.items.is_some(),
        };
        if let Some(key) = needed.filter(|key| !given(key)) {
            let reason = match key {
                "item" => "missing: where the thing stands in the answer, such as ${body.thing}",
                _ => "missing: where the list stands in the answer, such as ${body.things}",
            };
            self.problems.push(problem(&format!("{path}.{key}"), reason.to_owned()));
        }
        if let Some(key) = refused.filter(|key| given(key)) {
            let reason = "has no meaning here: `item` is for one thing, `items` for a list";
            self.problems.push(problem(&format!("{path}.{key}"), reason.to_owned()));
        }
    }

    fn pages(&mut self, operation: &CompiledOperation, path: &str) {
        let asks = uses(operation, "cursor");
        let place = format!("{path}.cursor");
        let reason = match (asks, operation.cursor.is_some(), operation.next.is_some()) {
            (_, true, true) => "beside `next`: a list has one way to its next page",
            (true, false, _) => "missing: the request uses `cursor`, the answer must give it",
            (false, true, _) => "never sent: the request must use ${cursor}",
            _ => return,
        };
        self.problems.push(problem(&place, reason.to_owned()));
    }

    /// Whether a rule may be of a base that has more than this dialect of it.
    fn taken_over(&self, operation: &str) -> bool {
        let spec = self.compiled.spec();
        let contract = contract::of(spec.domain);
        let kind = operation.split('.').next().unwrap_or_default();
        spec.extends.is_some()
            && (contract.object(kind).is_some() || contract.action(kind).is_some())
    }

    fn retry_after(&mut self) {
        if let Some(template) = &self.compiled.retry_after {
            let root = paths(template).into_iter().find(|path| path[0] == "body");
            let root = root.and_then(|path| path.get(1).cloned());
            let body = self.shapes.error(root.as_deref());
            let place = Place::answer(body);
            check_template(template, "spec.limits.retryAfter", &place, self.problems);
        }
    }

    fn errors(&mut self, operations: &BTreeMap<&str, &CompiledOperation>) {
        for (i, rule) in self.compiled.errors.iter().enumerate() {
            let path = format!("spec.errors[{i}]");
            if rule.status.is_none() && rule.when.is_none() && rule.operation.is_none() {
                let reason = "matches every answer: give a status, an operation or a condition";
                self.problems.push(problem(&path, reason.to_owned()));
            }
            if rule.status.is_some_and(|status| !(100..600).contains(&status)) {
                let reason = "is no HTTP status: 100 to 599".to_owned();
                self.problems.push(problem(&format!("{path}.status"), reason));
            }
            if let Some(name) = &rule.operation
                && !operations.contains_key(name.as_str())
                && !self.taken_over(name)
            {
                let known: Vec<&str> = operations.keys().copied().collect();
                self.problems.push(unknown(
                    &format!("{path}.operation"),
                    "operation",
                    name,
                    &known,
                ));
            }
            let Some(when) = &rule.when else { continue };
            let used = paths(when);
            let root = used.iter().find(|path| path[0] == "body").and_then(|path| path.get(1));
            let body = self.shapes.error(root.map(String::as_str));
            check_template(when, &format!("{path}.when"), &Place::answer(body), self.problems);
        }
    }
}
