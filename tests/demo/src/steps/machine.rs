//! 2. A machine by requirements: Pending, Creating, Running on the preferred provider.

use std::net::IpAddr;

use infrafabric_crds::cloud_machine::State;
use infrafabric_crds::engine::Active;
use infrafabric_world::{Delivery, LedgerEntry};
use kube::ResourceExt;
use serde_json::Value as Json;

use super::{apply_machine, books, running, uid};
use crate::board::Board;
use crate::expect::{holds, same, some, until};
use crate::failure::Failure;
use crate::ledger::cheapest;
use crate::manifests;
use crate::stage::Stage;

/// What the example asks for.
const CPUS: u64 = 2;
const MEMORY_MIB: u64 = 4096;
const REGION: &str = "fra1";

pub(super) async fn run(stage: &mut Stage, board: &Board) -> Result<(), Failure> {
    board.step(2, "A machine by requirements: 2 CPUs, 4 GiB, on the preferred provider");
    apply_machine(stage, "web").await?;
    board.tell("applied examples/cloud-machine/machine.yaml");
    let (machine, active) = running(stage, "web").await?;
    let status = machine.status.clone().unwrap_or_default();

    let (made, lives) = books(stage).await?.only("web", &uid(&machine)?)?;
    same("provider of web", &"digitalocean", &made.definition.as_str())?;
    same("provider in status", &"do-main", &active.provider.as_str())?;
    same("answer to the creation of web", &Delivery::Delivered, &made.answer)?;
    same("status.active.externalId of web", &lives.id, &active.external_id)?;
    same("state of web at the provider", &"Running", &lives.state.as_str())?;
    same("region of web at the provider", &Some(REGION), &lives.region.as_deref())?;

    let life = [State::Pending, State::Creating, State::Running];
    let seen = until("the end of what a watch saw of web", async || {
        let seen = board.states("web");
        Ok(if seen.last() == life.last() { Ok(seen) } else { Err(format!("{seen:?}")) })
    })
    .await?;
    same("states of web as a watch saw them", &life.to_vec(), &seen)?;

    let offered = as_offered(&made, &active)?;
    let address = status.address.clone().unwrap_or_default();
    holds("address of web", address.parse::<IpAddr>().is_ok(), "an IP address", &address)?;
    let newest = newest_entry(stage, &machine.uid().unwrap_or_default())?;
    let index = status.witness.map(|witness| witness.index);
    same("status.witness.index and the log's newest entry of web", &newest, &index)?;

    board.proved("web went Pending, Creating, Running");
    board.proved(&format!(
        "the ledger of digitalocean has 1 machine with its marks: {} in {REGION}, {address}",
        lives.id
    ));
    board.proved(&offered);
    board.proved(&format!("newest witness entry of web: {}", index.unwrap_or_default()));
    Ok(())
}

/// Size and price are those of the provider's cheapest offer that fits.
fn as_offered(made: &LedgerEntry, active: &Active) -> Result<String, Failure> {
    let (size, price) = some("a size that fits in the provider's catalog", offer()?)?;
    let asked = made.request["size"].as_str().unwrap_or_default();
    same("size that the provider was asked for", &size.as_str(), &asked)?;
    same("size in status", &size, &active.size)?;
    let shown = active.price_per_hour.clone().unwrap_or_default();
    same("price per hour in status", &Some(price), &shown.parse::<f64>().ok())?;
    let currency = active.currency.as_deref().unwrap_or_default();
    Ok(format!("{size} is the cheapest that fits by the provider's own list: {shown} {currency}/h"))
}

/// The cheapest fitting size by the list that the provider answers with.
fn offer() -> Result<Option<(String, f64)>, Failure> {
    let path = manifests::example("../adapters/providers/cloud/digitalocean.yaml");
    let definition = manifests::read(&path)?;
    let sizes = definition[0]["spec"]["sandbox"]["catalogs"]["sizes"]["body"]["sizes"].as_array();
    let enough =
        |size: &Json, key: &str, least: u64| size[key].as_u64().is_some_and(|n| n >= least);
    let fits = |size: &Json| {
        let regions = size["regions"].as_array();
        enough(size, "vcpus", CPUS)
            && enough(size, "memory", MEMORY_MIB)
            && size["available"] == true
            && regions.is_some_and(|all| all.iter().any(|region| region == REGION))
    };
    Ok(sizes.and_then(|sizes| cheapest(sizes, fits)))
}

/// The index of the newest entry about an object, read from the log's files.
fn newest_entry(stage: &Stage, uid: &str) -> Result<Option<u64>, Failure> {
    let entries = infrafabric::witness::read(&stage.witness_dir());
    let mut newest = None;
    for entry in entries.map_err(|source| Failure::Read { source })? {
        let (index, entry) = entry.map_err(|source| Failure::Read { source })?;
        if entry.object.uid == uid {
            newest = Some(index);
        }
    }
    Ok(newest)
}
