//! Which operation of the definition a request is.

use std::cmp::Reverse;
use std::collections::HashMap;

use infrafabric_adapters::compile::{
    Compiled, CompiledObject, CompiledOperation, Expression, Template, Tree, plain,
};
use infrafabric_definition::Method;
use serde_json::Value as Json;

use crate::capture::{Captures, Part, match_parts, parts};
use crate::form::lookup;
use crate::received::{Received, decode};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An access token.
    Token,
    /// The authenticated read.
    Verify,
    /// The public keys that verify deliveries.
    Keys,
    /// A catalog, by contract name.
    Catalog(String),
    /// A verb on a kind of thing, by contract name.
    Object(String, Verb),
    /// What else can be done with an object.
    Change(String, String),
    /// A read before an operation of an object, by its place.
    Step(String, Verb, usize),
    /// Who asks after the end of an operation of an object.
    Wait(String, Verb),
    /// An action, by contract name.
    Action(String),
    /// What became of an action.
    Resolve(String),
    /// What an object holds, by its place: read, made or removed.
    Child(String, Verb, usize),
    /// A read before an action, by its place.
    Before(String, usize),
    /// The creation or deletion of an object's part, by its place.
    Part(String, Verb, usize),
}

/// What is done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Read,
    List,
    Delete,
}

/// An operation as a pattern over requests.
#[derive(Debug)]
pub(crate) struct Route {
    /// `machine.create`.
    pub(crate) name: String,
    /// What it asks for.
    pub(crate) target: Target,
    path: String,
    segments: Vec<Vec<Part>>,
    /// Constants that tell it from another operation of the same method and path.
    required: Vec<Constant>,
    /// Its other constants; the route with the most of them present is taken.
    preferred: Vec<Constant>,
    /// The entries that hold expressions; the more of them a request has, the better it fits.
    variable: Vec<(Place, String)>,
    /// Where the id stands when it is not in the path: without it, the request is another one.
    id_at: Option<(Place, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Constant {
    place: Place,
    key: String,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Query,
    Header,
    Body,
}

/// How well a request fits: literal path segments, letters of the path, entries that are there, constants
/// among them, entries that are not (negative).
type Score = (usize, usize, usize, usize, Reverse<usize>);

/// Values in a path, by the path that stands for them in the definition.
type Found = Vec<(String, String)>;

/// All operations of a definition, by method and number of path segments.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    table: HashMap<(Method, usize), Vec<Route>>,
}

impl Target {
    /// The operation itself.
    pub(crate) fn operation<'a>(&self, compiled: &'a Compiled) -> Option<&'a CompiledOperation> {
        match self {
            Self::Token => compiled.token.as_ref(),
            Self::Verify => compiled.verify.as_ref(),
            Self::Keys => compiled.webhook.as_ref()?.keys.as_ref().map(|(keys, _)| keys),
            Self::Catalog(name) => Some(&compiled.catalogs.get(name)?.list),
            Self::Object(name, verb) => verb.of(compiled.objects.get(name)?),
            Self::Change(name, verb) => compiled.objects.get(name)?.verbs.get(verb),
            Self::Action(name) => Some(&compiled.actions.get(name)?.call),
            Self::Resolve(name) => compiled.actions.get(name)?.call.resolve.as_deref(),
            Self::Child(name, verb, at) => {
                let child = compiled.objects.get(name)?.children.get(*at)?;
                match verb {
                    Verb::Create => Some(&child.create),
                    Verb::Delete => Some(&child.delete),
                    _ => Some(&child.list),
                }
            }
            Self::Before(name, at) => {
                Some(&compiled.actions.get(name)?.call.steps.get(*at)?.operation)
            }
            Self::Step(name, verb, at) => {
                let operation = verb.of(compiled.objects.get(name)?)?;
                operation.steps.get(*at).map(|step| &step.operation)
            }
            Self::Wait(name, verb) => {
                let operation = verb.of(compiled.objects.get(name)?)?;
                operation.wait.as_ref().map(|wait| &wait.poll)
            }
            Self::Part(name, verb, at) => {
                let part = compiled.objects.get(name)?.parts.get(*at)?;
                match verb {
                    Verb::Create => Some(&part.create),
                    _ => part.delete.as_ref(),
                }
            }
        }
    }

    /// Where the request stands: at the operation's own path, or at the one that the simulated
    /// provider gives out.
    fn path<'a>(&self, compiled: &'a Compiled) -> Option<&'a Template> {
        let operation = &self.operation(compiled)?.path.path;
        let Self::Wait(name, _) = self else { return Some(operation) };
        let given = compiled.sandbox.as_ref()?.objects.get(name)?.wait.as_ref()?;
        Some(given.path.as_ref().unwrap_or(operation))
    }
}

impl Verb {
    const ALL: [Self; 4] = [Self::Create, Self::Read, Self::List, Self::Delete];

    fn of(self, object: &CompiledObject) -> Option<&CompiledOperation> {
        match self {
            Self::Create => object.create.as_ref(),
            Self::Read => object.read.as_ref(),
            Self::List => object.list.as_ref(),
            Self::Delete => object.delete.as_ref(),
        }
    }
}

impl Routes {
    /// The routes of a definition.
    pub(crate) fn new(compiled: &Compiled) -> Self {
        let mut targets = Vec::new();
        for (name, object) in &compiled.objects {
            targets.extend(Verb::ALL.map(|verb| Target::Object(name.clone(), verb)));
            for verb in Verb::ALL {
                let steps = verb.of(object).map_or(0, |operation| operation.steps.len());
                targets.extend((0..steps).map(|at| Target::Step(name.clone(), verb, at)));
                targets.push(Target::Wait(name.clone(), verb));
            }
            let verbs = object.verbs.keys().cloned();
            targets.extend(verbs.map(|verb| Target::Change(name.clone(), verb)));
            for at in 0..object.children.len() {
                let child = |verb| Target::Child(name.clone(), verb, at);
                targets.extend([child(Verb::Create), child(Verb::List), child(Verb::Delete)]);
            }
            for at in 0..object.parts.len() {
                let part = |verb| Target::Part(name.clone(), verb, at);
                targets.extend([part(Verb::Create), part(Verb::Delete)]);
            }
        }
        targets.extend(compiled.actions.keys().cloned().map(Target::Action));
        // After them: what became of one, or a step, may be asked as an action asks.
        targets.extend(compiled.actions.keys().cloned().map(Target::Resolve));
        for (name, action) in &compiled.actions {
            let steps = 0..action.call.steps.len();
            targets.extend(steps.map(|at| Target::Before(name.clone(), at)));
        }
        targets.extend(compiled.catalogs.keys().cloned().map(Target::Catalog));
        // Last, so that an operation of the same request gets the request.
        targets.extend([Target::Token, Target::Verify, Target::Keys]);
        let mut table: HashMap<(Method, usize), Vec<Route>> = HashMap::new();
        for target in targets {
            if let (Some(operation), Some(path)) =
                (target.operation(compiled), target.path(compiled))
            {
                let route = Route::new(operation, path, target.clone());
                let key = (operation.method, route.segments.len());
                table.entry(key).or_default().push(route);
            }
        }
        for routes in table.values_mut() {
            discriminate(routes);
        }
        Self { table }
    }

    /// The route of a request, and what its path says.
    pub(crate) fn find(&self, received: &Received) -> Option<(&Route, Captures)> {
        let segments = split(&received.path);
        let routes = self.table.get(&(received.method()?, segments.len()))?;
        let mut best: Option<(&Route, Found, Score)> = None;
        for route in routes {
            let Some(found) = route.matches(&segments, received) else { continue };
            let score = route.score(found.len(), received);
            if best.as_ref().is_none_or(|(.., before)| score > *before) {
                best = Some((route, found, score));
            }
        }
        let (route, found, _) = best?;
        let mut captures = Captures::default();
        for (path, value) in found {
            captures.insert(path, Json::String(decode(&value)));
        }
        Some((route, captures))
    }
}

/// Makes a constant required where another route of the same path has another value for it.
fn discriminate(routes: &mut [Route]) {
    let all: Vec<(String, Vec<Constant>)> =
        routes.iter().map(|route| (route.path.clone(), route.preferred.clone())).collect();
    for route in routes {
        let differs = |constant: &Constant| {
            all.iter().filter(|(path, _)| *path == route.path).any(|(_, others)| {
                others.iter().any(|other| {
                    other.place == constant.place
                        && other.key == constant.key
                        && other.value != constant.value
                })
            })
        };
        let (required, preferred) =
            std::mem::take(&mut route.preferred).into_iter().partition(differs);
        route.required = required;
        route.preferred = preferred;
    }
}

impl Route {
    fn new(operation: &CompiledOperation, path: &Template, target: Target) -> Self {
        let mut segments = vec![Vec::new()];
        for part in parts(path) {
            match part {
                Part::Literal(text) => {
                    let mut pieces = text.split('/');
                    push_literal(&mut segments, pieces.next().unwrap_or_default());
                    for piece in pieces {
                        segments.push(Vec::new());
                        push_literal(&mut segments, piece);
                    }
                }
                value @ Part::Value(_) => segments.last_mut().into_iter().for_each(|s| {
                    s.push(value.clone());
                }),
            }
        }
        segments.retain(|segment| !segment.is_empty());
        let path = operation.path.text.split('?').next().unwrap_or_default().to_owned();
        let (preferred, variable, id_at) = entries(operation);
        let name = operation.name.clone();
        Self { name, target, path, segments, required: Vec::new(), preferred, variable, id_at }
    }

    fn score(&self, values_in_path: usize, received: &Received) -> Score {
        let literal = self.segments.len().saturating_sub(values_in_path);
        // Those that are required hold, or it would not match.
        let preferred = self.preferred.iter().filter(|c| c.holds(received)).count();
        let constants = self.required.len() + preferred;
        let present =
            self.variable.iter().filter(|(place, key)| place.get(received, key).is_some()).count();
        let spelled = self.segments.iter().flatten().map(|part| match part {
            Part::Literal(text) => text.len(),
            Part::Value(_) => 0,
        });
        let absent = Reverse(self.variable.len() - present);
        (literal, spelled.sum(), constants + present, constants, absent)
    }

    fn matches(&self, segments: &[&str], received: &Received) -> Option<Found> {
        let mut found = Vec::new();
        for (pattern, segment) in self.segments.iter().zip(segments) {
            found.extend(match_parts(pattern, segment)?);
        }
        let id = self.id_at.as_ref().is_none_or(|(place, key)| place.get(received, key).is_some());
        let constants = self.required.iter().all(|constant| constant.holds(received));
        (id && constants).then_some(found)
    }
}

impl Place {
    fn get<'a>(self, received: &'a Received, key: &str) -> Option<&'a Json> {
        match self {
            Self::Query => received.query.get(key),
            Self::Header => received.headers.get(key),
            Self::Body => lookup(&received.req, key),
        }
    }
}

impl Constant {
    fn holds(&self, received: &Received) -> bool {
        self.place.get(received, &self.key).is_some_and(|value| plain(value) == self.value)
    }
}

fn push_literal(segments: &mut [Vec<Part>], text: &str) {
    if !text.is_empty() {
        segments.last_mut().into_iter().for_each(|s| s.push(Part::Literal(text.to_owned())));
    }
}

/// The segments of a path; a slash at the end makes no difference.
fn split(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

type Entries = (Vec<Constant>, Vec<(Place, String)>, Option<(Place, String)>);

/// Query, headers and the first level of the body: constants, entries with expressions, and the
/// one of these that holds the id.
fn entries(operation: &CompiledOperation) -> Entries {
    let mut all: Entries = Entries::default();
    for (key, template) in &operation.path.query {
        entry(Place::Query, key, template.literal(), [template], &mut all);
    }
    for (key, template) in &operation.headers {
        entry(Place::Header, &key.to_ascii_lowercase(), template.literal(), [template], &mut all);
    }
    if let Some((_, Tree::Map(map))) = operation.body.parts() {
        for (key, tree) in map {
            let mut templates = Vec::new();
            tree.templates("", &mut |_, template| templates.push(template));
            let literal = match tree {
                Tree::Text(template) => template.literal().map(ToOwned::to_owned),
                Tree::Constant(value) => Some(plain(value)),
                Tree::List(_) | Tree::Map(_) => None,
            };
            entry(Place::Body, key, literal.as_deref(), templates, &mut all);
        }
    }
    all
}

fn entry<'a>(
    place: Place,
    key: &str,
    literal: Option<&str>,
    templates: impl IntoIterator<Item = &'a Template>,
    (constants, variable, id_at): &mut Entries,
) {
    if let Some(value) = literal {
        constants.push(Constant { place, key: key.to_owned(), value: value.to_owned() });
        return;
    }
    let mut paths =
        templates.into_iter().flat_map(Template::expressions).flat_map(Expression::paths);
    if paths.any(|path| path == ["id"]) {
        *id_at = Some((place, key.to_owned()));
    }
    variable.push((place, key.to_owned()));
}
