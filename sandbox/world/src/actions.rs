//! Actions of simulated providers: what they make, change and say.

use std::sync::Arc;

use infrafabric_adapters::compile::{
    CompiledList, CompiledSandboxAction, CompiledSandboxThing, Template, Tree, Vars, plain,
};
use infrafabric_adapters::contract::{self, Does};
use infrafabric_definition::Class;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::answer::{Answer, Failure};
use crate::exchange::{Call, Done};
use crate::ledger::{Delivery, Effect, LedgerEntry, without_secrets};
use crate::objects::{self, absent, sorted};
use crate::provider::Said;
use crate::pushed::push;
use crate::sigv4::hex;
use crate::thing::{Deletion, Thing};
use crate::vars::{self, Show};

/// Does what an action asks for, unless a rule or an earlier request of the same key says otherwise.
pub(crate) fn act(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxAction,
) -> Result<Done, Failure> {
    let domain = call.provider.compiled.spec().domain;
    let does = contract::of(domain).action(name).map_or(Does::Ask(None), |known| known.does);
    let key = key(call, name);
    let _one = call.account.acts();
    if let Some((key, digest)) = &key {
        match call.account.said(key) {
            Some(said) if said.digest == *digest => return Ok((said.answer, None)),
            Some(_) => {
                let message = "the idempotency key was used with other parameters".to_owned();
                return Err(Failure::Class(Class::Conflict, message));
            }
            None => {}
        }
    }
    let done = carry_out(call, name, spec, does)?;
    if let Some((key, digest)) = key {
        call.account.say(key, Said { digest, answer: done.0.clone() });
    }
    Ok(done)
}

fn carry_out(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxAction,
    does: Does,
) -> Result<Done, Failure> {
    let want = call.captures.below("want");
    let mut vars = vars::request(call.received, call.region.as_deref());
    vars.set("want", &want);
    let mut thing = match does.aim() {
        None if matches!(does, Does::See(_) | Does::Set(_)) => {
            Some(the_one(call, does.kind().unwrap_or_default(), &vars)?)
        }
        // What names no identity was named by a step before it.
        Some(kind) if simulated(call, kind).is_some() && call.captures.text("id").is_some() => {
            let id = call.id()?;
            let found = objects::find(call, kind, &id);
            let found = found.filter(|thing| thing.deleted().is_none());
            Some(found.ok_or_else(|| absent(&id))?)
        }
        _ => None,
    };
    match &thing {
        Some(thing) => vars.set("id", &thing.id).set("now", &thing.now()),
        None => vars.set("id", &Json::Null).set("now", &json!({})),
    };
    for rule in &spec.rules {
        if rule.must.render(&vars)? != Some(Json::Bool(true)) {
            return Err(Failure::Class(rule.class, rule.message.clone()));
        }
    }
    let mut changed = true;
    if let Some(thing) = &thing
        && !spec.sets.is_empty()
    {
        let mut now = (*thing.now()).clone();
        for (key, tree) in &spec.sets {
            now[key] = tree.render(&vars)?.unwrap_or(Json::Null);
        }
        vars.set("now", &now);
        changed = now != *thing.now();
        thing.set_now(now);
    }
    let seq = match (&thing, does) {
        (None, Does::Make(kind)) => {
            let made = match call.provider.sandbox().and_then(|sandbox| sandbox.things.get(kind)) {
                Some(kept) => Some(make(call, kind, kept, &mut vars)?),
                None => None,
            };
            let seq = made.as_ref().map_or_else(|| call.provider.next_seq(), |made| made.seq);
            thing = made;
            seq
        }
        _ if does.is_effect() => call.provider.next_seq(),
        _ => 0,
    };
    vars.set("seq", &json!(seq));
    let kind = does.kind().unwrap_or_default();
    let created = call.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    vars.set("created", &Json::from(created));
    if let Some((thing, item)) = thing.as_ref().zip(simulated(call, kind)) {
        let item = Show::new(item, call.received, call.now, call.world.phase).item(thing)?;
        vars.set_exact("item", &item).set("id", &thing.id).set("now", &thing.now());
    }
    if let (Does::Remove(kind), Some(thing)) = (does, &thing) {
        let mut things = call.account.things();
        let things = things.entry(kind.to_owned()).or_default();
        if let Deletion::Absent = things.delete(&thing.key, call.now, false) {
            return Err(absent(&thing.key));
        }
    }
    if let Some((kind, filter)) = &spec.of {
        vars.set_exact("items", &Json::Array(among(call, kind, filter.as_ref())?));
    }
    let answer = Answer::render(&spec.answer, &vars, call.format())?;
    // A device that is told what it does already pushes nothing.
    if let Some(event) = spec.event.as_ref().filter(|_| changed) {
        push(call, event, &vars)?;
    }
    let entry = does.is_effect().then(|| entry(call, name, does, thing.as_deref(), &answer));
    Ok((answer, entry.map(|entry| call.world.ledger.write(entry))))
}

/// The one thing of a kind that the account is; it is there from the first question on.
fn the_one(call: &Call<'_>, kind: &str, vars: &Vars) -> Result<Arc<Thing>, Failure> {
    let nothing = || Failure::Class(Class::NotFound, String::new());
    let spec = call.provider.sandbox().and_then(|sandbox| sandbox.things.get(kind));
    let spec = spec.ok_or_else(nothing)?;
    let mut things = call.account.things();
    let things = things.entry(kind.to_owned()).or_default();
    if let Some(there) = things.all().into_iter().next() {
        return Ok(there);
    }
    let mut now = Map::new();
    for (key, tree) in &spec.starts {
        now.extend(tree.render(vars)?.map(|value| (key.clone(), value)));
    }
    let thing = Thing::new(json!(kind), kind.to_owned(), 0, Json::Null, call.now);
    thing.set_now(Json::Object(now));
    let thing = Arc::new(thing);
    things.insert(Arc::clone(&thing), None);
    Ok(thing)
}

fn make(
    call: &Call<'_>,
    kind: &str,
    spec: &CompiledSandboxThing,
    vars: &mut Vars,
) -> Result<Arc<Thing>, Failure> {
    let seq = call.provider.next_seq();
    vars.set("seq", &json!(seq));
    let id = spec.id.render(vars)?.unwrap_or_else(|| json!(seq));
    let mut now = Map::new();
    for (key, tree) in &spec.starts {
        now.extend(tree.render(vars)?.map(|value| (key.clone(), value)));
    }
    let thing = Thing::new(id.clone(), plain(&id), seq, call.received.req.clone(), call.now);
    thing.set_now(Json::Object(now));
    let thing = Arc::new(thing);
    let mut things = call.account.things();
    let things = things.entry(kind.to_owned()).or_default();
    if things.get(&thing.key).is_some_and(|there| there.deleted().is_none()) {
        return Err(Failure::Class(Class::Conflict, format!("{} is there already", thing.key)));
    }
    things.insert(Arc::clone(&thing), None);
    Ok(thing)
}

/// How a kind of thing is shown: one that actions make, or an object.
fn simulated<'a>(call: &'a Call<'_>, kind: &str) -> Option<&'a Tree> {
    let sandbox = call.provider.sandbox()?;
    let thing = sandbox.things.get(kind).map(|thing| &thing.item);
    thing.or_else(|| sandbox.objects.get(kind).map(|object| &object.item))
}

/// What is there of the kind that an action is about, and passes the filter.
pub(crate) fn found(call: &Call<'_>, name: &str, list: &CompiledList) -> Result<Done, Failure> {
    let nothing = || Failure::Class(Class::NotFound, String::new());
    let domain = call.provider.compiled.spec().domain;
    let kind = contract::of(domain).action(name).and_then(|known| known.does.kind());
    let kind = kind.ok_or_else(nothing)?;
    if call.provider.sandbox().is_some_and(|sandbox| sandbox.things.contains_key(kind))
        && matches!(
            contract::of(domain).action(name).map(|known| known.does),
            Some(Does::See(_) | Does::Set(_))
        )
    {
        the_one(call, kind, &vars::request(call.received, call.region.as_deref()))?;
    }
    let items = among(call, kind, list.filter.as_ref())?;
    let mut vars = vars::request(call.received, call.region.as_deref());
    vars.set("total", &json!(items.len())).set_exact("items", &Json::Array(items));
    Ok((Answer::render(&list.answer, &vars, call.format())?, None))
}

/// The things of a kind that pass a filter.
fn among(call: &Call<'_>, kind: &str, filter: Option<&Template>) -> Result<Vec<Json>, Failure> {
    let all = call.account.things().entry(kind.to_owned()).or_default().all();
    let mut vars = vars::request(call.received, call.region.as_deref());
    let mut items = Vec::new();
    let Some(tree) = simulated(call, kind) else { return Ok(items) };
    let show = Show::new(tree, call.received, call.now, call.world.phase);
    for thing in all.iter().filter(|thing| thing.deleted().is_none()) {
        let item = show.item(thing)?;
        vars.set("item", &item);
        let passes = match filter {
            Some(filter) => filter.render(&vars)? == Some(Json::Bool(true)),
            None => true,
        };
        if passes {
            items.push((*item).clone());
        }
    }
    Ok(items)
}

/// The idempotency key of the request with the digest of what it asks for.
fn key(call: &Call<'_>, name: &str) -> Option<(String, String)> {
    let keyed = call.provider.compiled.actions.get(name).is_some_and(|action| action.keyed);
    let token = call.captures.text("token").filter(|_| keyed)?;
    let asked = format!("{}\n{}", call.received.path, sorted(&call.received.req));
    Some((format!("{name} {token}"), hex(&Sha256::digest(asked))))
}

fn entry(
    call: &Call<'_>,
    name: &str,
    does: Does,
    thing: Option<&Thing>,
    answer: &Answer,
) -> LedgerEntry {
    LedgerEntry {
        seq: 0,
        time: call.now,
        definition: call.provider.name().to_owned(),
        account: call.account.digest.clone(),
        operation: name.to_owned(),
        effect: match does {
            Does::Make(_) => Effect::Create,
            Does::Remove(_) => Effect::Delete,
            _ => Effect::Change,
        },
        id: thing.map(|thing| thing.key.clone()).unwrap_or_default(),
        name: None,
        region: call.region.clone(),
        marks: Vec::new(),
        token: call.captures.text("token"),
        request: without_secrets(&call.received.req),
        status: answer.status,
        answer: Delivery::Delivered,
    }
}
