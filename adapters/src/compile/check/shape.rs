//! What the simulated provider's answers look like: the paths that an answer can have.

use std::collections::BTreeMap;

use infrafabric_definition::{AnswerFormat, Definition, SandboxAnswer};
use serde_json::Value as Json;

use crate::compile::definition::CompiledCatalog;
use crate::compile::operation::CompiledOperation;
use crate::compile::template::Template;
use crate::contract;

/// The shape of a piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Not known: an expression gives it.
    Any,
    /// Text, a number, true or false.
    Scalar,
    /// A list, with what all its elements have together.
    List(Box<Shape>),
    /// A map.
    Map(BTreeMap<String, Shape>),
}

/// A step of a path that an answer does not have.
pub(super) struct Missing<'a> {
    /// How many steps there are before it.
    pub(super) at: usize,
    found: &'a Shape,
}

impl Missing<'_> {
    /// What stands there instead.
    pub(super) fn says(&self, step: &str) -> String {
        match self.found {
            Shape::Map(entries) if entries.is_empty() => "is empty".to_owned(),
            Shape::Map(entries) => {
                let keys: Vec<&str> = entries.keys().map(String::as_str).collect();
                format!("has no `{step}`, only {}", keys.join(", "))
            }
            Shape::List(_) => format!("is a list and has no `{step}`"),
            Shape::Scalar | Shape::Any => "is a single value".to_owned(),
        }
    }
}

impl Shape {
    /// The shape of a template tree, in which `${item}` and `${items}` are the thing's own.
    fn of(json: &Json, item: &Self) -> Self {
        match json {
            Json::Null => Self::Any,
            Json::Bool(_) | Json::Number(_) => Self::Scalar,
            Json::String(text) => match text.as_str() {
                "${item}" => item.clone(),
                "${items}" => Self::List(Box::new(item.clone())),
                text if text.contains("${") => Self::Any,
                _ => Self::Scalar,
            },
            Json::Array(elements) => {
                let all = elements.iter().map(|element| Self::of(element, item));
                Self::List(Box::new(all.reduce(Self::union).unwrap_or(Self::Any)))
            }
            Json::Object(entries) => Self::Map(
                entries.iter().map(|(key, value)| (key.clone(), Self::of(value, item))).collect(),
            ),
        }
    }

    fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.union(*b))),
            (Self::Map(mut a), Self::Map(b)) => {
                for (key, value) in b {
                    let merged = match a.remove(&key) {
                        Some(known) => known.union(value),
                        None => value,
                    };
                    a.insert(key, merged);
                }
                Self::Map(a)
            }
            (a, b) if a == b => a,
            _ => Self::Any,
        }
    }

    /// The first step that is not there.
    pub(super) fn missing(&self, path: &[String]) -> Option<Missing<'_>> {
        let mut here = self;
        for (at, step) in path.iter().enumerate() {
            here = match here {
                Self::Any => return None,
                Self::List(element) if step == "[]" => element,
                // `list(x)` makes a list of the one thing.
                one if step == "[]" => one,
                Self::Map(entries) => match entries.get(step) {
                    Some(next) => next,
                    None => return Some(Missing { at, found: here }),
                },
                Self::List(_) | Self::Scalar => return Some(Missing { at, found: here }),
            };
        }
        None
    }

    /// What stands at a path.
    fn at(&self, path: &[String]) -> Self {
        let mut here = self;
        for step in path {
            here = match here {
                Self::List(element) if step == "[]" => element,
                one if step == "[]" => one,
                Self::Map(entries) => entries.get(step).unwrap_or(&Self::Any),
                _ => return Self::Any,
            };
        }
        here.clone()
    }
}

/// The shapes of all answers of a definition's simulated provider.
pub(super) struct Shapes {
    /// The bodies by operation: `machine.create`, `sizes.list`.
    bodies: BTreeMap<String, Shape>,
    items: BTreeMap<String, Shape>,
    /// What the pages of all lists have together.
    pages: Shape,
    error: Shape,
    xml: bool,
}

impl Shapes {
    /// Reads the `sandbox` section; without one, every path is possible.
    pub(super) fn new(spec: &Definition) -> Self {
        let mut shapes = Self {
            bodies: BTreeMap::new(),
            items: BTreeMap::new(),
            pages: Shape::Any,
            error: Shape::Any,
            xml: spec.answer == AnswerFormat::Xml,
        };
        let Some(sandbox) = &spec.sandbox else { return shapes };
        let body = |answer: &SandboxAnswer, item: &Shape| {
            answer.body.as_ref().map_or(Shape::Any, |body| Shape::of(&body.0, item))
        };
        shapes.error = body(&sandbox.error, &Shape::Any);
        shapes.bodies.insert("verify".to_owned(), body(&sandbox.verify, &Shape::Any));
        let mut pages: Option<Shape> = None;
        let mut page = |shape: &Shape| {
            pages = Some(match pages.take() {
                Some(known) => known.union(shape.clone()),
                None => shape.clone(),
            });
        };
        for (name, object) in &sandbox.objects {
            let item = Shape::of(&object.item.0, &Shape::Any);
            let list = Shape::of(&object.list.body.0, &item);
            page(&list);
            shapes.bodies.insert(format!("{name}.create"), body(&object.create, &item));
            shapes.bodies.insert(format!("{name}.read"), body(&object.read, &item));
            shapes.bodies.insert(format!("{name}.delete"), body(&object.delete, &item));
            shapes.bodies.insert(format!("{name}.list"), list);
            shapes.items.insert(name.0.clone(), item);
        }
        for (name, action) in &sandbox.actions {
            let kind =
                contract::of(spec.domain).action(name.as_str()).and_then(|known| known.does.kind());
            let thing = kind.and_then(|kind| sandbox.things.get(kind));
            let item = thing.map_or(Shape::Any, |thing| Shape::of(&thing.item.0, &Shape::Any));
            shapes.bodies.insert(name.0.clone(), body(&action.answer, &item));
        }
        for (name, answer) in &sandbox.catalogs {
            let list = body(answer, &Shape::Any);
            page(&list);
            shapes.bodies.insert(format!("{name}.list"), list);
        }
        shapes.pages = pages.unwrap_or(Shape::Any);
        shapes
    }

    /// The body of an operation's answer.
    pub(super) fn body(&self, operation: &str) -> &Shape {
        self.bodies.get(operation).unwrap_or(&Shape::Any)
    }

    /// The body where the next page is looked for: a simulated catalog has one page and need not
    /// show what the last one lacks.
    pub(super) fn page(&self) -> &Shape {
        &self.pages
    }

    /// The body of error answers; in XML, where another service's errors have another root
    /// element, only what has the known one.
    pub(super) fn error(&self, root: Option<&str>) -> &Shape {
        let known = root.is_some_and(|root| self.error.missing(&[root.to_owned()]).is_none());
        if self.xml && !known { &Shape::Any } else { &self.error }
    }

    /// The thing as the simulated provider keeps it.
    pub(super) fn item(&self, object: &str) -> Shape {
        self.items.get(object).cloned().unwrap_or(Shape::Any)
    }

    /// A row of a catalog: an element of the list that `items` reads.
    pub(super) fn row(&self, name: &str, catalog: &CompiledCatalog) -> Shape {
        self.element(&format!("{name}.list"), catalog.list.items.as_ref())
    }

    /// What an action's answer is read as: where `item` stands, or an element of `items`.
    pub(super) fn result(&self, name: &str, call: &CompiledOperation) -> Shape {
        // What became of a lost call is read from another answer.
        if call.resolve.is_some() {
            return Shape::Any;
        }
        if call.items.is_some() {
            return self.element(name, call.items.as_ref());
        }
        let Some(item) = &call.item else { return self.body(name).clone() };
        match item.whole().map(|expression| (expression, expression.paths())) {
            Some((expression, paths)) => match paths.as_slice() {
                [path] if path[0] == "body" && path.join(".") == expression.source() => {
                    self.body(name).at(&path[1..])
                }
                _ => Shape::Any,
            },
            None => Shape::Any,
        }
    }

    /// An element of the list that `items` reads from an operation's answer.
    fn element(&self, operation: &str, items: Option<&Template>) -> Shape {
        let Some(items) = items else { return Shape::Any };
        let Some(expression) = items.whole() else { return Shape::Any };
        // What `map` makes is new; its shape is not the answer's.
        if expression.source().contains(".map(") {
            return Shape::Any;
        }
        let list = expression.paths().into_iter().find(|path| path[0] == "body");
        let Some(path) = list else { return Shape::Any };
        let found = self.body(operation).at(&path[1..]);
        match found {
            Shape::List(element) => *element,
            one => one,
        }
    }
}
