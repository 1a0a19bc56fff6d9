//! Looks for what carries our marks and belongs to no object, and removes it where the policy says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use infrafabric_adapters::contract::cloud::{Machine, MachineState};
use infrafabric_crds::engine::{Operation, WitnessRef};
use infrafabric_crds::provider::Leftover;
use infrafabric_crds::{CloudMachine, Provider, ProviderStatus, RECONCILE_ANNOTATION};
use infrafabric_definition::Find;
use kube::api::{Api, ListParams};
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use crate::context::Context;
use crate::engine::accounts::OpenAccount;
use crate::engine::journal::{ObjectJournal, Receipts};
use crate::engine::naming::{self, Owner};
use crate::engine::status::Intention;
use crate::engine::sweep::{self, Living};
use crate::fault_point::fault_point;
use crate::witness::ObjectId;

/// How old a list may be that is looked through: nothing is asked for its sake alone more often.
const FRESH: Duration = Duration::from_mins(10);
/// How long a removal is given before the next one.
const PACE: Duration = Duration::from_mins(1);

/// What a look gave.
pub(super) struct Swept {
    /// What is left over.
    pub(super) leftovers: Vec<Leftover>,
    /// The removal that was asked for, with how it ended.
    pub(super) removal: Option<Removal>,
}

/// A removal.
pub(super) struct Removal {
    /// What was about to happen.
    pub(super) operation: Operation,
    /// Its newest entry in the log.
    pub(super) witness: Option<WitnessRef>,
    /// What was removed, or why not.
    pub(super) said: Result<String, String>,
}

/// Looks once; `None` when nothing can be said.
pub(super) async fn sweep(
    provider: &Provider,
    account: &OpenAccount,
    context: &Context,
) -> Option<Swept> {
    // By a name alone nobody can tell one installation's thing from another's.
    if account.observer.find() != Find::Tag
        || context.machines.wait_until_ready().now_or_never().is_none()
    {
        return None;
    }
    let now = context.now();
    let status = provider.status.clone().unwrap_or_default();
    let asked = provider.annotations().get(RECONCILE_ANNOTATION);
    let is_asked = asked.is_some() && asked != status.last_handled_reconcile_at.as_ref();
    let not_before = Instant::now().checked_sub(FRESH).filter(|_| !is_asked);
    let mark = naming::installation_mark(&context.installation);
    let living = living(context);
    let mut listed = Vec::new();
    let mut found: Vec<(String, Machine)> = Vec::new();
    for region in account.observer.scopes(regions(provider, &status.leftovers, context)) {
        let list = match account.observer.fresh(&region, not_before).await {
            Ok(list) => list,
            Err(error) => {
                tracing::debug!(%error, region, "not swept");
                continue;
            }
        };
        for thing in list.marked(&mark).filter(|thing| living.is_leftover(thing)) {
            let at = thing.region.clone().unwrap_or_else(|| region.clone());
            let known = status.leftovers.iter().any(|known| known.external_id == thing.id);
            // The list may be older than the end of what it shows. More than are named are not looked at.
            if known || (found.len() < sweep::NAMED && is_there(account, thing, &at).await) {
                found.push((at, thing.clone()));
            }
        }
        listed.push(region);
    }
    let found = without_orphans(found, context).await?;
    let whole = account.observer.is_whole();
    if whole && listed.is_empty() {
        return None;
    }
    let asked = Some(listed.as_slice()).filter(|_| !whole);
    let leftovers = sweep::after(&status.leftovers, asked, &found, now);
    let busy = status.operation.as_ref().is_some_and(|before| {
        (now - before.started_at).abs().to_std().is_ok_and(|since| since < PACE)
    });
    let may = !busy && context.halt.why().is_none();
    let due: Vec<&(String, Machine)> = sweep::due(&leftovers, &provider.spec.leftovers, now)
        .filter_map(|due| found.iter().find(|(_, thing)| thing.id == due.external_id))
        .collect();
    // One that cannot be removed keeps no other one from its turn.
    let last = status.operation.as_ref().map(|before| before.token.as_str());
    let another = due.iter().find(|(_, one)| Some(token(provider, one, context).as_str()) != last);
    let next = another.or(due.first()).filter(|_| may);
    let thing = next.map(|(region, thing)| (region.as_str(), thing));
    let removal = match thing {
        Some(thing) => remove(provider, account, thing, context).await,
        None => None,
    };
    Some(Swept { leftovers, removal })
}

/// The living objects as watched.
fn living(context: &Context) -> Living {
    let machines = context.machines.state();
    Living::new(&context.installation, machines.iter().map(|machine| &**machine))
}

/// Where something of ours may be: where the Provider is, where objects that use it are or want to be,
/// and where something was left over before.
fn regions(provider: &Provider, known: &[Leftover], context: &Context) -> Vec<String> {
    let name = provider.name_any();
    let mut regions: Vec<String> = provider.spec.region.iter().cloned().collect();
    regions.extend(known.iter().map(|known| known.region.clone()));
    for machine in context.machines.state() {
        if machine.namespace() != provider.namespace() {
            continue;
        }
        for candidate in machine.spec.providers.iter().filter(|candidate| candidate.name == name) {
            regions.extend(candidate.region.clone().or_else(|| machine.spec.region.clone()));
        }
        let status = machine.status.as_ref();
        let active = status.and_then(|status| status.active.as_ref());
        let open = status.and_then(|status| status.operation.as_ref());
        regions.extend(active.filter(|at| at.provider == name).map(|at| at.region.clone()));
        regions.extend(open.filter(|at| at.provider == name).map(|at| at.region.clone()));
    }
    regions
}

async fn is_there(account: &OpenAccount, thing: &Machine, region: &str) -> bool {
    match account.account.read_machine(&thing.id, region).await {
        Ok(Some(seen)) => !matches!(seen.state, MachineState::Gone | MachineState::Deleting),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// What was not let go on purpose; `None` when that cannot be known.
async fn without_orphans(
    found: Vec<(String, Machine)>,
    context: &Context,
) -> Option<Vec<(String, Machine)>> {
    if found.is_empty() {
        return Some(found);
    }
    let orphans = match context.orphans.all().await {
        Ok(orphans) => orphans,
        Err(error) => {
            tracing::warn!(%error, "leftovers cannot be told from what was let go");
            return None;
        }
    };
    Some(found.into_iter().filter(|(_, thing)| !orphans.has(thing)).collect())
}

fn owner(provider: &Provider, context: &Context) -> Owner {
    Owner {
        installation: context.installation.clone(),
        kind: "provider".to_owned(),
        namespace: provider.namespace().unwrap_or_default(),
        name: provider.name_any(),
        uid: provider.uid().unwrap_or_default(),
    }
}

/// The token of a removal: one for each thing.
fn token(provider: &Provider, thing: &Machine, context: &Context) -> String {
    naming::token_at(&owner(provider, context), &provider.name_any(), "sweep", &thing.id)
}

/// Removes one, after a look at the objects as they are now and not as they were watched.
async fn remove(
    provider: &Provider,
    account: &OpenAccount,
    (region, thing): (&str, &Machine),
    context: &Context,
) -> Option<Removal> {
    let machines: Api<CloudMachine> = Api::all(context.client.clone());
    let machines = match machines.list(&ListParams::default()).await {
        Ok(machines) => machines,
        Err(error) => {
            tracing::warn!(%error, "nothing is removed without a look at all objects");
            return None;
        }
    };
    if !Living::new(&context.installation, &machines.items).is_leftover(thing)
        || !is_there(account, thing, region).await
    {
        return None;
    }
    let name = provider.name_any();
    let owner = owner(provider, context);
    let token = token(provider, thing, context);
    let operation = Operation::new(token, "delete", (&name, region), context.now());
    let writer = Intention::new(provider, context, |operation: &Operation| ProviderStatus {
        operation: Some(operation.clone()),
        ..provider.status.clone().unwrap_or_default()
    });
    let receipts = Arc::new(Mutex::new(Receipts::default()));
    let journal = ObjectJournal {
        object: ObjectId {
            kind: Provider::kind(&()).into_owned(),
            namespace: owner.namespace,
            name: owner.name,
            uid: owner.uid,
        },
        provider: operation.provider.clone(),
        operation: operation.clone(),
        writer: &writer,
        witness: &context.witness,
        clock: &*context.clock,
        forgotten: None,
        halt: context.halt.clone(),
        stop: context.stop.clone(),
        actor: context.actor.clone(),
        receipts: Arc::clone(&receipts),
    };
    fault_point("sweep.before");
    let removed =
        account.account.delete_machine(&thing.id, region, &operation.token, &journal).await;
    fault_point("sweep.after");
    // Where nothing was written, nothing was sent.
    let mut operation = writer.into_written().operation?;
    let receipts = receipts.lock().unwrap_or_else(PoisonError::into_inner);
    operation.witness_index = receipts.intent.as_ref().map(|receipt| receipt.index);
    let said = match removed {
        Ok(()) => Ok(format!("deleted the leftover {} in {region}", thing.id)),
        Err(error) => {
            account.refusal.note(error.class);
            Err(format!("the leftover {} in {region} is not deleted: {error}", thing.id))
        }
    };
    Some(Removal { operation, witness: receipts.newest(), said })
}
