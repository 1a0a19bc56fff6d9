//! What simulated things hold.

use std::sync::Arc;

use infrafabric_adapters::compile::{CompiledSandboxChild, plain};
use infrafabric_definition::Class;
use serde_json::{Value as Json, json};

use crate::answer::{Answer, Failure};
use crate::exchange::{Call, Done};
use crate::ledger::Effect;
use crate::objects::{absent, digest, entry, find};
use crate::route::Verb;
use crate::thing::{Deletion, Repetition, Thing};
use crate::vars::{self, Show};

/// Answers a request to what an object holds.
pub(crate) fn answer(
    call: &Call<'_>,
    (holder, verb): (&str, Verb),
    (name, spec): (&str, &CompiledSandboxChild),
) -> Result<Done, Failure> {
    let kind = format!("{holder}.{name}");
    if verb == Verb::Delete && call.captures.text("id").is_none() {
        return remove(call, &kind, None, spec);
    }
    let parent = call.id()?;
    let there = find(call, holder, &parent).filter(|thing| thing.deleted().is_none());
    there.ok_or_else(|| absent(&parent))?;
    match verb {
        Verb::Create => make(call, &kind, parent, spec),
        Verb::Delete => remove(call, &kind, Some(&parent), spec),
        Verb::Read | Verb::List => list(call, &kind, &parent, spec),
    }
}

fn make(
    call: &Call<'_>,
    kind: &str,
    parent: String,
    spec: &CompiledSandboxChild,
) -> Result<Done, Failure> {
    let (thing, new) = kept(call, kind, parent, spec)?;
    let (item, vars) = show(call, spec).answer(&thing)?;
    let answer = Answer::render(&spec.create, &vars, call.format())?;
    let entry = new.then(|| entry(call, kind, Effect::Create, &thing, (&item, &answer)));
    Ok((answer, entry.map(|entry| call.world.ledger.write(entry))))
}

/// A new one, unless an earlier request of the same key made it.
fn kept(
    call: &Call<'_>,
    kind: &str,
    parent: String,
    spec: &CompiledSandboxChild,
) -> Result<(Arc<Thing>, bool), Failure> {
    let keyed = call.operation.sends_token();
    let key = call.captures.text("token").filter(|_| keyed).map(|token| (token, digest(call)));
    let mut things = call.account.things();
    let things = things.entry(kind.to_owned()).or_default();
    if let Some((key, digest)) = &key {
        match things.repetition(key, digest) {
            Repetition::First => {}
            Repetition::Same(thing) => return Ok((thing, false)),
            Repetition::Other => {
                let message = "the idempotency key was used with other parameters".to_owned();
                return Err(Failure::Class(Class::Conflict, message));
            }
        }
    }
    let seq = call.provider.next_seq();
    let mut vars = vars::request(call.received, call.region.as_deref());
    let path: Vec<&str> = call.received.path.split('/').filter(|part| !part.is_empty()).collect();
    vars.set("seq", &json!(seq)).set("path", &json!(path));
    let id = spec.id.render(&vars)?.unwrap_or_else(|| json!(seq));
    let req = call.received.req.clone();
    let mut thing = Thing::new(id.clone(), plain(&id), seq, req, call.now);
    thing.parent = Some(parent);
    let thing = Arc::new(thing);
    things.insert(Arc::clone(&thing), key);
    Ok((thing, true))
}

fn remove(
    call: &Call<'_>,
    kind: &str,
    parent: Option<&str>,
    spec: &CompiledSandboxChild,
) -> Result<Done, Failure> {
    let id = call.captures.any_below("item").unwrap_or_default();
    let found =
        find(call, kind, &id).filter(|thing| parent.is_none() || thing.parent.as_deref() == parent);
    let thing = found.ok_or_else(|| absent(&id))?;
    let (item, vars) = show(call, spec).answer(&thing)?;
    let deletion = {
        let mut things = call.account.things();
        things.entry(kind.to_owned()).or_default().delete(&id, call.now, false)
    };
    if let Deletion::Absent = deletion {
        return Err(absent(&id));
    }
    let answer = Answer::render(&spec.delete, &vars, call.format())?;
    let entry = entry(call, kind, Effect::Delete, &thing, (&item, &answer));
    Ok((answer, Some(call.world.ledger.write(entry))))
}

fn list(
    call: &Call<'_>,
    kind: &str,
    parent: &str,
    spec: &CompiledSandboxChild,
) -> Result<Done, Failure> {
    let all = call.account.things().entry(kind.to_owned()).or_default().all();
    let held = all.iter().filter(|thing| thing.parent.as_deref() == Some(parent));
    let show = show(call, spec);
    let items: Result<Vec<Json>, _> =
        held.map(|thing| show.item(thing).map(|item| (*item).clone())).collect();
    let items = items?;
    let mut vars = vars::request(call.received, call.region.as_deref());
    vars.set("total", &json!(items.len())).set_exact("items", &Json::Array(items));
    Ok((Answer::render(&spec.list, &vars, call.format())?, None))
}

fn show<'a>(call: &'a Call<'_>, spec: &'a CompiledSandboxChild) -> Show<'a> {
    Show::new(&spec.item, call.received, call.now, call.world.phase)
}
