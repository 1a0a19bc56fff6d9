//! Prism judges requests and answers by a provider's official description: the operator's own
//! requests over a machine's life, and the sandbox's answers to them, errors included.

mod judge;
mod verdict;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use infrafabric_adapters::contract::cloud::MachineVerb;
use infrafabric_adapters::journal::Unrecorded;
use infrafabric_crds::{CloudMachine, Provider, ProviderDefinition};
use infrafabric_definition::Domain;
use infrafabric_world::{FaultSpec, Rehearsed, World, WorldClient, rehearse, rehearse_at};
use serde_json::{Value, json};

use self::judge::{Judge, OFFICIAL, Official};
use self::verdict::Verdict;
use crate::error::{Error, at};
use crate::report::Report;
use crate::simulated::Simulated;
use crate::site::{Site, delete, is_ready, until};
use crate::tools::descriptions;

const CONTROLLER: Duration = Duration::from_mins(1);
const NAME: &str = "judged";
/// Only the public half ever existed.
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJudgedJudgedJudgedJudgedJudgedJudgedJudged0 oracle";

/// Asks about every provider that has an official description here.
pub(crate) fn ask(report: &mut Report) -> Result<(), Error> {
    descriptions()?;
    let runtime = tokio::runtime::Runtime::new().map_err(at("the runtime"))?;
    for official in &OFFICIAL {
        let temporary = tempfile::tempdir().map_err(at("a temporary folder"))?;
        runtime.block_on(one(report, official, temporary.path()))?;
    }
    Ok(())
}

async fn one(report: &mut Report, official: &Official, folder: &Path) -> Result<(), Error> {
    let simulated = Simulated::read(official.definition)?;
    let world = simulated.world().await?;
    let upstream = format!("{}/p/{}", world.url(), simulated.name);
    let judge = Judge::start(official, &upstream, folder)?;
    let cloud = simulated.definition.domain == Domain::Cloud;
    if cloud {
        life(report, &judge, official, &simulated, folder).await?;
        catalogs(&judge, official, &simulated).await?;
    } else {
        everything(report, &judge, &simulated).await?;
    }
    let lived = judge.recorder.exchanges()?;
    for (text, because) in official.unjudged {
        let asked = |one: &Value| one["path"].as_str().is_some_and(|path| path.contains(text));
        let what = format!("{}: not judged: {text} ({because})", official.definition);
        report.check(&what, lived.iter().any(asked), "it was not asked: remove it from the table");
    }
    covered(report, &simulated, &world.client()).await?;
    let life = Verdict::of(official.definition, &lived);
    life.told(report, if cloud { "a machine's life" } else { "everything it can do" });
    control(report, &judge, official.definition, &lived)?;
    // Few vendors describe their refusals; what each is taken for is the suites' business.
    if !cloud {
        verdict::stale(report, official.definition, &[&life]);
        return Ok(());
    }
    let failed = failures(&judge, official, &world, &lived).await?;
    let failures = Verdict::of(official.definition, &failed);
    failures.told(report, "simulated errors");
    verdict::stale(report, official.definition, &[&life, &failures]);
    Ok(())
}

/// Every action and object once, by the requests of the library.
async fn everything(
    report: &mut Report,
    judge: &Judge,
    simulated: &Simulated,
) -> Result<(), Error> {
    let account = simulated.account(judge.recorder.url())?;
    let failed = |source| Error::Adapter { source };
    account.verify().await.map_err(failed)?;
    if simulated.definition.catalogs.contains_key("models") {
        account.models().await.map_err(failed)?;
    }
    told(report, simulated, rehearse(&account, &Unrecorded).await);
    Ok(())
}

/// What the library makes of the answers.
fn told(report: &mut Report, simulated: &Simulated, all: Vec<Rehearsed>) {
    for done in all {
        let what = format!("{}: {} through the judge", simulated.name, done.action);
        let said = done.result.err().map(|error| error.to_string()).unwrap_or_default();
        report.check(&what, said.is_empty(), &said);
    }
}

/// A machine from its manifest to its end, by the operator's own binary.
async fn life(
    report: &mut Report,
    judge: &Judge,
    official: &Official,
    simulated: &Simulated,
    folder: &Path,
) -> Result<(), Error> {
    let site = Site::start(folder).await?;
    let _operator =
        site.operator(&[&format!("--allowed-endpoints=127.0.0.1:{}", judge.recorder.port)])?;
    if !simulated.is_built_in() {
        site.define(&simulated.name, &simulated.definition).await?;
        until(
            &site.everywhere::<ProviderDefinition>(),
            &simulated.name,
            "Ready",
            CONTROLLER,
            is_ready,
        )
        .await?;
    }
    site.secret(NAME, simulated.secret()).await?;
    site.make::<Provider>(json!({
        "apiVersion": "infrafabric.io/v1alpha1", "kind": "Provider", "metadata": {"name": NAME},
        "spec": {
            "type": simulated.name, "endpoint": judge.recorder.url(), "region": official.region,
            "parameters": simulated.parameters(),
            "credentials": {"secretRef": {"name": NAME}},
        },
    }))
    .await?;
    until(&site.api::<Provider>(), NAME, "Ready", CONTROLLER, is_ready).await?;
    site.make::<CloudMachine>(json!({
        "apiVersion": "infrafabric.io/v1alpha1", "kind": "CloudMachine", "metadata": {"name": NAME},
        "spec": {
            "providers": [{"name": NAME}], "image": "ubuntu-24.04", "tags": ["team-a"],
            "requirements": {"cpus": 2, "memory": "4Gi"}, "sshKeys": [SSH_KEY],
            "userData": {"inline": "#cloud-config\npackages: [nginx]\n"},
        },
    }))
    .await?;
    let machines = site.api::<CloudMachine>();
    let machine = until(&machines, NAME, "Ready", CONTROLLER, is_ready).await?;
    let active = machine.status.and_then(|status| status.active);
    if let Some(active) = active {
        changes(judge, official, simulated, (&active.external_id, &active.size)).await?;
        let account = simulated.account(judge.recorder.url())?;
        let machines = [active.external_id];
        let done = rehearse_at(&account, &Unrecorded, official.region, &machines).await;
        told(report, simulated, done);
    }
    delete(&machines, NAME, CONTROLLER).await
}

/// Everything that can be done with the machine, by the requests of the library.
async fn changes(
    judge: &Judge,
    official: &Official,
    simulated: &Simulated,
    (id, size): (&str, &str),
) -> Result<(), Error> {
    let account = simulated.account(judge.recorder.url())?;
    let failed = |source| Error::Adapter { source };
    let sizes = account.sizes(official.region).await.map_err(failed)?;
    let other = sizes.into_iter().find(|one| one.available && one.name != size);
    let resize = other.map(|size| MachineVerb::Resize { size: size.name, size_id: size.id });
    let update = MachineVerb::Update { marks: vec!["if-judged".to_owned()], tags: Vec::new() };
    // Some change the size of what is off only.
    let on = [MachineVerb::Start, MachineVerb::Reboot, update];
    for verb in [MachineVerb::Stop].into_iter().chain(resize).chain(on) {
        if simulated.operations().contains(&format!("machine.{}", verb.as_str())) {
            let token = format!("prism-{}", verb.as_str());
            let done = account.change_machine(&verb, id, official.region, &token, &Unrecorded);
            done.await.map_err(failed)?;
        }
    }
    Ok(())
}

/// The catalogs that no controller needs yet, by the requests of the library.
async fn catalogs(judge: &Judge, official: &Official, simulated: &Simulated) -> Result<(), Error> {
    let account = simulated.account(judge.recorder.url())?;
    let failed = |source| Error::Adapter { source };
    for catalog in simulated.definition.catalogs.keys() {
        match catalog.as_str() {
            "sizes" => drop(account.sizes(official.region).await.map_err(failed)?),
            "images" => drop(account.images(official.region).await.map_err(failed)?),
            _ => drop(account.regions().await.map_err(failed)?),
        }
    }
    Ok(())
}

/// The judge itself: a request that is not as the description says must be objected to.
fn control(
    report: &mut Report,
    judge: &Judge,
    definition: &'static str,
    lived: &[Value],
) -> Result<(), Error> {
    let creates = |one: &&Value| one["method"] == "POST" || one["method"] == "PUT";
    let creations =
        lived.iter().filter(creates).filter(|one| one["unjudged"] != true && one["status"] != 404);
    let what = format!("{definition}: the judge objects to a creation that is a list");
    let mut said = Value::Null;
    // Not every description says of every body what it is.
    for creation in creations {
        let mut broken = creation.clone();
        broken["body"] = json!("[]");
        judge.recorder.again(&broken)?;
        said = judge.recorder.exchanges()?.pop().unwrap_or_default();
        if !Verdict::of(definition, std::slice::from_ref(&said)).objections.is_empty() {
            report.check(&what, true, "");
            return Ok(());
        }
    }
    report.check(&what, false, &said.to_string());
    Ok(())
}

/// What was not asked was not judged: every operation of the definition must have been.
async fn covered(
    report: &mut Report,
    simulated: &Simulated,
    world: &WorldClient,
) -> Result<(), Error> {
    let ledger = world.ledger(Some(&simulated.name), 0).await;
    let ledger = ledger.map_err(|source| Error::Simulated { source })?;
    let asked = ledger.requests.get(&simulated.name).cloned().unwrap_or_default();
    // Some prove the credentials by what another operation asks too.
    let definition = &simulated.definition;
    let proof = definition.verify.as_ref().and_then(|verify| verify.get.as_ref());
    let lists = definition.objects.values().filter_map(|one| one.expanded().list);
    let shared = definition.catalogs.values().any(|one| one.list.get.as_ref() == proof)
        || lists.into_iter().any(|list| list.get.as_ref() == proof);
    let missing: Vec<_> = simulated
        .operations()
        .into_iter()
        .filter(|name| !(asked.contains_key(name) || shared && name == "verify"))
        .collect();
    let what = format!("{}: every operation was asked", simulated.name);
    report.check(&what, missing.is_empty(), &format!("asked {asked:?}, not {missing:?}"));
    Ok(())
}

/// Every simulated error, as the answer to every kind of request of the machine's life.
async fn failures(
    judge: &Judge,
    official: &Official,
    world: &World,
    lived: &[Value],
) -> Result<Vec<Value>, Error> {
    let before = judge.recorder.exchanges()?.len();
    for fault in FAULTS {
        let spec = fault_spec(official.definition, fault);
        let id = world.client().set_fault(&spec).await;
        let id = id.map_err(|source| Error::Simulated { source })?;
        for one in kinds(lived) {
            judge.recorder.again(one)?;
        }
        let cleared = world.client().clear_fault(id).await;
        cleared.map_err(|source| Error::Simulated { source })?;
    }
    Ok(judge.recorder.exchanges()?.split_off(before))
}

/// The faults that answer with a status.
const FAULTS: [&str; 7] = ["402", "429", "500", "503", "revoked", "capacity", "quota"];

fn fault_spec(definition: &str, fault: &str) -> FaultSpec {
    FaultSpec {
        definition: definition.to_owned(),
        fault: fault.to_owned(),
        n: (fault == "quota").then_some(0),
        ..FaultSpec::default()
    }
}

/// One exchange of each kind: the method, and the path without its query and its ids.
fn kinds(lived: &[Value]) -> Vec<&Value> {
    let kind = |one: &Value| {
        let path = text(one, "path");
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let name = |part: &str| {
            if part.len() > 20 || part.parse::<u64>().is_ok() { "*" } else { part }.to_owned()
        };
        (text(one, "method"), path.split('/').map(name).collect::<Vec<_>>())
    };
    let mut seen = BTreeSet::new();
    lived.iter().filter(|one| seen.insert(kind(one))).collect()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
