//! What must be true of the providers' own books.

use std::collections::BTreeMap;

use infrafabric_world::{Delivery, Effect, LedgerEntry};
use serde_json::Value;

use crate::harness::Stage;

/// The providers' books, read once.
pub(crate) struct Books {
    entries: Vec<LedgerEntry>,
}

impl Books {
    pub(crate) async fn of(stage: &Stage) -> Self {
        let page = stage.ledger().await;
        // The ledger keeps the newest ten thousand; these suites write less.
        assert!(page.entries.first().is_none_or(|first| first.seq == 1), "the ledger is whole");
        Self { entries: page.entries }
    }

    /// Creations of something while something lived, anywhere, under the same name. The name is made
    /// from the object's UID, so it stands for the object.
    pub(crate) fn duplicates(&self) -> Vec<String> {
        let mut living = BTreeMap::<&str, Vec<(&str, &str)>>::new();
        let mut twice = Vec::new();
        for entry in &self.entries {
            let thing = (entry.definition.as_str(), entry.id.as_str());
            match entry.effect {
                Effect::Create => {
                    let name = entry.name.as_deref().expect("machines have names");
                    let others = living.entry(name).or_default();
                    if let Some((definition, id)) = others.first() {
                        let (at, made) = thing;
                        let text = format!("{name}: {made} at {at} beside {id} at {definition}");
                        twice.push(text);
                    }
                    others.push(thing);
                }
                Effect::Delete => {
                    for all in living.values_mut() {
                        all.retain(|other| *other != thing);
                    }
                }
                Effect::Change => {}
            }
        }
        twice
    }

    /// How many effects' answers did not arrive as they were given.
    pub(crate) fn lost(&self) -> u64 {
        let lost = self.entries.iter().filter(|entry| entry.answer != Delivery::Delivered);
        lost.count() as u64
    }

    /// How many things were made, and how many deleted.
    #[allow(dead_code, reason = "the crash suite compares them")]
    pub(crate) fn made_and_deleted(&self) -> (usize, usize) {
        let count = |effect| self.entries.iter().filter(|entry| entry.effect == effect).count();
        (count(Effect::Create), count(Effect::Delete))
    }

    /// The living thing of the object.
    #[allow(dead_code, reason = "the crash suite has a person who looks")]
    pub(crate) fn living(&self, machine: &Value) -> Option<String> {
        let end = end_of_name(machine);
        let is_gone = |id: &str| {
            self.entries.iter().any(|entry| entry.effect == Effect::Delete && entry.id == id)
        };
        let made = self.entries.iter().filter(|entry| entry.effect == Effect::Create);
        let mut made = made.filter(|entry| is_named(entry, &end) && !is_gone(&entry.id));
        made.next().map(|entry| entry.id.clone())
    }

    /// How many creations there were of the object's thing.
    pub(crate) fn creations(&self, machine: &Value) -> usize {
        let end = end_of_name(machine);
        let made = self.entries.iter().filter(|entry| entry.effect == Effect::Create);
        made.filter(|entry| is_named(entry, &end)).count()
    }
}

/// How the name of the object's thing ends: by its UID.
fn end_of_name(machine: &Value) -> String {
    let uid = machine["metadata"]["uid"].as_str().unwrap_or_default();
    uid.replace('-', "").chars().take(8).collect()
}

fn is_named(entry: &LedgerEntry, end: &str) -> bool {
    entry.name.as_ref().is_some_and(|name| name.ends_with(end))
}

/// Living things that belong to no object, or twice to one, or are not what the object says.
pub(crate) async fn strangers(stage: &Stage) -> Result<Vec<String>, kube::Error> {
    let machines = stage.try_list("CloudMachine").await?;
    let used: Vec<&str> = machines
        .iter()
        .filter_map(|machine| machine["status"]["active"]["externalId"].as_str())
        .collect();
    let things = stage.things().await.into_iter();
    let strange = things.filter(|thing| !used.contains(&thing.id.as_str()));
    Ok(strange.map(|thing| format!("{} at {}", thing.id, thing.definition)).collect())
}
