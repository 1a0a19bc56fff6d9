//! When an object goes by itself (`spec.expireAfter`). Pure but for [`expire`] and [`announce`].

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use infrafabric_crds::cloud_machine::reason;
use infrafabric_crds::condition::{self, EXPIRING};
use infrafabric_crds::{CloudMachine, CloudMachineStatus};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Preconditions};

use super::observe::Observed;
use crate::context::Context;
use crate::times;

/// The shortest time between the warning and the end.
const WARNED_FOR: TimeDelta = TimeDelta::minutes(1);
/// The longest time until the object is looked at again: timers have an end.
const FAR: TimeDelta = TimeDelta::days(1);

/// The life of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    warned_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// From when the object's machine was made, or else the object; none when it does not expire.
fn life(machine: &CloudMachine, status: Option<&CloudMachineStatus>) -> Option<Life> {
    let whole = span(machine.spec.expire_after.as_deref()?)?;
    let made = status
        .and_then(|status| status.active.as_ref())
        .map(|active| active.first_since.unwrap_or(active.since));
    let ends_at = made.or_else(|| times::created(&machine.metadata))? + whole;
    Some(Life { warned_at: ends_at - (whole / 8).max(WARNED_FOR), ends_at })
}

/// `90m`, `24h` or `7d` as a time.
fn span(text: &str) -> Option<TimeDelta> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count = digits.parse().ok()?;
    match &text[digits.len()..] {
        "s" => TimeDelta::try_seconds(count),
        "m" => TimeDelta::try_minutes(count),
        "h" => TimeDelta::try_hours(count),
        "d" => TimeDelta::try_days(count),
        _ => None,
    }
}

/// Whether the object's time has passed, and effects may start.
pub(super) fn is_due(machine: &CloudMachine, observed: &Observed) -> bool {
    let life = life(machine, machine.status.as_ref());
    observed.stopped.is_none() && life.is_some_and(|life| life.ends_at <= observed.now)
}

/// When there is something to say, or to do, about the object's time.
pub(super) fn again_at(machine: &CloudMachine, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let life = life(machine, machine.status.as_ref())?;
    let next = [life.warned_at, life.ends_at].into_iter().find(|at| now < *at)?;
    Some(next.min(now + FAR))
}

/// Says in status when the object goes, and that it goes soon.
pub(super) fn tell(status: &mut CloudMachineStatus, machine: &CloudMachine, now: DateTime<Utc>) {
    let life = life(machine, Some(&*status));
    status.expires_at = life.map(|life| life.ends_at);
    let is_held = machine.metadata.deletion_timestamp.is_some() || machine.spec.suspend;
    match life.filter(|life| !is_held && life.warned_at <= now) {
        Some(life) => {
            let message = format!("the object is deleted at {}", written(life.ends_at));
            let why = (reason::EXPIRES_SOON, message.as_str());
            let generation = machine.metadata.generation;
            condition::set(&mut status.conditions, EXPIRING, true, why, generation, now);
        }
        None => condition::clear(&mut status.conditions, EXPIRING),
    }
}

/// Publishes once that the object goes soon.
pub(super) async fn announce(machine: &CloudMachine, next: &CloudMachineStatus, context: &Context) {
    let told = |status: &CloudMachineStatus| {
        condition::find(&status.conditions, EXPIRING).map(|expiring| expiring.message.clone())
    };
    let before = machine.status.as_ref().and_then(told);
    if let Some(message) = told(next).filter(|message| before.as_ref() != Some(message)) {
        let note = format!("{message}, by spec.expireAfter; a longer one, or none, keeps it");
        context.event(machine, true, "ExpiresSoon", note).await;
    }
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Deletes the very object that was decided on; what follows is its deletion like any other. What
/// changed meanwhile is looked at again.
pub(super) async fn expire(machine: &CloudMachine, context: &Context) -> Result<(), kube::Error> {
    let api: Api<CloudMachine> =
        Api::namespaced(context.client.clone(), &machine.namespace().unwrap_or_default());
    let preconditions =
        Preconditions { uid: machine.uid(), resource_version: machine.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    // Whoever looks next finds it deleted, or due as before.
    match api.delete(&machine.name_any(), &params).await {
        Ok(deleted) => {
            if let Some(held) = deleted.left().filter(|held| !held.finalizers().is_empty()) {
                context.own_writes.wrote(&held);
            }
            let after = machine.spec.expire_after.as_deref().unwrap_or_default();
            let note = format!("deleted the object: its expireAfter of {after} has passed");
            context.event(machine, false, "Expired", note).await;
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}
