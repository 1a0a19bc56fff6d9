//! The variables that a simulated answer is written with.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use infrafabric_adapters::compile::{EvaluationError, Expression, Tree, Vars};
use serde_json::Value as Json;

use crate::received::Received;
use crate::thing::Thing;

/// `req`, `query`, `headers` and `region` of a request.
pub(crate) fn request(received: &Received, region: Option<&str>) -> Vars {
    let mut vars = Vars::default();
    vars.set("req", &received.req);
    vars.set("query", &received.query);
    vars.set("headers", &received.headers);
    vars.set("region", &region.map_or(Json::Null, Json::from));
    vars
}

/// Everything about a thing that needs no rendering: `req` is the body of its creation.
pub(crate) fn thing(thing: &Thing, now: DateTime<Utc>, phase: Duration) -> Vars {
    let mut vars = Vars::default();
    vars.set("req", &thing.req());
    vars.set("now", &thing.now());
    vars.set("parent", &thing.parent.as_deref().map_or(Json::Null, Json::from));
    vars.set("id", &thing.id);
    vars.set("seq", &Json::from(thing.seq));
    vars.set("region", &thing.region.as_deref().map_or(Json::Null, Json::from));
    let created = thing.created.to_rfc3339_opts(SecondsFormat::Secs, true);
    vars.set("created", &Json::from(created));
    vars.set("deleted", &Json::from(thing.deleted().is_some()));
    let age = thing.age(now, phase);
    vars.function("phase", move |states| nth(states, age.alive));
    let off = usize::from(thing.is_off());
    vars.function("powered", move |states| nth(states, off));
    vars.function("gone", move |states| age.gone.and_then(|gone| nth(states, gone)));
    vars
}

/// The state of that number; the last one stays.
fn nth(states: &[Json], at: usize) -> Option<Json> {
    states.get(at).or(states.last()).cloned()
}

/// Shows things of one kind to one request.
pub(crate) struct Show<'a> {
    item: &'a Tree,
    received: &'a Received,
    now: DateTime<Utc>,
    phase: Duration,
    /// The item says something about the request, so a rendering serves once.
    per_request: bool,
}

impl<'a> Show<'a> {
    pub(crate) fn new(
        item: &'a Tree,
        received: &'a Received,
        now: DateTime<Utc>,
        phase: Duration,
    ) -> Self {
        let per_request = reads(item, &["query", "headers"]);
        Self { item, received, now, phase, per_request }
    }

    /// The thing as reads show it now.
    pub(crate) fn item(&self, thing: &Thing) -> Result<Arc<Json>, EvaluationError> {
        let age = thing.age(self.now, self.phase);
        if let Some(item) = thing.rendered(age).filter(|_| !self.per_request) {
            return Ok(item);
        }
        let mut vars = self::thing(thing, self.now, self.phase);
        if self.per_request {
            self.add_request(&mut vars);
        }
        let item = Arc::new(self.item.render(&vars)?.unwrap_or(Json::Null));
        thing.keep(age, &item);
        Ok(item)
    }

    /// The thing, and the variables of an answer about it.
    pub(crate) fn answer(&self, thing: &Thing) -> Result<(Arc<Json>, Vars), EvaluationError> {
        let item = self.item(thing)?;
        let mut vars = self::thing(thing, self.now, self.phase);
        self.add_request(&mut vars);
        vars.set_exact("item", &item);
        Ok((item, vars))
    }

    fn add_request(&self, vars: &mut Vars) {
        vars.set("query", &self.received.query);
        vars.set("headers", &self.received.headers);
    }
}

/// Whether the tree reads one of the variables.
fn reads(tree: &Tree, variables: &[&str]) -> bool {
    let mut found = false;
    tree.templates("", &mut |_, template| {
        found |= template
            .expressions()
            .flat_map(Expression::paths)
            .any(|path| variables.contains(&path[0].as_str()));
    });
    found
}
