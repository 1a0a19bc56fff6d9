//! What stands beside a simulated thing: the reads that requests need first, the ends of operations
//! that are waited for, and the parts that a thing is made of.

use std::collections::HashMap;
use std::sync::Arc;

use infrafabric_adapters::compile::{CompiledRead, CompiledSandboxObject, Vars, plain};
use infrafabric_definition::Class;
use serde_json::{Value as Json, json};

use crate::answer::{Answer, Failure};
use crate::exchange::{Call, Done};
use crate::ledger::Effect;
use crate::objects::{absent, entry, find, show};
use crate::route::{Target, Verb};
use crate::thing::{Deletion, Thing, Things};
use crate::vars;

/// Answers a request to one of them.
pub(crate) fn answer(
    call: &Call<'_>,
    target: &Target,
    spec: &CompiledSandboxObject,
) -> Result<Done, Failure> {
    let nothing = || Failure::Class(Class::NotFound, String::new());
    match target {
        Target::Step(name, ..) => {
            let step = call.operation.name.rsplit('.').next().unwrap_or_default();
            read(call, name, spec, spec.steps.get(step).ok_or_else(nothing)?, false)
        }
        Target::Wait(name, _) => {
            read(call, name, spec, spec.wait.as_ref().ok_or_else(nothing)?, true)
        }
        Target::Part(name, Verb::Create, at) => make(call, name, spec, *at),
        Target::Part(name, _, at) => remove(call, name, spec, *at),
        _ => Err(nothing()),
    }
}

fn read(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
    read: &CompiledRead,
    waits: bool,
) -> Result<Done, Failure> {
    let mut vars = request(call);
    let id = match &read.of {
        Some(of) => of.render(&vars)?.map(|id| plain(&id)),
        None => call.captures.text("id"),
    };
    let Some(id) = id else {
        return Ok((Answer::render(&read.answer, &vars, call.format())?, None));
    };
    match find(call, name, &id) {
        Some(thing) => {
            let (_, mut vars) = show(call, spec).answer(&thing)?;
            vars.set("path", &path(call));
            Ok((Answer::render(&read.answer, &vars, call.format())?, None))
        }
        // What is gone has come to its end.
        None if waits => {
            vars.set("id", &json!(id)).set("deleted", &json!(true));
            vars.function("phase", |states| states.last().cloned());
            vars.function("gone", |states| states.last().cloned());
            Ok((Answer::render(&read.answer, &vars, call.format())?, None))
        }
        None => Err(absent(&id)),
    }
}

fn make(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
    at: usize,
) -> Result<Done, Failure> {
    let (kind, part) = part(call, name, at)?;
    let id = call.captures.text("want.name");
    let id =
        id.ok_or_else(|| Failure::Class(Class::Invalid, "the request names nothing".into()))?;
    let thing = {
        let mut things = call.account.things();
        // Each needs the one before it.
        if let Some(before) = at.checked_sub(1) {
            let (before, _) = self::part(call, name, before)?;
            let there = things.get(&before).is_some_and(|things| things.get(&id).is_some());
            if !there {
                return Err(absent(&format!("{before} {id}")));
            }
        }
        let things = things.entry(kind).or_default();
        if let Some(thing) = things.get(&id) {
            (thing, false)
        } else {
            let seq = call.provider.next_seq();
            let req = call.received.req.clone();
            let mut thing = Thing::new(json!(id), id.clone(), seq, req, call.now);
            thing.region.clone_from(&call.region);
            thing.name = Some(id.clone());
            thing.marks.clone_from(&call.captures.marks);
            let thing = Arc::new(thing);
            things.insert(Arc::clone(&thing), None);
            (thing, true)
        }
    };
    let (thing, new) = thing;
    let mut vars = request(call);
    vars.set("id", &json!(id)).set("seq", &json!(thing.seq));
    let answer = spec.parts.get(&part).ok_or_else(|| absent(&part))?;
    let answer = Answer::render(&answer.create, &vars, call.format())?;
    let effect = new.then(|| record(call, Effect::Create, &thing, &answer));
    Ok((answer, effect))
}

fn remove(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
    at: usize,
) -> Result<Done, Failure> {
    let (kind, part) = part(call, name, at)?;
    let id = call.id()?;
    let deletion = {
        let mut things = call.account.things();
        // Nothing goes before what stands on it.
        let parts = call.provider.compiled.objects.get(name).map_or(0, |object| object.parts.len());
        let mut above = vec![name.to_owned()];
        for later in at + 1..parts {
            above.push(self::part(call, name, later)?.0);
        }
        let living = |kind: &String| {
            let thing = things.get(kind).and_then(|things| things.get(&id));
            thing.is_some_and(|thing| thing.deleted().is_none())
        };
        if let Some(user) = above.iter().find(|kind| living(kind)) {
            return Err(Failure::Class(
                Class::Conflict,
                format!("{kind} {id} is in use by {user}"),
            ));
        }
        things.entry(kind).or_default().delete(&id, call.now, false)
    };
    let thing = match deletion {
        Deletion::Done(thing) | Deletion::Already(thing) => thing,
        Deletion::Absent => return Err(absent(&id)),
    };
    let mut vars = request(call);
    vars.set("id", &json!(id)).set("seq", &json!(thing.seq));
    let answer = spec.parts.get(&part).ok_or_else(|| absent(&part))?;
    let answer = Answer::render(&answer.delete, &vars, call.format())?;
    let effect = record(call, Effect::Delete, &thing, &answer);
    Ok((answer, Some(effect)))
}

/// Whether the parts that a new thing stands on are there.
pub(crate) fn stands_on(
    call: &Call<'_>,
    object: &str,
    things: &HashMap<String, Things>,
) -> Result<(), Failure> {
    let parts = call.provider.compiled.objects.get(object).map_or(0, |object| object.parts.len());
    let Some(last) = parts.checked_sub(1) else { return Ok(()) };
    let (last, _) = part(call, object, last)?;
    let id = call.captures.text("want.name").unwrap_or_default();
    let there = things.get(&last).is_some_and(|things| things.get(&id).is_some());
    if there { Ok(()) } else { Err(absent(&format!("{last} {id}"))) }
}

/// The kind under which an object's part is kept, and the part's name.
fn part(call: &Call<'_>, object: &str, at: usize) -> Result<(String, String), Failure> {
    let parts = call.provider.compiled.objects.get(object).map(|object| &object.parts);
    let part = parts.and_then(|parts| parts.get(at)).map(|part| part.name.clone());
    let part = part.ok_or_else(|| absent("such a part"))?;
    Ok((format!("{object}/{part}"), part))
}

fn request(call: &Call<'_>) -> Vars {
    let mut vars = vars::request(call.received, call.region.as_deref());
    vars.set("want", &call.captures.below("want"));
    vars.set("path", &path(call));
    vars
}

/// The segments of the path.
fn path(call: &Call<'_>) -> Json {
    call.received.path.split('/').filter(|segment| !segment.is_empty()).collect()
}

/// A part is known by its name alone.
fn record(call: &Call<'_>, effect: Effect, thing: &Thing, answer: &Answer) -> u64 {
    call.world.ledger.write(entry(call, "", effect, thing, (&Json::Null, answer)))
}
