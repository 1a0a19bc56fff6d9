//! What the simulated providers themselves say: their ledger of effects and their living things.

use std::collections::BTreeMap;

use infrafabric_world::{Effect, LedgerEntry, ThingShown, Unmatched, WorldClient};
use serde_json::Value as Json;

use crate::expect::one;
use crate::failure::{Failure, world};

/// The providers' books at one moment.
pub(crate) struct Books {
    pub(crate) effects: Vec<LedgerEntry>,
    pub(crate) living: Vec<ThingShown>,
    pub(crate) unmatched: Vec<Unmatched>,
    requests: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Books {
    pub(crate) async fn read(client: &WorldClient) -> Result<Self, Failure> {
        let page = client.ledger(None, 0).await.map_err(world)?;
        let living = client.things(None).await.map_err(world)?;
        Ok(Self {
            effects: page.entries,
            living,
            unmatched: page.unmatched_requests,
            requests: page.requests,
        })
    }

    /// How often a provider was asked for an operation.
    pub(crate) fn asked(&self, definition: &str, operation: &str) -> u64 {
        let operations = self.requests.get(definition);
        operations.and_then(|all| all.get(operation)).copied().unwrap_or(0)
    }

    /// The creations that carry the object's mark, at any provider.
    pub(crate) fn created_for(&self, uid: &str) -> Vec<&LedgerEntry> {
        let creations = self.effects.iter().filter(|entry| entry.effect == Effect::Create);
        creations.filter(|entry| uid_of(&entry.marks) == Some(uid)).collect()
    }

    /// The one machine that was ever made for the object, and that lives.
    pub(crate) fn only(&self, name: &str, uid: &str) -> Result<(LedgerEntry, ThingShown), Failure> {
        let made = one(format!("creations for {name} in all ledgers"), self.created_for(uid))?;
        let living = self.living.iter().filter(|thing| uid_of(&thing.marks) == Some(uid)).collect();
        let lives = one(format!("living machines for {name} at all providers"), living)?;
        Ok((made.clone(), lives.clone()))
    }
}

/// The object that a thing was made for, by the marks it carries. Where they are keys of labels, a
/// dot stands for the colon.
pub(crate) fn uid_of(marks: &[String]) -> Option<&str> {
    marks.iter().find_map(|mark| mark.strip_prefix("if-uid")?.strip_prefix([':', '.']))
}

/// The cheapest size of a catalog that has enough, and its price per hour, by the provider's own
/// list: `(name, price)`.
pub(crate) fn cheapest(sizes: &[Json], fits: impl Fn(&Json) -> bool) -> Option<(String, f64)> {
    let name = |size: &Json| size["slug"].as_str().map(str::to_owned);
    let offers = sizes.iter().filter(|size| fits(size));
    let priced = offers.filter_map(|size| Some((name(size)?, size["price_hourly"].as_f64()?)));
    priced.min_by(|a, b| a.1.total_cmp(&b.1))
}
