//! One account at one provider: everything a caller may ask of it.

mod actions;
mod children;
mod cloud;
mod objects;
mod open;
mod scene;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use infrafabric_definition::Domain;
use secrecy::SecretString;
use serde_json::Value as Json;

pub use self::actions::{Act, Action, Found, Pieces};
pub use self::children::Settled;
use self::objects::Shown;
pub use self::scene::{Command, DeviceEvents, Staged, Unknown, plan};
use crate::clock::{Clock, SystemClock};
use crate::compile::{Compiled, CompiledCatalog};
use crate::contract;
use crate::contract::ai::Model;
use crate::contract::cloud::{Image, Region, Size};
use crate::contract::parse::{Outputs, ParseError};
use crate::error::AdapterError;
use crate::pipeline::{Call, Inputs, Pipeline, PipelineMetrics, Quality};
use crate::webhook::{Delivery, Event, Verifier, WebhookError};

/// What an account is opened with.
#[derive(Debug)]
pub struct AccountOptions {
    /// Replaces the host part of every endpoint of the definition (a proxy, a private API, a
    /// simulator): requests go to this base URL.
    pub endpoint: Option<String>,
    /// Replaces the port where a device pushes events, if that is one of its own (vMix): one that is
    /// forwarded, or a simulator's.
    pub events_port: Option<u16>,
    /// The account's default region.
    pub region: Option<String>,
    /// What the definition's `parameters` ask for.
    pub parameters: BTreeMap<String, String>,
    /// Secret values by key.
    pub secrets: BTreeMap<String, SecretString>,
    /// The longest that a call may take, repetitions and waiting included; 30 seconds.
    pub timeout: Duration,
    /// Tells the time, for signatures and dates.
    pub clock: Arc<dyn Clock>,
    /// Where calls are counted.
    pub metrics: Arc<PipelineMetrics>,
}

impl Default for AccountOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            events_port: None,
            region: None,
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            timeout: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
            metrics: Arc::default(),
        }
    }
}

/// An account: a definition, its credentials, and what was learnt about its limits and clock.
/// Cheap to clone; clones share the limits.
#[derive(Clone)]
pub struct Account {
    definition: Arc<Compiled>,
    pipeline: Arc<Pipeline>,
    verifier: Arc<Verifier>,
    region: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("provider", &self.definition.name()).finish_non_exhaustive()
    }
}

impl Account {
    /// Opens an account. No request is made.
    ///
    /// # Errors
    /// Class `Auth` names the Secret key that is missing or cannot be used; class `Invalid` the
    /// endpoint or parameter.
    pub fn open(definition: Arc<Compiled>, options: AccountOptions) -> Result<Self, AdapterError> {
        open::open(definition, options)
    }

    /// The definition in use.
    pub fn definition(&self) -> &Arc<Compiled> {
        &self.definition
    }

    /// Every operation that the definition declares, sorted: `machine.create`, `sizes.list`,
    /// `verify`. What is not among them is refused with class `Unsupported` before anything is sent.
    pub fn capabilities(&self) -> Vec<String> {
        self.definition.capabilities()
    }

    /// How the provider served this account over the last quarter of an hour.
    pub fn quality(&self) -> Quality {
        self.pipeline.quality()
    }

    /// Proves the credentials by the definition's authenticated read. A provider without one
    /// ([`Definition::unproven`](infrafabric_definition::Definition::unproven)) is asked nothing.
    pub async fn verify(&self) -> Result<(), AdapterError> {
        if self.definition.verify.is_none() {
            return Ok(());
        }
        let call = Call {
            name: "verify",
            operation: self.definition.verify.as_ref(),
            inputs: self.inputs(""),
            effect: None,
            events: None,
        };
        self.pipeline.run(call).await.map(drop)
    }

    /// What a delivery says, if it comes from the provider and is not old. Nothing is sent.
    ///
    /// # Errors
    /// Why it is not to be believed. Who got it answers 401 or 403 and acts on nothing.
    pub fn verify_webhook(&self, delivery: &Delivery<'_>) -> Result<Event, WebhookError> {
        self.verifier.verify(&self.definition, delivery, self.pipeline.now())
    }

    /// Takes a delivery: what it says, if it comes from the provider and is not old, and whether it came
    /// before ([`Event::repeated`]; by signature and body, and by its id, among the newest 4096 that this
    /// account got since it was opened). Public keys are fetched when a token names one that is not known. Who could
    /// not act on it says so by [`Account::forget_delivery`], so that it may come again.
    ///
    /// # Errors
    /// Why it is not to be believed. Who got it answers 401 or 403 and acts on nothing; 503 after
    /// [`WebhookError::Keys`] and [`WebhookError::UnknownKey`], so that it comes again.
    pub async fn receive(&self, delivery: &Delivery<'_>) -> Result<Event, WebhookError> {
        let verify = || self.verify_webhook(delivery);
        let mut event = match verify() {
            Err(WebhookError::UnknownKey) => {
                // Who waited for another's question looks again before asking one of his own.
                let _one = self.verifier.fetching.lock().await;
                match verify() {
                    Err(WebhookError::UnknownKey) if self.fetch_keys().await? => verify()?,
                    other => other?,
                }
            }
            other => other?,
        };
        event.repeated = event.reply.is_none() && self.verifier.note(&event);
        Ok(event)
    }

    /// Forgets that a delivery came.
    pub fn forget_delivery(&self, event: &Event) {
        self.verifier.forget(event);
    }

    /// Asks for the keys that verify tokens, unless that was done a while ago.
    async fn fetch_keys(&self) -> Result<bool, WebhookError> {
        let keys = self.definition.webhook.as_ref().and_then(|webhook| webhook.keys.as_ref());
        let Some((operation, _)) = keys else { return Ok(false) };
        if !self.verifier.published().is_due(self.pipeline.now()) {
            return Ok(false);
        }
        let call = Call {
            name: &operation.name,
            operation: Some(operation),
            inputs: self.inputs(""),
            effect: None,
            events: None,
        };
        let answer = self.pipeline.run(call).await;
        // A question that nobody waited for to its end was none.
        let now = self.pipeline.now();
        match answer {
            Ok(answer) => self.verifier.published().renew(&answer.body, now),
            Err(error) => {
                self.verifier.published().failed(now);
                return Err(WebhookError::Keys(Box::new(error)));
            }
        }
        Ok(true)
    }

    /// The sizes on offer in a region.
    pub async fn sizes(&self, region: &str) -> Result<Vec<Size>, AdapterError> {
        let mut sizes = self.catalog("sizes", region, Outputs::size).await?;
        if self.definition.catalogs.contains_key("prices") {
            self.add_prices(&mut sizes, region).await;
        }
        Ok(sizes)
    }

    /// Gives sizes the prices that the provider keeps apart. Without them they are unknown, and there
    /// are sizes all the same.
    async fn add_prices(&self, sizes: &mut [Size], region: &str) {
        let prices = match self.catalog("prices", region, Outputs::price).await {
            Ok(prices) => prices,
            Err(error) => {
                let provider = self.definition.name();
                tracing::warn!(provider, %error, "no prices: they are unknown for now");
                return;
            }
        };
        let prices: HashMap<_, _> =
            prices.into_iter().map(|(size, price, currency)| (size, (price, currency))).collect();
        for size in sizes.iter_mut().filter(|size| size.price_per_hour.is_none()) {
            if let Some((price, currency)) = prices.get(&size.name) {
                size.price_per_hour = Some(*price);
                size.currency = Some(currency.clone());
            }
        }
    }

    /// The images on offer in a region.
    pub async fn images(&self, region: &str) -> Result<Vec<Image>, AdapterError> {
        self.catalog("images", region, Outputs::image).await
    }

    /// The regions.
    pub async fn regions(&self) -> Result<Vec<Region>, AdapterError> {
        self.catalog("regions", "", Outputs::region).await
    }

    /// The models on offer.
    pub async fn models(&self) -> Result<Vec<Model>, AdapterError> {
        let contract = contract::of(Domain::Ai).catalog("models");
        let columns = contract.map_or(&[][..], |catalog| catalog.columns);
        self.catalog("models", "", |row| row.typed(columns)).await
    }

    /// The rows of a catalog; those without their required columns are left out and counted.
    async fn catalog<T>(
        &self,
        name: &str,
        region: &str,
        row: impl Fn(&Outputs) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, AdapterError> {
        let catalog: Option<&CompiledCatalog> = self.definition.catalogs.get(name);
        let operation = catalog.map(|catalog| &catalog.list);
        let call = format!("{name}.list");
        let items = self.pipeline.list(&call, operation, self.inputs(region)).await?;
        let columns = catalog.map(|catalog| &catalog.columns);
        let parse = |item: &Json| {
            row(&Outputs::render(columns?, &Shown::listed(item.clone()).vars()).ok()?).ok()
        };
        let rows: Vec<T> = items.iter().filter_map(parse).collect();
        let skipped = items.len() - rows.len();
        if skipped > 0 {
            let provider = self.definition.name();
            tracing::debug!(provider, operation = %call, skipped, "rows without required columns");
            self.pipeline.metrics().skipped(skipped);
        }
        Ok(rows)
    }

    fn inputs(&self, region: &str) -> Inputs {
        Inputs { region: self.region_or_default(region), ..Inputs::default() }
    }

    fn region_or_default(&self, region: &str) -> String {
        if region.is_empty() { self.region.clone() } else { region.to_owned() }
    }
}
