//! The admin API: faults, ledger, things, accounts and definitions, as JSON beneath `/_world`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Method;
use infrafabric_adapters::compile::{Compiled, Tree, Vars, plain};
use infrafabric_definition::Definition;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::answer::Answer;
use crate::fault::FAULTS;
use crate::provider::Provider;
use crate::server::Shared;
use crate::thing::{Thing, ThingShown};
use crate::vars;

/// An account to be added, or an account whose quota is to be set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountAsked {
    definition: String,
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    quota: Option<u64>,
}

/// A ProviderDefinition manifest; what else its metadata says does not matter here.
#[derive(Debug, Deserialize)]
struct Manifest {
    kind: String,
    metadata: Metadata,
    spec: Definition,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseAsked {
    #[serde(default)]
    fault: Option<u64>,
}

/// Answers an admin request; `path` is what follows `/_world`.
pub(crate) fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Answer {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let result = match (method.as_str(), steps.as_slice()) {
        ("GET", []) => Ok(Answer::json(200, &overview(shared))),
        ("GET", ["faults"]) => Ok(shown(&shared.faults.shown(shared.clock.now()))),
        ("POST", ["faults"]) => set_fault(shared, body),
        ("DELETE", ["faults"]) => {
            Ok(Answer::json(200, &json!({"removed": shared.faults.remove(None)})))
        }
        ("DELETE", ["faults", id]) => remove_fault(shared, id),
        ("POST", ["release"]) => release(shared, body),
        ("GET", ["ledger"]) => ledger(shared, query),
        ("GET", ["things"]) => things(shared, query),
        ("POST", ["accounts"]) => account(shared, body),
        ("POST", ["definitions"]) => definition(shared, body),
        _ => Err(refusal(404, &format!("no {method} /_world{path}"))),
    };
    result.unwrap_or_else(|refusal| refusal)
}

/// A refusal with a sentence.
pub(crate) fn refusal(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"error": message}))
}

fn shown(value: &impl Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => Answer::text(200, "application/json", text),
        Err(error) => refusal(500, &error.to_string()),
    }
}

fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| refusal(400, &error.to_string()))
}

fn overview(shared: &Shared) -> Json {
    let providers: Vec<String> =
        shared.providers().iter().map(|provider| provider.name().to_owned()).collect();
    let faults: Vec<Json> = FAULTS
        .iter()
        .map(|fault| json!({"name": fault.name, "params": fault.params, "about": fault.about}))
        .collect();
    let ports: BTreeMap<String, u16> = shared
        .providers()
        .iter()
        .filter_map(|provider| Some((provider.name().to_owned(), provider.events_port?)))
        .collect();
    json!({"definitions": providers, "faults": faults, "eventsPorts": ports})
}

fn set_fault(shared: &Shared, body: &[u8]) -> Result<Answer, Answer> {
    let json: Json = parse(body)?;
    let definition = json.get("definition").and_then(Json::as_str).unwrap_or_default();
    if !definition.is_empty() && shared.provider(definition).is_none() {
        return Err(refusal(400, &format!("no definition `{definition}`")));
    }
    match shared.faults.add(&json, shared.clock.now()) {
        Ok(id) => Ok(Answer::json(201, &json!({"id": id}))),
        Err(error) => Err(refusal(400, &error.to_string())),
    }
}

fn remove_fault(shared: &Shared, id: &str) -> Result<Answer, Answer> {
    let missing = || refusal(404, &format!("no fault {id}"));
    let number = id.parse().map_err(|_| missing())?;
    match shared.faults.remove(Some(number)) {
        0 => Err(missing()),
        removed => Ok(Answer::json(200, &json!({"removed": removed}))),
    }
}

fn release(shared: &Shared, body: &[u8]) -> Result<Answer, Answer> {
    let asked: ReleaseAsked = if body.is_empty() { ReleaseAsked::default() } else { parse(body)? };
    Ok(Answer::json(200, &json!({"released": shared.faults.release(asked.fault)})))
}

/// The query parameters of a filter; unknown ones are refused, so that a typo shows nothing false.
fn filter(query: &str, known: &[&str]) -> Result<BTreeMap<String, String>, Answer> {
    let given: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .filter(|(_, v)| !v.is_empty())
        .collect();
    match given.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => {
            Err(refusal(400, &format!("no parameter `{unknown}`; there are: {}", known.join(", "))))
        }
        None => Ok(given),
    }
}

fn ledger(shared: &Shared, query: &str) -> Result<Answer, Answer> {
    let given = filter(query, &["definition", "since"])?;
    let since = given.get("since").map_or(Ok(0), |since| since.parse());
    let since = since.map_err(|_| refusal(400, "`since` is the number of an entry"))?;
    Ok(shown(&shared.ledger.page(given.get("definition").map(String::as_str), since)))
}

fn things(shared: &Shared, query: &str) -> Result<Answer, Answer> {
    let given = filter(query, &["definition"])?;
    let wanted = |provider: &Provider| {
        given.get("definition").is_none_or(|definition| definition == provider.name())
    };
    let mut all = Vec::new();
    for provider in shared.providers().into_iter().filter(|provider| wanted(provider)) {
        for (account, object, thing) in provider.living() {
            all.push(show(shared, &provider, account, object, &thing));
        }
    }
    Ok(shown(&all))
}

fn show(
    shared: &Shared,
    provider: &Provider,
    account: String,
    object: String,
    thing: &Thing,
) -> ThingShown {
    let item =
        provider.sandbox().and_then(|sandbox| sandbox.objects.get(&object)).and_then(|spec| {
            let vars = vars::thing(thing, shared.clock.now(), shared.phase);
            spec.item.render(&vars).ok()?
        });
    let item = item.unwrap_or_default();
    let (vendor_state, state) = state(provider, &object, &item).unwrap_or_default();
    ThingShown {
        definition: provider.name().to_owned(),
        account,
        id: thing.key.clone(),
        name: thing.name.clone().or_else(|| provider.output(&object, "name", &item)),
        object,
        region: thing.region.clone(),
        state: state.unwrap_or_else(|| "Unknown".to_owned()),
        vendor_state,
        created: thing.created,
        marks: thing.marks.clone(),
    }
}

/// The vendor's state and the contract's, read from the item as the definition reads it.
fn state(provider: &Provider, object: &str, item: &Json) -> Option<(String, Option<String>)> {
    let outputs = &provider.compiled.objects.get(object)?.outputs;
    let mut vars = Vars::default();
    vars.set("item", item);
    let Tree::Map(entries) = outputs.get("state")? else { return None };
    let find = |key: &str| entries.iter().find(|(name, _)| name == key).map(|(_, tree)| tree);
    let vendor = plain(&find("of")?.render(&vars).ok()??);
    let state = find(&vendor).and_then(|tree| tree.render(&vars).ok()?).map(|value| plain(&value));
    Some((vendor, state))
}

fn account(shared: &Shared, body: &[u8]) -> Result<Answer, Answer> {
    let asked: AccountAsked = parse(body)?;
    let provider = shared.provider(&asked.definition);
    let provider =
        provider.ok_or_else(|| refusal(400, &format!("no definition `{}`", asked.definition)))?;
    let account = provider
        .add_account(asked.secrets)
        .ok_or_else(|| refusal(400, "`secrets` lacks the key that names accounts"))?;
    account.quota.store(asked.quota.unwrap_or(u64::MAX), Ordering::Release);
    Ok(Answer::json(200, &json!({"account": account.digest})))
}

fn definition(shared: &Shared, body: &[u8]) -> Result<Answer, Answer> {
    let manifest: Manifest = parse(body)?;
    if manifest.kind != "ProviderDefinition" {
        return Err(refusal(400, &format!("kind {} is no ProviderDefinition", manifest.kind)));
    }
    let compiled = Compiled::new(&manifest.metadata.name, manifest.spec).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        refusal(400, &problems.join("; "))
    })?;
    let url = format!("/p/{}", compiled.name());
    if shared.put(Arc::new(compiled)) {
        Ok(Answer::json(201, &json!({"path": url})))
    } else {
        Err(refusal(400, "the definition has no sandbox section"))
    }
}
