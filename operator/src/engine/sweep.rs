//! What carries our marks and belongs to no living object. Pure.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use infrafabric_adapters::contract::cloud::Machine;
use infrafabric_crds::provider::{Leftover, LeftoverPolicy, Leftovers};
use infrafabric_crds::{CloudMachine, CloudMachineStatus};
use kube::ResourceExt;

use super::naming::{self, Owner};

/// How many are named in a status.
pub const NAMED: usize = 64;

/// The living objects, by what things say of theirs.
#[derive(Debug, Default)]
pub struct Living {
    by_mark: HashMap<String, Owned>,
    /// What any object uses, whatever its marks say: a person may have given it something.
    used: HashSet<String>,
}

/// What a living object owns.
#[derive(Clone, Debug)]
struct Owned {
    /// What it uses.
    active: Option<String>,
    /// Whether an operation of it is open, which may have made anything.
    open: bool,
}

impl Living {
    /// The objects of an installation.
    pub fn new<'a>(
        installation: &str,
        machines: impl IntoIterator<Item = &'a CloudMachine>,
    ) -> Self {
        let mut by_mark = HashMap::new();
        let mut used = HashSet::new();
        for machine in machines {
            let owner = Owner {
                installation: installation.to_owned(),
                kind: "cloudmachine".to_owned(),
                namespace: machine.namespace().unwrap_or_default(),
                name: machine.name_any(),
                uid: machine.uid().unwrap_or_default(),
            };
            let status = machine.status.as_ref();
            let active = status.and_then(|status| status.active.as_ref());
            let things = status.into_iter().flat_map(CloudMachineStatus::things);
            used.extend(things.map(|thing| thing.external_id.clone()));
            let thing = Owned {
                active: active.map(|active| active.external_id.clone()),
                open: status.is_some_and(|status| status.operation.is_some()),
            };
            by_mark.insert(owner.uid_mark(), thing.clone());
            by_mark.insert(owner.name_mark(), thing);
        }
        Self { by_mark, used }
    }

    /// Whether a thing is nobody's. One whose object has nothing yet is that object's: it is taken before
    /// another one is made.
    pub fn is_leftover(&self, thing: &Machine) -> bool {
        if self.used.contains(&thing.id) {
            return false;
        }
        let marks = thing.marks.iter().filter(|mark| naming::names_an_object(mark));
        let mut owners = marks.filter_map(|mark| self.by_mark.get(mark.as_str())).peekable();
        if owners.peek().is_none() {
            return true;
        }
        owners.all(|owner| {
            let uses_another = owner.active.as_ref().is_some_and(|active| *active != thing.id);
            uses_another && !owner.open
        })
    }
}

/// The leftovers after a look: those that were known keep since when.
///
/// `listed` are the regions that were asked, or none where one list shows the whole account; what was known
/// elsewhere stays known.
pub fn after(
    known: &[Leftover],
    listed: Option<&[String]>,
    found: &[(String, Machine)],
    now: DateTime<Utc>,
) -> Vec<Leftover> {
    let is_found = |known: &Leftover| found.iter().any(|(_, one)| one.id == known.external_id);
    let mut all: Vec<Leftover> = found
        .iter()
        .map(|(region, thing)| {
            let before = known.iter().find(|known| known.external_id == thing.id);
            Leftover {
                external_id: thing.id.clone(),
                region: region.clone(),
                name: thing.name.clone().map(|name| name.chars().take(253).collect()),
                since: before.map_or(now, |before| before.since),
            }
        })
        .collect();
    let elsewhere = known.iter().filter(|known| {
        listed.is_some_and(|listed| !listed.contains(&known.region)) && !is_found(known)
    });
    all.extend(elsewhere.cloned());
    all.sort_by(|a, b| (a.since, &a.external_id).cmp(&(b.since, &b.external_id)));
    all.truncate(NAMED);
    all
}

/// Those to remove by policy whose time has come, the oldest first.
pub fn due<'a>(
    leftovers: &'a [Leftover],
    policy: &Leftovers,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a Leftover> {
    let after = infrafabric_definition::Span(policy.after.clone()).duration();
    let after = after.and_then(|after| TimeDelta::from_std(after).ok());
    let after = after.filter(|_| policy.policy == LeftoverPolicy::Delete);
    leftovers.iter().filter(move |one| after.is_some_and(|after| one.since + after <= now))
}

/// What the condition says.
pub fn told(leftovers: &[Leftover], policy: &Leftovers) -> String {
    let first: Vec<String> = leftovers
        .iter()
        .take(5)
        .map(|one| format!("{} in {}", one.external_id, one.region))
        .collect();
    let more = if leftovers.len() > first.len() { ", …" } else { "" };
    let then = match policy.policy {
        LeftoverPolicy::Report => "look at them (`ifctl leftovers`) and delete them there, or set spec.leftovers.policy to Delete".to_owned(),
        LeftoverPolicy::Delete => format!("each is deleted {} after it was seen first", policy.after),
    };
    format!(
        "{} things with this installation's marks belong to no object: {}{more}; {then}",
        leftovers.len(),
        first.join(", ")
    )
}
