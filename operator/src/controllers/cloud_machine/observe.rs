//! Reads everything that a decision needs, once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::account::Account;
use infrafabric_adapters::contract::cloud::{Address, Machine, MachineState};
use infrafabric_adapters::error::AdapterError;
use infrafabric_crds::cloud_machine::{MachineAddress, State};
use infrafabric_crds::engine::{Active, Attempt, Management, Operation, Placement};
use infrafabric_crds::{CloudMachine, CloudMachineStatus, FINALIZER, ProviderStatus, condition};
use infrafabric_definition::{Class, Find, Scope};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use super::act::owner;
use super::drift::{Can, Resize, Switch};
use super::failback;
use super::size::{self, Offered};
use crate::context::Context;
use crate::engine::accounts::{Known, OpenAccount};
use crate::engine::catalogs::NoOffering;
use crate::engine::currency::Rates;
use crate::engine::failover::{self, Candidate, Choice, Failure, Refusal, Standing, Terms};
use crate::engine::naming::{self, Owner};
use crate::engine::recovery::{self, Answer, Named, Thing};

/// How long catalogs of several providers are waited for together.
const CATALOG_PATIENCE: Duration = Duration::from_secs(3);

/// What was seen, and when.
#[derive(Default)]
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
    /// Before this time what the open operation made may be missing in a list.
    pub settles_at: DateTime<Utc>,
    /// The machine that a person named.
    pub named: Named<Machine>,
    /// The account of the machine in use, or of the open operation.
    pub account: Option<Arc<OpenAccount>>,
    /// Where a machine is made of several things: its name, by which what is left of it is removed.
    pub parts: Option<String>,
    /// What is the object's at the candidates before anything is made, with the candidate's place;
    /// `None` before they were asked.
    pub there: Option<Vec<(usize, Machine)>>,
    /// What `spec.existing` speaks of; `None` before the provider can be asked.
    pub existing: Option<Result<Vec<Existing>, String>>,
    /// Why effects are stopped, if they are.
    pub stopped: Option<String>,
    /// When the list was asked that shows the machine in use.
    pub seen_at: Option<DateTime<Utc>>,
    /// Whether no list shows the machine in use, so that it must be asked for itself now and then.
    pub unlisted: bool,
    /// How late a list may show a change.
    pub lag: TimeDelta,
    /// What the machine in use can be told.
    pub can: Can,
    /// The size that the spec names, where the machine has another one: as the provider offers it, or why
    /// not.
    pub size: Option<Result<Offered, String>>,
    /// The marks that the object's machine carries.
    pub marks: Vec<String>,
    /// What currencies are worth.
    pub rates: Arc<Rates>,
    /// What is made to take the place of the machine in use; without one, the first that is not in use any more.
    pub aside: Seen,
    /// How late a read of that may be.
    pub aside_lag: TimeDelta,
    /// Whether that is made of several things.
    pub aside_parts: bool,
}

impl Observed {
    /// By what the object chooses among its candidates.
    pub fn terms<'a>(&'a self, machine: &'a CloudMachine) -> Terms<'a> {
        let attempts: &[Attempt] =
            machine.status.as_ref().map_or(&[], |status| status.attempts.as_slice());
        Terms {
            policy: machine.spec.placement,
            failover: &machine.spec.failover,
            attempts,
            uid: machine.metadata.uid.as_deref().unwrap_or_default(),
            currency: &machine.spec.currency,
            rates: &self.rates,
            now: self.now,
        }
    }

    /// Which candidate it would use.
    pub fn choice(&self, machine: &CloudMachine) -> Choice {
        failover::choose(&self.candidates, &self.terms(machine))
    }
}

/// A machine that nobody made for the object.
#[derive(Clone, Debug, PartialEq)]
pub struct Existing {
    /// The machine.
    pub machine: Machine,
    /// Why it cannot be taken.
    pub taken: Option<String>,
}

/// The machine in use, as its provider shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seen {
    /// There is none.
    #[default]
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
pub type Found = recovery::Found<Machine>;

impl Thing for Machine {
    fn id(&self) -> &str {
        &self.id
    }

    fn differs(&self, asked: &Operation) -> Option<String> {
        let sizes = [&asked.size, &asked.size_id];
        let known = sizes.iter().any(|size| size.is_some());
        match (&self.size, &self.region) {
            (Some(size), _) if known && !sizes.iter().any(|asked| same(asked.as_deref(), size)) => {
                let wanted = asked.size.as_deref().unwrap_or_default();
                Some(format!("it is a {size}, not a {wanted}"))
            }
            (_, Some(region)) if !same(Some(&asked.region), region) => {
                Some(format!("it is in {region}, not in {}", asked.region))
            }
            _ => None,
        }
    }
}

/// Whether two names are one, however a provider writes it.
pub(super) fn same(asked: Option<&str>, told: &str) -> bool {
    let plain = |name: &str| name.replace(' ', "").to_ascii_lowercase();
    asked.is_some_and(|asked| plain(asked) == plain(told))
}

/// Reads candidates, and the provider's side of the machine or of the open operation.
pub async fn observe(machine: &CloudMachine, context: &Context) -> Observed {
    let namespace = machine.namespace().unwrap_or_default();
    let status = machine.status.clone().unwrap_or_default();
    let at_work = |operation: &'_ Operation| (operation.provider.clone(), operation.region.clone());
    let open = status.operation.as_ref().filter(|operation| operation.verb == "create");
    let in_use = status.active.as_ref();
    let in_use = in_use.map(|active| (active.provider.clone(), active.region.clone()));
    // What became of a creation comes before everything else.
    let place = open.map(at_work).or(in_use).or(status.operation.as_ref().map(at_work));
    let place = place.as_ref().map(|(provider, region)| (provider, region));
    let known = place.and_then(|(provider, _)| context.accounts.get(&namespace, provider));
    let account = known.as_ref().and_then(|known| known.account.clone());
    let owner = owner(machine, context);
    let mut observed = Observed {
        now: context.now(),
        parts: account
            .as_ref()
            .filter(|account| account.account.has_parts())
            .map(|_| owner.thing_name()),
        lag: account.as_deref().map(lag).unwrap_or_default(),
        can: account.as_deref().map(can).unwrap_or_default(),
        stopped: context.halt.why(),
        marks: owner.marks(),
        rates: context.rates.load_full(),
        account,
        ..Observed::default()
    };
    if let Some((provider, region)) = place {
        let unreachable = unreachable(provider, known.as_ref());
        let deleting = machine.metadata.deletion_timestamp.is_some();
        if status.active.is_some() && open.is_none() {
            active(machine, &mut observed, unreachable.as_ref(), region).await;
            aside(machine, &status, &mut observed, context).await;
            better(machine, &status, &owner, &mut observed, context).await;
            observed.size = size::named(machine, &observed, region).await;
        }
        if open.is_some() || (deleting && matches!(observed.active, Seen::Absent)) {
            let account = observed.account.as_deref();
            let longest = account.map_or(context.call_deadline, |at| longest(at, context));
            let under_way = TimeDelta::from_std(longest).unwrap_or(TimeDelta::MAX);
            observed.settles_at = open.map_or(observed.now, |operation| {
                context.open.settles_at(operation, observed.lag + under_way, observed.now)
            });
            observed.named = named(machine, &observed, unreachable.clone(), region, context).await;
            observed.found = found(&owner, &status, &observed, unreachable, region).await;
        }
    } else if machine.metadata.deletion_timestamp.is_none() {
        candidates(machine, context, &mut observed).await;
        if machine.spec.existing.is_some() {
            observed.existing = existing(machine, &observed, context).await;
        } else if held(machine) && !machine.spec.suspend {
            there(machine, &owner, &mut observed).await;
        }
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
    observed: &mut Observed,
    unreachable: Option<&String>,
    region: &str,
) {
    let status = machine.status.as_ref();
    let Some(active) = status.and_then(|status| status.active.as_ref()) else { return };
    let account = match (unreachable, &observed.account) {
        (None, Some(account)) => Arc::clone(account),
        (why, _) => {
            observed.active = Seen::Unreachable(why.cloned().unwrap_or_default());
            return;
        }
    };
    let newest = account.observer.newest(region);
    if let Some(list) = &newest
        && let Some(seen) = list.machine(&active.external_id)
    {
        observed.seen_at = Some(list.asked_at);
        observed.active = match seen.state {
            MachineState::Gone => Seen::Absent,
            _ => Seen::Here(Box::pin(completed(machine, seen.clone(), &account, region)).await),
        };
        return;
    }
    // A list that is younger than the machine may lack it; ask for the machine itself then. What does
    // not carry our marks is in no list of ours.
    let ours = machine.spec.management == Management::Full;
    if ours
        && newest.is_none_or(|list| list.asked_at < active.since + observed.lag)
        && machine.metadata.deletion_timestamp.is_none()
    {
        observed.active = Seen::Unlisted;
        return;
    }
    observed.unlisted = true;
    observed.seen_at = Some(observed.now);
    observed.active = match account.account.read_machine(&active.external_id, region).await {
        Ok(Some(seen)) if seen.state != MachineState::Gone => Seen::Here(seen),
        Ok(_) => Seen::Absent,
        Err(error) => Seen::Unreachable(error.to_string()),
    };
}

/// Looks at what is not in use, or not yet.
async fn aside(
    machine: &CloudMachine,
    status: &CloudMachineStatus,
    observed: &mut Observed,
    context: &Context,
) {
    let Some(thing) = status.others().next() else { return };
    let namespace = machine.namespace().unwrap_or_default();
    let known = context.accounts.get(&namespace, &thing.provider);
    let unreachable = unreachable(&thing.provider, known.as_ref());
    let account = match (unreachable, known.and_then(|known| known.account)) {
        (None, Some(account)) => account,
        (why, _) => {
            observed.aside = Seen::Unreachable(why.unwrap_or_default());
            return;
        }
    };
    observed.aside_lag = lag(&account);
    observed.aside_parts = account.account.has_parts();
    observed.aside = match looked(&account, thing).await {
        Ok(seen) => seen,
        Err(error) => {
            account.refusal.note(error.class);
            Seen::Unreachable(error.to_string())
        }
    };
}

/// A thing by itself; what a read does not find must not be in a list either, which says too that the credentials are
/// good.
async fn looked(account: &OpenAccount, thing: &Active) -> Result<Seen, AdapterError> {
    let is_there = |seen: &Machine| seen.state != MachineState::Gone;
    let (id, region) = (&thing.external_id, &thing.region);
    if let Some(seen) = account.account.read_machine(id, region).await?.filter(is_there) {
        return Ok(Seen::Here(seen));
    }
    if account.observer.find() == Find::None {
        return Ok(Seen::Absent);
    }
    let list = account.observer.fresh(region, None).await?;
    let listed = list.machine(id).filter(|seen| is_there(seen));
    Ok(listed.cloned().map_or(Seen::Absent, Seen::Here))
}

/// Looks at the candidates before the one in use, where the object goes back to them.
async fn better(
    machine: &CloudMachine,
    status: &CloudMachineStatus,
    owner: &Owner,
    observed: &mut Observed,
    context: &Context,
) {
    if !failback::is_wanted(machine, status) {
        return;
    }
    candidates(machine, context, observed).await;
    for (candidate, account) in observed.candidates.iter_mut().zip(&observed.accounts) {
        let (Some(account), Some(in_use)) = (account, &observed.account) else { continue };
        let kind = |account: &OpenAccount| account.account.definition().name().to_owned();
        let by_name = account.account.has_parts() || account.observer.find() != Find::Tag;
        if by_name && kind(account) == kind(in_use) {
            let why = "two machines of one object could not be told apart there";
            candidate.offering = Some(Err(Refusal::Misfit(why.to_owned())));
        }
    }
    if let failback::Turn::Go { .. } = failback::turn(machine, status, observed) {
        there(machine, owner, observed).await;
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

/// The longest that a creation may be under way after the process that asked for it died.
fn longest(account: &OpenAccount, context: &Context) -> Duration {
    let object = account.account.definition().objects.get("machine");
    let within = object.and_then(|object| object.create.as_ref()?.within);
    within.unwrap_or_default().max(context.call_deadline)
}

fn can(account: &OpenAccount) -> Can {
    let Some(object) = account.account.definition().objects.get("machine") else {
        return Can::default();
    };
    let machine = account.account.definition().spec().objects.get("machine");
    let update = machine.and_then(|machine| machine.verbs.get("update"));
    // Where tags are the keys of a map, the values of others' would be lost; where they are not shown, they
    // would be lost altogether.
    let plain = |verb: &infrafabric_definition::Operation| {
        let text = serde_json::to_string(verb).unwrap_or_default();
        !["keyed(", "dict(", "pairs("].iter().any(|map| text.contains(map))
    };
    let stopped = machine
        .is_some_and(|machine| machine.when_stopped.iter().any(|verb| verb.as_str() == "resize"));
    Can {
        update: object.find == Find::Tag && update.is_some_and(plain),
        switch: Switch {
            on: object.verbs.contains_key("start"),
            off: object.verbs.contains_key("stop"),
        },
        resize: if !object.verbs.contains_key("resize") {
            Resize::Never
        } else if stopped {
            Resize::Stopped
        } else {
            Resize::Always
        },
        tells_tags: object.find == Find::Tag,
    }
}

fn held(machine: &CloudMachine) -> bool {
    machine.finalizers().iter().any(|name| name == FINALIZER)
}

async fn found(
    owner: &Owner,
    status: &CloudMachineStatus,
    observed: &Observed,
    unreachable: Option<String>,
    region: &str,
) -> Found {
    let account = match (unreachable, &observed.account) {
        (None, Some(account)) => account,
        (why, _) => return Found::Unreachable(why.unwrap_or_default()),
    };
    let object = account.account.definition().objects.get("machine");
    if let Some(object) = object.filter(|object| object.find == Find::None) {
        return Found::Untold { keyed: object.keyed };
    }
    match account.observer.fresh(region, None).await {
        Ok(list) => {
            let made = list.made_for(owner).into_iter();
            let made = made.filter(|seen| status.things().all(|it| it.external_id != seen.id));
            Found::Listed(made.cloned().collect())
        }
        Err(error) => Found::Unreachable(error.to_string()),
    }
}

/// The machine that a person says an open operation made.
async fn named(
    machine: &CloudMachine,
    observed: &Observed,
    unreachable: Option<String>,
    region: &str,
    context: &Context,
) -> Named<Machine> {
    let Some(Answer::Adopt(id)) = Answer::of(machine.metadata.annotations.as_ref()) else {
        return Named::None;
    };
    let account = match (unreachable, &observed.account) {
        (None, Some(account)) => account,
        (why, _) => return Named::Unreachable(why.unwrap_or_default()),
    };
    match account.account.read_machine(&id, region).await {
        Ok(Some(seen)) if seen.state != MachineState::Gone => {
            if account.account.has_parts() && id != owner(machine, context).thing_name() {
                let what = "what it is made of has its name, and this one has another";
                return Named::Taken(format!("nobody that can take it: {what}"));
            }
            taken(machine, &seen, account, context).map_or(Named::Here(seen), Named::Taken)
        }
        Ok(_) => Named::Absent,
        Err(error) => Named::Unreachable(error.to_string()),
    }
}

/// Whom a machine belongs to, other than this object: another living one, or another installation.
fn taken(
    machine: &CloudMachine,
    seen: &Machine,
    account: &OpenAccount,
    context: &Context,
) -> Option<String> {
    let ours = naming::installation_mark(&context.installation);
    let installations = || seen.marks.iter().filter(|mark| naming::is_of_an_installation(mark));
    if installations().next().is_some() && installations().all(|mark| *mark != ours) {
        return Some("another installation".to_owned());
    }
    let uid = naming::uid_of(&seen.marks);
    // Two Providers may be of one account.
    let same_kind = |namespace: &str, provider: &str| {
        let known = context.accounts.get(namespace, provider).and_then(|known| known.account);
        let name = account.account.definition().name();
        known.is_none_or(|other| other.account.definition().name() == name)
    };
    let uses = |other: &CloudMachine| {
        let mut things = other.status.iter().flat_map(CloudMachineStatus::things);
        things.any(|thing| {
            let namespace = other.namespace().unwrap_or_default();
            thing.external_id == seen.id && same_kind(&namespace, &thing.provider)
        })
    };
    let owner = context.machines.state().into_iter().find(|other| {
        let is_owner =
            uid.is_some_and(|uid| other.uid().is_some_and(|other| other.eq_ignore_ascii_case(uid)));
        other.uid() != machine.uid() && (is_owner || uses(other))
    })?;
    Some(format!("CloudMachine {} in {}", owner.name_any(), owner.namespace().unwrap_or_default()))
}

/// What is the object's at its candidates although nothing was made for it yet: it lived under another
/// UID.
async fn there(machine: &CloudMachine, owner: &Owner, observed: &mut Observed) {
    let status = machine.status.clone().unwrap_or_default();
    let choice = observed.choice(machine);
    let chosen =
        choice.index.filter(|index| matches!(observed.candidates[*index].offering, Some(Ok(_))));
    let Some(chosen) = chosen else { return };
    // What is younger than the object, and than its last try, shows what they left.
    let made = crate::times::created(&machine.metadata).unwrap_or(observed.now);
    let tried = status.attempts.iter().map(|attempt| attempt.at).max();
    let since = tried.map_or(made, |tried| tried.max(made));
    // A time that lies in the future is one of another clock.
    let age = (observed.now - since).to_std().unwrap_or_default();
    let since = Instant::now().checked_sub(age);
    let mut all = Vec::new();
    for (index, candidate) in observed.candidates.iter_mut().enumerate() {
        let (Some(account), Ok(region)) = (&observed.accounts[index], &candidate.region) else {
            continue;
        };
        if candidate.standing != Standing::Ready || account.observer.find() == Find::None {
            continue;
        }
        match account.observer.fresh(region, since).await {
            Ok(list) => {
                let found = list.of_object(owner).into_iter();
                for found in
                    found.filter(|it| status.things().all(|known| known.external_id != it.id))
                {
                    // A list may show what is gone already.
                    let at = found.region.as_deref().unwrap_or(region);
                    let there = account.account.read_machine(&found.id, at).await;
                    let gone = matches!(&there, Ok(None));
                    let gone = gone || matches!(&there, Ok(Some(seen)) if !seen.is_living());
                    if !gone {
                        all.push((index, found.clone()));
                    }
                }
            }
            // Nothing is made where it cannot be seen what is there.
            Err(error) if index == chosen => {
                account.refusal.note(error.class);
                candidate.offering = Some(Err(Refusal::Failed(Failure::from(&error))));
            }
            Err(error) => tracing::debug!(%error, "a candidate could not be searched"),
        }
    }
    observed.there = Some(all);
}

/// What `spec.existing` speaks of; none when the provider cannot be asked yet.
async fn existing(
    machine: &CloudMachine,
    observed: &Observed,
    context: &Context,
) -> Option<Result<Vec<Existing>, String>> {
    let existing = machine.spec.existing.as_ref()?;
    let candidate = observed.candidates.first()?;
    let (account, region) = (observed.accounts.first()?.as_ref()?, candidate.region.as_ref().ok()?);
    if candidate.standing != Standing::Ready {
        return None;
    }
    let found = match (&existing.external_id, &existing.tag) {
        (Some(id), _) => {
            let one = account.account.read_machine(id, region).await;
            one.map(|one| one.into_iter().collect::<Vec<_>>())
        }
        (None, Some(tag)) => account.account.list_machines(tag, region).await.map(|all| {
            let named = |one: &Machine| existing.name.is_none() || one.name == existing.name;
            let tagged = |one: &Machine| one.marks.iter().any(|has| has == tag);
            all.into_iter().filter(|one| named(one) && tagged(one)).collect()
        }),
        (None, None) => Ok(Vec::new()),
    };
    let whose = |one: Machine| {
        let looks_only = machine.spec.management == Management::ObserveOnly;
        let whole = !looks_only && account.account.has_parts();
        // Its deletion would take what it was made of by others.
        let parts = whole.then(|| {
            format!("machine {} is made of several things here and can only be looked at: set management to ObserveOnly", one.id)
        });
        let taken = taken(machine, &one, account, context)
            .map(|other| format!("machine {} belongs to {other}", one.id))
            .or(parts);
        Existing { machine: one, taken }
    };
    Some(match found {
        Ok(all) => Ok(all.into_iter().filter(Machine::is_living).map(whose).collect()),
        Err(error) => {
            account.refusal.note(error.class);
            Err(error.to_string())
        }
    })
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
    let uid = machine.uid().unwrap_or_default();
    let spread = spread(machine, context);
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
        let blocks = region.as_ref().ok().and_then(|region| {
            let blocks = context.blocks.of(&namespace, &candidate.name);
            blocks.seen_by(&uid, region, observed.now)
        });
        let provider = context.providers.get(&ObjectRef::new(&candidate.name).within(&namespace));
        let status = provider.as_ref().and_then(|provider| provider.status.as_ref());
        observed.candidates.push(Candidate {
            blocks,
            weight: candidate.weight.unwrap_or(1),
            share: spread.get(&candidate.name).copied().unwrap_or_default(),
            health: status.and_then(|status| status.health),
            ready_since: status.and_then(ready_since),
            ..Candidate::new(&candidate.name, region, standing)
        });
        observed.accounts.push(account);
    }
    if machine.spec.existing.is_some() {
        return;
    }
    loop {
        let asked = failover::unasked(&observed.candidates, &observed.terms(machine));
        let asked: Vec<(usize, &OpenAccount, &str)> = asked
            .into_iter()
            .filter_map(|at| {
                let account = observed.accounts[at].as_deref()?;
                Some((at, account, observed.candidates[at].region.as_deref().ok()?))
            })
            .collect();
        if asked.is_empty() {
            return;
        }
        // One that does not answer keeps no other one waiting.
        let patience = if asked.len() > 1 { CATALOG_PATIENCE } else { context.call_deadline };
        let offerings = asked.iter().map(async |(at, account, region)| {
            let asking =
                account.catalogs.offering(&account.account, &machine.spec, region, &observed.rates);
            let offering = match tokio::time::timeout(patience, asking).await {
                Ok(Ok(offering)) => Ok(offering),
                Ok(Err(NoOffering::Misfit(why))) => Err(Refusal::Misfit(why)),
                Ok(Err(NoOffering::Failed(error))) => {
                    account.refusal.note(error.class);
                    Err(Refusal::Failed(Failure::from(&error)))
                }
                Err(_) => Err(Refusal::Failed(no_catalog_yet(patience))),
            };
            (*at, offering)
        });
        for (at, offering) in futures::future::join_all(offerings).await {
            observed.candidates[at].offering = Some(offering);
        }
    }
}

fn no_catalog_yet(patience: Duration) -> Failure {
    Failure {
        class: Class::Unavailable,
        scope: Scope::Account,
        code: None,
        message: format!("its catalogs did not come within {} s", patience.as_secs()),
        retry_after: None,
    }
}

/// How many other machines each Provider has of those that are spread over the same ones.
fn spread(machine: &CloudMachine, context: &Context) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    if machine.spec.placement != Placement::Spread {
        return shares;
    }
    let names = |of: &CloudMachine| {
        let names = of.spec.providers.iter().map(|candidate| candidate.name.clone());
        names.collect::<BTreeSet<_>>()
    };
    let wanted = names(machine);
    let others = context.machines.state().into_iter().filter(|other| {
        other.uid() != machine.uid()
            && other.namespace() == machine.namespace()
            && other.spec.placement == Placement::Spread
            && names(other) == wanted
    });
    for other in others {
        let Some(status) = &other.status else { continue };
        let active = status.active.as_ref().map(|active| &active.provider);
        let open = status.operation.as_ref().map(|operation| &operation.provider);
        if let Some(provider) = active.or(open) {
            *shares.entry(provider.clone()).or_default() += 1;
        }
    }
    shares
}

/// Since when a Provider is Ready.
fn ready_since(status: &ProviderStatus) -> Option<DateTime<Utc>> {
    let ready = condition::find(&status.conditions, condition::READY)?;
    ready.is_true().then_some(ready.last_transition_time)
}

/// A Provider that nobody has seen may be on its way: it is waited for like one that is down.
fn never_seen(machine: &CloudMachine, now: DateTime<Utc>) -> Standing {
    Standing::NotReady {
        class: Class::Unavailable,
        message: "the Provider does not exist or was not looked at yet".to_owned(),
        since: crate::times::created(&machine.metadata).unwrap_or(now),
    }
}
