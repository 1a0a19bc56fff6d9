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

    /// How many creations there were of the object's thing.
    pub(crate) fn creations(&self, machine: &Value) -> usize {
        let uid = machine["metadata"]["uid"].as_str().unwrap_or_default();
        let end = uid.replace('-', "").chars().take(8).collect::<String>();
        let made = self.entries.iter().filter(|entry| entry.effect == Effect::Create);
        made.filter(|entry| entry.name.as_ref().is_some_and(|name| name.ends_with(&end))).count()
    }
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
