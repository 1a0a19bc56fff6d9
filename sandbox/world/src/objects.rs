//! Creations, reads, lists and deletions of simulated things.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use infrafabric_adapters::compile::{
    CompiledSandboxObject, EvaluationError, Expression, Template, Tree, Vars, plain,
};
use infrafabric_definition::{Class, ListScope, Method};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::answer::{Answer, Failure};
use crate::beside;
use crate::exchange::{Call, Done};
use crate::fault::delta;
use crate::ledger::{Delivery, Effect, LedgerEntry, without_secrets};
use crate::sigv4::hex;
use crate::thing::{Deletion, Repetition, Thing};
use crate::vars::{self, Show};

/// Makes a thing, unless a rule, a limit or an earlier request of the same key says otherwise.
pub(crate) fn create(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
) -> Result<Done, Failure> {
    let mut vars = vars::request(call.received, call.region.as_deref());
    for rule in &spec.rules {
        if rule.must.render(&vars)? != Some(Json::Bool(true)) {
            return Err(Failure::Class(rule.class, rule.message.clone()));
        }
    }
    let unique = match &spec.unique {
        Some(template) => template.render(&vars)?.map(|value| plain(&value)),
        None => None,
    };
    let key = key(call, name);
    let (thing, new) = make(call, name, spec, &mut vars, unique, key)?;
    let (item, vars) = show(call, spec).answer(&thing)?;
    let answer = Answer::render(&spec.create, &vars, call.format())?;
    let effect = new.then(|| {
        call.world.ledger.write(entry(call, name, Effect::Create, &thing, (&item, &answer)))
    });
    Ok((answer, effect))
}

/// The decision and the deed under one lock, so that two requests cannot both pass a check.
fn make(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
    vars: &mut Vars,
    unique: Option<String>,
    key: Option<(String, String)>,
) -> Result<(Arc<Thing>, bool), Failure> {
    let mut things = call.account.things();
    beside::stands_on(call, name, &things)?;
    let things = things.entry(name.to_owned()).or_default();
    things.expire(call.now, call.world.phase);
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
    vars.set("want", &call.captures.below("want"));
    // A PUT says what shall be: the same again changes nothing.
    if call.operation.method == Method::Put
        && let Some(there) = spec.id.render(vars)?.and_then(|id| things.get(&plain(&id)))
        && there.deleted().is_none()
    {
        if sorted(&there.req()) == sorted(&call.received.req) {
            return Ok((there, false));
        }
        let message = "it exists and is not as this request says".to_owned();
        return Err(Failure::Class(Class::Conflict, message));
    }
    if unique.as_ref().is_some_and(|unique| things.has_unique(unique)) {
        return Err(Failure::Class(Class::Conflict, "one of that name exists".to_owned()));
    }
    if things.living() as u64 >= call.account.quota.load(Ordering::Acquire) {
        return Err(Failure::Class(Class::Quota, String::new()));
    }
    let size = call.captures.text("want.size");
    let limit = call.plan.refusal(things.living(), call.region.as_deref(), size.as_deref());
    if let Some(failure) = limit {
        return Err(failure);
    }
    let seq = call.provider.next_seq();
    vars.set("seq", &Json::from(seq));
    let id = spec.id.render(vars)?.unwrap_or_else(|| Json::from(seq));
    let mut thing = Thing::new(id.clone(), plain(&id), seq, call.received.req.clone(), call.now);
    thing.region.clone_from(&call.region);
    thing.name = call.captures.text("want.name");
    thing.marks.clone_from(&call.captures.marks);
    thing.unique = unique;
    let thing = Arc::new(thing);
    things.insert(Arc::clone(&thing), key);
    Ok((thing, true))
}

/// The idempotency key of the request with the digest of what it asks for.
fn key(call: &Call<'_>, name: &str) -> Option<(String, String)> {
    let keyed = call.provider.compiled.objects.get(name).is_some_and(|object| object.keyed);
    let token = call.captures.text("token").filter(|_| keyed)?;
    Some((token, digest(call)))
}

/// What the request asks for, in a fixed size.
pub(crate) fn digest(call: &Call<'_>) -> String {
    let asked = format!("{}\n{}", call.received.path, sorted(&call.received.req));
    hex(&Sha256::digest(asked))
}

/// The value with the keys of its maps in order.
pub(crate) fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(entries) => {
            let mut entries: Vec<(String, Json)> =
                entries.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries.into_iter().collect::<Map<_, _>>())
        }
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Shows one thing.
pub(crate) fn read(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
) -> Result<Done, Failure> {
    let id = call.id()?;
    let found = find(call, name, &id).filter(|thing| in_reach(call, name, thing));
    let thing = found.ok_or_else(|| absent(&id))?;
    let (_, vars) = show(call, spec).answer(&thing)?;
    Ok((Answer::render(&spec.read, &vars, call.format())?, None))
}

/// Deletes one thing; one that lingers may be deleted again.
pub(crate) fn delete(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
) -> Result<Done, Failure> {
    let id = match call.id() {
        Ok(id) => id,
        Err(unnamed) => told_by_step(call, name, spec)?.ok_or(unnamed)?,
    };
    let (now, phase) = (call.now, call.world.phase);
    let deletion = {
        let mut things = call.account.things();
        let things = things.entry(name.to_owned()).or_default();
        things.expire(now, phase);
        let reachable = things.get(&id).is_some_and(|thing| in_reach(call, name, &thing));
        if reachable { things.delete(&id, now, spec.lingers) } else { Deletion::Absent }
    };
    let (thing, new) = match deletion {
        Deletion::Done(thing) => (thing, true),
        Deletion::Already(thing) => (thing, false),
        Deletion::Absent => return Err(absent(&id)),
    };
    let (item, vars) = show(call, spec).answer(&thing)?;
    let answer = Answer::render(&spec.delete, &vars, call.format())?;
    let effect = new.then(|| {
        call.world.ledger.write(entry(call, name, Effect::Delete, &thing, (&item, &answer)))
    });
    Ok((answer, effect))
}

/// The identity of the thing that a step before the request told by another name.
fn told_by_step(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
) -> Result<Option<String>, Failure> {
    let Some(told) = call.captures.any_below("steps") else { return Ok(None) };
    let all = call.account.things().entry(name.to_owned()).or_default().all();
    for thing in all {
        let item = show(call, spec).item(&thing)?;
        let mut values = item.as_object().into_iter().flat_map(|item| item.values());
        if values.any(|value| plain(value) == told) {
            return Ok(Some(thing.key.clone()));
        }
    }
    Ok(None)
}

/// The thing of that identity, as long as it is shown.
pub(crate) fn find(call: &Call<'_>, name: &str, id: &str) -> Option<Arc<Thing>> {
    let mut things = call.account.things();
    let things = things.entry(name.to_owned()).or_default();
    things.expire(call.now, call.world.phase);
    things.get(id)
}

/// Switches or resizes one.
pub(crate) fn change(
    call: &Call<'_>,
    name: &str,
    verb: &str,
    spec: &CompiledSandboxObject,
) -> Result<Done, Failure> {
    let id = call.id()?;
    let found = find(call, name, &id)
        .filter(|thing| thing.deleted().is_none() && in_reach(call, name, thing));
    let thing = found.ok_or_else(|| absent(&id))?;
    if wants_it_off(call, name, verb) && !thing.is_off() {
        return Err(Failure::Class(Class::Conflict, String::new()));
    }
    match verb {
        "start" => thing.switch(false),
        "stop" => thing.switch(true),
        "resize" => resize(call, name, &thing)?,
        "update" => say_anew(call, &thing),
        _ => {}
    }
    let (item, vars) = show(call, spec).answer(&thing)?;
    let nothing = || Failure::Class(Class::NotFound, String::new());
    let answer = Answer::render(spec.verbs.get(verb).ok_or_else(nothing)?, &vars, call.format())?;
    let entry = entry(call, name, Effect::Change, &thing, (&item, &answer));
    Ok((answer, Some(call.world.ledger.write(entry))))
}

/// Whether that is refused of what runs.
fn wants_it_off(call: &Call<'_>, name: &str, verb: &str) -> bool {
    let object = call.provider.compiled.spec().objects.get(name);
    object.is_some_and(|object| object.when_stopped.iter().any(|of| of.as_str() == verb))
}

/// What the creation said of a thing is said anew, as far as the request says it.
fn say_anew(call: &Call<'_>, thing: &Thing) {
    let mut req = (*thing.req()).clone();
    if let (Json::Object(now), Json::Object(said)) = (&mut req, &call.received.req) {
        for (key, value) in said {
            now.insert(key.clone(), value.clone());
        }
    }
    thing.set_req(req);
}

/// Writes the wanted size where the creation had it.
fn resize(call: &Call<'_>, name: &str, thing: &Thing) -> Result<(), Failure> {
    let text = |path: &str| call.captures.text(path);
    let Some(size) = text("want.size").or_else(|| text("want.sizeId")) else {
        // The size in pieces.
        say_anew(call, thing);
        return Ok(());
    };
    let object = call.provider.compiled.objects.get(name);
    let create = object.and_then(|object| object.create.as_ref());
    let Some((_, tree)) = create.and_then(|create| create.body.parts()) else { return Ok(()) };
    let mut vars = vars::request(call.received, call.region.as_deref());
    vars.set("want", &json!({"size": size, "sizeId": size}));
    let mut req = (*thing.req()).clone();
    rewrite(tree, &mut req, &vars)?;
    thing.set_req(req);
    Ok(())
}

/// Renders anew what the size decides.
fn rewrite(tree: &Tree, req: &mut Json, vars: &Vars) -> Result<(), Failure> {
    match (tree, req) {
        (Tree::Text(template), req) => {
            let mut paths = template.expressions().flat_map(Expression::paths);
            let sized = |path: Vec<String>| {
                path[0] == "want" && path.get(1).is_some_and(|field| field.starts_with("size"))
            };
            if paths.any(sized)
                && let Some(value) = template.render(vars)?
            {
                *req = value;
            }
        }
        (Tree::Map(entries), Json::Object(map)) => {
            for (key, inner) in entries {
                if let Some(value) = map.get_mut(key) {
                    rewrite(inner, value, vars)?;
                }
            }
        }
        (Tree::List(items), Json::Array(values)) => {
            for (inner, value) in items.iter().zip(values) {
                rewrite(inner, value, vars)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Shows a page of the things that pass the filter.
pub(crate) fn list(
    call: &Call<'_>,
    name: &str,
    spec: &CompiledSandboxObject,
) -> Result<Done, Failure> {
    let (now, phase) = (call.now, call.world.phase);
    let all = {
        let mut things = call.account.things();
        let things = things.entry(name.to_owned()).or_default();
        things.expire(now, phase);
        things.all()
    };
    let newest = now - delta(call.plan.lag);
    let mut vars = vars::request(call.received, call.region.as_deref());
    let show = show(call, spec);
    let filter = spec.list.filter.as_ref().map(Filter::new);
    let mut items = Vec::new();
    for thing in all {
        let late = !call.plan.lag.is_zero() && thing.created > newest;
        if late || !in_reach(call, name, &thing) {
            continue;
        }
        let item = show.item(&thing)?;
        let passes = match &filter {
            Some(filter) => filter.passes(&mut vars, &item)?,
            None => true,
        };
        if passes {
            items.push(item);
        }
    }
    let limit = number(spec.list.limit.as_ref(), &vars)?.filter(|limit| *limit > 0);
    let page = number(spec.list.page.as_ref(), &vars)?.unwrap_or(1).max(1);
    let (total, per_page) = (items.len(), limit.unwrap_or(items.len().max(1)));
    let pages = total.div_ceil(per_page).max(1);
    let shown: Vec<Json> = items
        .iter()
        .skip((page - 1).saturating_mul(per_page))
        .take(per_page)
        .map(|i| (**i).clone())
        .collect();
    vars.set("item", &json!({}));
    vars.set_exact("items", &Json::Array(shown));
    vars.set("total", &json!(total)).set("page", &json!(page)).set("pages", &json!(pages));
    if page < pages {
        vars.set("next", &json!(page + 1));
    }
    Ok((Answer::render(&spec.list.answer, &vars, call.format())?, None))
}

/// A filter, and the entries of an item that it reads (`None`: the whole item).
struct Filter<'a> {
    template: &'a Template,
    keys: Option<Vec<String>>,
}

impl<'a> Filter<'a> {
    fn new(template: &'a Template) -> Self {
        let paths = template.expressions().flat_map(Expression::paths);
        let keys = paths.filter(|path| path[0] == "item").map(|path| path.get(1).cloned());
        Self { template, keys: keys.collect() }
    }

    /// Only what the filter reads becomes a variable: that is most of the cost of a long list.
    fn passes(&self, vars: &mut Vars, item: &Json) -> Result<bool, EvaluationError> {
        match &self.keys {
            None => vars.set("item", item),
            Some(keys) => {
                let read =
                    keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
                vars.set("item", &Json::Object(read.collect()))
            }
        };
        Ok(self.template.render(vars)? == Some(Json::Bool(true)))
    }
}

/// A number, also one that was sent as text.
fn number(template: Option<&Template>, vars: &Vars) -> Result<Option<usize>, EvaluationError> {
    let Some(template) = template else { return Ok(None) };
    Ok(template.render(vars)?.and_then(|value| plain(&value).parse().ok()))
}

pub(crate) fn show<'a>(call: &'a Call<'_>, spec: &'a CompiledSandboxObject) -> Show<'a> {
    Show::new(&spec.item, call.received, call.now, call.world.phase)
}

/// Whether the request's region can see the thing: where lists are regional, everything is.
fn in_reach(call: &Call<'_>, name: &str, thing: &Thing) -> bool {
    let object = call.provider.compiled.objects.get(name);
    let regional = object.is_some_and(|object| object.scope == ListScope::Region);
    let elsewhere = call.region.is_some() && thing.region.is_some() && call.region != thing.region;
    !(regional && elsewhere)
}

pub(crate) fn absent(id: &str) -> Failure {
    Failure::Class(Class::NotFound, format!("there is no {id}"))
}

pub(crate) fn entry(
    call: &Call<'_>,
    object: &str,
    effect: Effect,
    thing: &Thing,
    (item, answer): (&Json, &Answer),
) -> LedgerEntry {
    LedgerEntry {
        seq: 0,
        time: call.now,
        definition: call.provider.name().to_owned(),
        account: call.account.digest.clone(),
        operation: call.operation.name.clone(),
        effect,
        id: thing.key.clone(),
        name: thing.name.clone().or_else(|| call.provider.output(object, "name", item)),
        region: thing.region.clone(),
        marks: thing.marks.clone(),
        token: call.captures.text("token"),
        request: without_secrets(&call.received.req),
        status: answer.status,
        answer: Delivery::Delivered,
    }
}
