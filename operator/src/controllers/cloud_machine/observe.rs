//! Reads everything that a decision needs, once.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::account::Account;
use infrafabric_adapters::contract::cloud::{Address, Machine, MachineState};
use infrafabric_crds::CloudMachine;
use infrafabric_crds::cloud_machine::{MachineAddress, State};
use infrafabric_definition::Class;
use kube::ResourceExt;

use super::act::owner;
use crate::context::Context;
use crate::engine::accounts::{Known, OpenAccount};
use crate::engine::catalogs::NoOffering;
use crate::engine::failover::{self, Candidate, Failure, Refusal, Standing};

/// What was seen, and when.
pub struct Observed {
    /// When.
    pub now: DateTime<Utc>,
    /// The candidates in the spec's order.
    pub candidates: Vec<Candidate>,
    /// The accounts behind them.
    pub accounts: Vec<Option<Arc<OpenAccount>>>,
    /// The machine in use.
    pub active: Seen,
    /// What carries the object's marks, when an operation is open or the object is being deleted.
    pub found: Found,
    /// The account of the machine in use, or of the open operation.
    pub account: Option<Arc<OpenAccount>>,
    /// Where a machine is made of several things: its name, by which what is left of it is removed.
    pub parts: Option<String>,
}

/// The machine in use, as its provider shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// There is none.
    None,
    /// Its provider was not asked yet, or cannot be; why.
    Unreachable(String),
    /// No list that must show it was asked yet.
    Unlisted,
    /// It is there.
    Here(Machine),
    /// The provider says that it does not exist.
    Absent,
}

/// What carries the object's marks.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nobody asked.
    NotAsked,
    /// The provider cannot be asked; why.
    Unreachable(String),
    /// The living ones, in a list that was asked now.
    Listed {
        /// The machines.
        machines: Vec<Machine>,
        /// Before this time the list may still lack what the last operation made.
        settles_at: DateTime<Utc>,
    },
}

/// Reads candidates, and the provider's side of the machine or of the open operation.
pub async fn observe(machine: &CloudMachine, context: &Context) -> Observed {
    let now = context.now();
    let namespace = machine.namespace().unwrap_or_default();
    let status = machine.status.clone().unwrap_or_default();
    let at_work =
        status.operation.as_ref().map(|operation| (&operation.provider, &operation.region));
    let in_use = status.active.as_ref().map(|active| (&active.provider, &active.region));
    let place = in_use.or(at_work);
    let known = place.and_then(|(provider, _)| context.accounts.get(&namespace, provider));
    let account = known.as_ref().and_then(|known| known.account.clone());
    let mut observed = Observed {
        now,
        candidates: Vec::new(),
        accounts: Vec::new(),
        active: Seen::None,
        found: Found::NotAsked,
        parts: account
            .as_ref()
            .filter(|account| account.account.has_parts())
            .map(|_| owner(machine, context).thing_name()),
        account,
    };
    if let Some((provider, region)) = place {
        let unreachable = unreachable(provider, known.as_ref());
        let deleting = machine.metadata.deletion_timestamp.is_some();
        if status.active.is_some() {
            observed.active = active(machine, &observed, unreachable.as_ref(), region).await;
        }
        let creating = status.operation.as_ref().is_some_and(|op| op.verb == "create");
        if creating || (deleting && matches!(observed.active, Seen::Absent)) {
            observed.found = found(machine, &observed, unreachable, region, context).await;
        }
    } else if machine.metadata.deletion_timestamp.is_none() {
        candidates(machine, context, &mut observed).await;
    }
    observed
}

/// Why the Provider cannot be asked, if so.
fn unreachable(provider: &str, known: Option<&Known>) -> Option<String> {
    match known {
        None => Some(format!(
            "Provider {provider} is not known (yet); apply it, or let go with the annotation {}=true",
            infrafabric_crds::DETACH_ANNOTATION
        )),
        Some(Known { standing: Standing::NotReady { message, .. }, .. }) => {
            Some(format!("Provider {provider} is not ready: {message}"))
        }
        Some(Known { standing: Standing::Suspended, .. }) => {
            Some(format!("Provider {provider} is suspended"))
        }
        Some(_) => None,
    }
}

async fn active(
    machine: &CloudMachine,
    observed: &Observed,
    unreachable: Option<&String>,
    region: &str,
) -> Seen {
    let status = machine.status.as_ref();
    let Some(active) = status.and_then(|status| status.active.as_ref()) else { return Seen::None };
    let account = match (unreachable, &observed.account) {
        (None, Some(account)) => account,
        (why, _) => return Seen::Unreachable(why.cloned().unwrap_or_default()),
    };
    let newest = account.observer.newest(region);
    if let Some(seen) = newest.as_ref().and_then(|list| list.machine(&active.external_id)) {
        return match seen.state {
            MachineState::Gone => Seen::Absent,
            _ => Seen::Here(Box::pin(completed(machine, seen.clone(), account, region)).await),
        };
    }
    // A list that is younger than the machine may lack it; ask for the machine itself then.
    let late = lag(account);
    if newest.is_none_or(|list| list.asked_at < active.since + late)
        && machine.metadata.deletion_timestamp.is_none()
    {
        return Seen::Unlisted;
    }
    match account.account.read_machine(&active.external_id, region).await {
        Ok(Some(seen)) if seen.state != MachineState::Gone => Seen::Here(seen),
        Ok(_) => Seen::Absent,
        Err(error) => Seen::Unreachable(error.to_string()),
    }
}

/// A machine from a list, with the addresses that only a read shows: as they are known, or read once
/// when it runs.
async fn completed(
    machine: &CloudMachine,
    mut seen: Machine,
    account: &OpenAccount,
    region: &str,
) -> Machine {
    if !account.account.reads_more() || !seen.addresses.is_empty() {
        return seen;
    }
    let status = machine.status.as_ref();
    let known = status.map(|status| status.addresses.as_slice()).unwrap_or_default();
    let was_running = status.and_then(|status| status.state) == Some(State::Running);
    let runs = seen.state == MachineState::Running;
    if runs && (known.is_empty() || !was_running) {
        return match account.account.read_machine(&seen.id, region).await {
            Ok(Some(read)) => read,
            // The list stands; the addresses are asked for again when it is looked at again.
            Ok(None) | Err(_) => seen,
        };
    }
    let address = |known: &MachineAddress| Address { ip: known.ip.clone(), public: known.public };
    seen.addresses = known.iter().map(address).collect();
    seen
}

fn lag(account: &OpenAccount) -> TimeDelta {
    let object = account.account.definition().objects.get("machine");
    object.and_then(|object| TimeDelta::from_std(object.lag).ok()).unwrap_or_default()
}

async fn found(
    machine: &CloudMachine,
    observed: &Observed,
    unreachable: Option<String>,
    region: &str,
    context: &Context,
) -> Found {
    let account = match (unreachable, &observed.account) {
        (None, Some(account)) => account,
        (why, _) => return Found::Unreachable(why.unwrap_or_default()),
    };
    let operation = machine.status.as_ref().and_then(|status| status.operation.as_ref());
    let under_way = TimeDelta::from_std(context.call_deadline).unwrap_or(TimeDelta::MAX);
    let settles_at = operation
        .filter(|operation| operation.verb == "create")
        .map_or(observed.now, |operation| operation.started_at + lag(account) + under_way);
    match account.observer.fresh(region, observed.now).await {
        Ok(list) => {
            let owner = owner(machine, context);
            let machines = list.of_object(&owner).into_iter().cloned().collect();
            Found::Listed { machines, settles_at }
        }
        Err(error) => Found::Unreachable(error.to_string()),
    }
}

/// Why a provider is none of machines.
fn makes_none(account: &Account) -> Option<String> {
    let definition = account.definition();
    (!definition.objects.contains_key("machine")).then(|| {
        let (name, domain) = (definition.name(), definition.spec().domain.as_str());
        format!("its type {name} makes no machines, it is of the domain {domain}: name a cloud")
    })
}

/// Fills in the candidates, and asks catalogs only as far as the choice needs them.
async fn candidates(machine: &CloudMachine, context: &Context, observed: &mut Observed) {
    let namespace = machine.namespace().unwrap_or_default();
    for candidate in &machine.spec.providers {
        let known = context.accounts.get(&namespace, &candidate.name);
        let account = known.as_ref().and_then(|known| known.account.clone());
        let default = account.as_ref().and_then(|account| account.region.clone());
        let region = candidate.region.clone().or_else(|| machine.spec.region.clone()).or(default);
        let standing = match known {
            None => never_seen(machine, observed.now),
            Some(known) if known.closing => Standing::Suspended,
            Some(known) => known.standing,
        };
        let other = account.as_ref().and_then(|account| makes_none(&account.account));
        let region = match other {
            Some(reason) => Err(reason),
            None => region.ok_or_else(|| {
                format!(
                    "no region: give providers[].region, spec.region, or a region in Provider {}",
                    candidate.name
                )
            }),
        };
        observed.candidates.push(Candidate {
            name: candidate.name.clone(),
            region,
            standing,
            offering: None,
        });
        observed.accounts.push(account);
    }
    let status = machine.status.clone().unwrap_or_default();
    loop {
        let choice = failover::choose(
            &observed.candidates,
            &status.attempts,
            &machine.spec.failover,
            observed.now,
        );
        let Some(index) = choice.index else { return };
        let candidate = &mut observed.candidates[index];
        let (None, Ok(region)) = (&candidate.offering, candidate.region.clone()) else { return };
        let Some(account) = &observed.accounts[index] else { return };
        let offering = account.catalogs.offering(&account.account, &machine.spec, &region).await;
        candidate.offering = Some(offering.map_err(|error| match error {
            NoOffering::Misfit(why) => Refusal::Misfit(why),
            NoOffering::Failed(error) => Refusal::Failed(Failure::from(&error)),
        }));
    }
}

/// A Provider that nobody has seen may be on its way: it is waited for like one that is down.
fn never_seen(machine: &CloudMachine, now: DateTime<Utc>) -> Standing {
    Standing::NotReady {
        class: Class::Unavailable,
        message: "the Provider does not exist or was not looked at yet".to_owned(),
        since: crate::times::created(&machine.metadata).unwrap_or(now),
    }
}
