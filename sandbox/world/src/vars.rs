//! The variables that a simulated answer is written with.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use infrafabric_adapters::compile::{CompiledSandboxObject, EvaluationError, Tree, Vars};
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
    add_thing(&mut vars, thing, now, phase);
    vars
}

fn add_thing(vars: &mut Vars, thing: &Thing, now: DateTime<Utc>, phase: Duration) {
    vars.set("req", &thing.req);
    vars.set("id", &thing.id);
    vars.set("seq", &Json::from(thing.seq));
    vars.set("region", &thing.region.as_deref().map_or(Json::Null, Json::from));
    let created = thing.created.to_rfc3339_opts(SecondsFormat::Secs, true);
    vars.set("created", &Json::from(created));
    vars.set("deleted", &Json::from(thing.deleted().is_some()));
    let age = thing.age(now, phase);
    vars.function("phase", move |states| nth(states, age.alive));
    vars.function("gone", move |states| age.gone.and_then(|gone| nth(states, gone)));
}

/// The state of that number; the last one stays.
fn nth(states: &[Json], at: usize) -> Option<Json> {
    states.get(at).or(states.last()).cloned()
}

/// The thing as reads show it now, with `received`'s query and headers if the template wants them.
pub(crate) fn item(
    spec: &CompiledSandboxObject,
    kept: &Thing,
    received: &Received,
    now: DateTime<Utc>,
    phase: Duration,
) -> Result<Arc<Json>, EvaluationError> {
    let per_request = reads(&spec.item, &["query", "headers"]);
    let age = kept.age(now, phase);
    if let Some(item) = kept.rendered(age).filter(|_| !per_request) {
        return Ok(item);
    }
    let mut vars = thing(kept, now, phase);
    if per_request {
        vars.set("query", &received.query);
        vars.set("headers", &received.headers);
    }
    let item = Arc::new(spec.item.render(&vars)?.unwrap_or(Json::Null));
    kept.keep(age, &item);
    Ok(item)
}

/// The variables of an answer about one thing.
pub(crate) fn answer(
    kept: &Thing,
    item: &Json,
    received: &Received,
    now: DateTime<Utc>,
    phase: Duration,
) -> Vars {
    let mut vars = thing(kept, now, phase);
    vars.set("query", &received.query);
    vars.set("headers", &received.headers);
    vars.set("item", item);
    vars
}

/// Whether the tree reads one of the variables.
fn reads(tree: &Tree, variables: &[&str]) -> bool {
    let mut found = false;
    tree.templates("", &mut |_, template| {
        found |= template
            .expressions()
            .flat_map(|expression| expression.paths())
            .any(|path| variables.contains(&path[0].as_str()));
    });
    found
}
