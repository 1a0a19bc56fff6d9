//! One account at one provider: everything a caller may ask of it.

mod open;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use infrafabric_definition::{Class, ListScope};
use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use crate::clock::{Clock, SystemClock};
use crate::compile::{Compiled, CompiledCatalog, CompiledObject, CompiledOperation, Vars};
use crate::contract::cloud::{Image, Machine, MachineWant, Region, Size};
use crate::contract::parse::{Outputs, ParseError};
use crate::error::AdapterError;
use crate::journal::{Journal, JournalError};
use crate::pipeline::{Answer, Call, Effect, Inputs, Pipeline, PipelineMetrics};

/// What an account is opened with.
#[derive(Debug)]
pub struct AccountOptions {
    /// Replaces the host part of every endpoint of the definition (a proxy, a private API, a
    /// simulator): requests go to this base URL.
    pub endpoint: Option<String>,
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

    /// Proves the credentials by the definition's authenticated read.
    pub async fn verify(&self) -> Result<(), AdapterError> {
        let call = Call {
            name: "verify",
            operation: Some(&self.definition.verify),
            inputs: self.inputs(""),
            effect: None,
        };
        self.pipeline.run(call).await.map(drop)
    }

    /// The sizes on offer in a region.
    pub async fn sizes(&self, region: &str) -> Result<Vec<Size>, AdapterError> {
        self.catalog("sizes", region, Outputs::size).await
    }

    /// The images on offer in a region.
    pub async fn images(&self, region: &str) -> Result<Vec<Image>, AdapterError> {
        self.catalog("images", region, Outputs::image).await
    }

    /// The regions.
    pub async fn regions(&self) -> Result<Vec<Region>, AdapterError> {
        self.catalog("regions", "", Outputs::region).await
    }

    /// Every machine that carries the mark (in the region, for providers whose lists are regional).
    ///
    /// # Guarantees
    /// Complete or an error: a machine without an identity is an error and not left out.
    pub async fn list_machines(
        &self,
        mark: &str,
        region: &str,
    ) -> Result<Vec<Machine>, AdapterError> {
        const NAME: &str = "machine.list";
        let inputs = Inputs { mark: Some(mark.to_owned()), ..self.inputs(region) };
        let operation = self.operation(|machine| machine.list.as_ref());
        let items = self.pipeline.list(NAME, operation, inputs).await?;
        let mut machines = Vec::with_capacity(items.len());
        for item in &items {
            let machine = self.machine(item, &Json::Null).map_err(|error| {
                self.pipeline.odd(NAME, "a list with a machine that cannot be read").because(error)
            })?;
            machines.push(self.placed(machine, region));
        }
        Ok(machines)
    }

    /// One machine; `None` when it is gone.
    pub async fn read_machine(
        &self,
        id: &str,
        region: &str,
    ) -> Result<Option<Machine>, AdapterError> {
        const NAME: &str = "machine.read";
        let operation = self.operation(|machine| machine.read.as_ref());
        let inputs = Inputs { id: Some(id.to_owned()), ..self.inputs(region) };
        let answer =
            match self.pipeline.run(Call { name: NAME, operation, inputs, effect: None }).await {
                Ok(answer) => answer,
                Err(error) if error.class == Class::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
        // Who takes success without the machine for its absence would make it again.
        let odd = || self.pipeline.odd(NAME, "success without the machine");
        let item = operation.and_then(|op| self.item(op, &answer)).ok_or_else(odd)?;
        let machine = self.machine(&item, &answer.steps).map_err(|error| odd().because(error))?;
        Ok(Some(self.placed(machine, region)))
    }

    /// The machine with its region, where the question had one and the answer has none.
    fn placed(&self, mut machine: Machine, region: &str) -> Machine {
        let regional = self.machine_spec().is_some_and(|spec| spec.scope == ListScope::Region);
        if regional && machine.region.is_none() {
            machine.region = Some(self.region_or_default(region)).filter(|r| !r.is_empty());
        }
        machine
    }

    /// Makes a machine. A lost answer is class `Unknown` and is never repeated here unless the
    /// provider honours the token.
    ///
    /// # Errors
    /// When the journal refuses: class `Conflict` (`JournalError::Changed`) or `Policy`, not sent,
    /// with the `JournalError` as source.
    pub async fn create_machine(
        &self,
        want: &MachineWant,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<Machine, AdapterError> {
        const NAME: &str = "machine.create";
        let operation = self.operation(|machine| machine.create.as_ref());
        let mut inputs = Inputs {
            want: want.expressible(),
            token: Some(token.to_owned()),
            ..self.inputs(&want.region)
        };
        let parts = self.make_parts(want, token, &mut inputs, journal).await?;
        let keyed = self.machine_spec().is_some_and(|spec| spec.keyed)
            && operation.is_some_and(CompiledOperation::repeatable);
        let made = |answer: &Answer| operation.and_then(|operation| self.item(operation, answer));
        let identity = |answer: &Answer| {
            let vars = item_vars(&made(answer)?, &answer.steps);
            Outputs::render(&self.machine_spec()?.outputs, &vars).ok()?.id()
        };
        let effect = Effect { token, external_id: None, journal, keyed, identity: Some(&identity) };
        let call = Call { name: NAME, operation, inputs, effect: Some(effect) };
        let answer = match self.pipeline.run(call).await {
            Ok(answer) => answer,
            Err(error) if parts => return Err(self.undone(want, token, error, journal).await),
            Err(error) => return Err(error),
        };
        let item = made(&answer).unwrap_or(Json::Null);
        self.machine(&item, &answer.steps).map_err(|error| {
            let mut unknown = self.pipeline.odd(NAME, "success without an identity");
            unknown.class = Class::Unknown;
            unknown.because(error)
        })
    }

    /// Deletes a machine and then its parts, the last one first; what is gone already is a success.
    pub async fn delete_machine(
        &self,
        id: &str,
        region: &str,
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        let operation = self.operation(|machine| machine.delete.as_ref());
        self.delete("machine.delete", operation, (id, region), token, journal).await?;
        let parts = self.machine_spec().map_or(&[][..], |machine| &machine.parts);
        for part in parts.iter().rev() {
            if let Some(delete) = &part.delete {
                self.delete(&delete.name, Some(delete), (id, region), token, journal).await?;
            }
        }
        Ok(())
    }

    /// Whether a read shows what a list does not (addresses that are kept apart).
    pub fn reads_more(&self) -> bool {
        self.operation(|machine| machine.read.as_ref()).is_some_and(|read| !read.steps.is_empty())
    }

    /// Whether a machine here is made of several things. What of them an interrupted creation left
    /// is removed by [`Account::delete_machine`] with the machine's name.
    pub fn has_parts(&self) -> bool {
        self.machine_spec().is_some_and(|machine| !machine.parts.is_empty())
    }

    async fn delete(
        &self,
        name: &str,
        operation: Option<&CompiledOperation>,
        (id, region): (&str, &str),
        token: &str,
        journal: &dyn Journal,
    ) -> Result<(), AdapterError> {
        let inputs = Inputs {
            id: Some(id.to_owned()),
            token: Some(token.to_owned()),
            ..self.inputs(region)
        };
        let effect = Effect { token, external_id: Some(id), journal, keyed: false, identity: None };
        let call = Call { name, operation, inputs, effect: Some(effect) };
        self.pipeline.run(call).await.map(drop)
    }

    /// Makes what must be there before the machine; whether there is such a thing.
    async fn make_parts(
        &self,
        want: &MachineWant,
        token: &str,
        inputs: &mut Inputs,
        journal: &dyn Journal,
    ) -> Result<bool, AdapterError> {
        let Some(spec) = self.machine_spec().filter(|spec| !spec.parts.is_empty()) else {
            return Ok(false);
        };
        let identity = |_: &Answer| Some(want.name.clone());
        let mut made = Map::new();
        for part in &spec.parts {
            let mut inputs = inputs.clone();
            inputs.before.push(("parts", Json::Object(made.clone())));
            let create = &part.create;
            let effect = Effect {
                token,
                external_id: None,
                journal,
                keyed: create.repeatable(),
                identity: Some(&identity),
            };
            let call =
                Call { name: &create.name, operation: Some(create), inputs, effect: Some(effect) };
            match self.pipeline.run(call).await {
                Ok(answer) => {
                    let item = self.item(create, &answer).unwrap_or(Json::Null);
                    made.insert(part.name.clone(), item);
                }
                Err(error) if made.is_empty() => return Err(error),
                Err(error) => return Err(self.undone(want, token, error, journal).await),
            }
        }
        inputs.before.push(("parts", Json::Object(made)));
        Ok(true)
    }

    /// Removes what a creation that failed left behind. Nothing is touched while its outcome is not
    /// known, or when nobody asked for it.
    async fn undone(
        &self,
        want: &MachineWant,
        token: &str,
        mut error: AdapterError,
        journal: &dyn Journal,
    ) -> AdapterError {
        if error.class == Class::Unknown || self.is_journals(&error) {
            return error;
        }
        let undo = Box::pin(self.delete_machine(&want.name, &want.region, token, journal)).await;
        if let Err(left) = undo {
            // The failure's own class would let the caller go on, and forget what is left.
            error.message = format!("{}; and what it left is not removed yet: {left}", error.message);
            error.class = Class::Unknown;
        }
        error
    }

    /// Whether the caller's journal stopped it.
    fn is_journals(&self, error: &AdapterError) -> bool {
        error.source.as_ref().is_some_and(|source| source.is::<JournalError>())
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
        let parse = |item: &Json| row(&Outputs::render(columns?, &item_vars(item, &Json::Null)).ok()?).ok();
        let rows: Vec<T> = items.iter().filter_map(parse).collect();
        let skipped = items.len() - rows.len();
        if skipped > 0 {
            let provider = self.definition.name();
            tracing::debug!(provider, operation = %call, skipped, "rows without required columns");
            self.pipeline.metrics().skipped(skipped);
        }
        Ok(rows)
    }

    fn machine(&self, item: &Json, steps: &Json) -> Result<Machine, ParseError> {
        let spec = self.machine_spec().ok_or(ParseError::Required("id"))?;
        Outputs::render(&spec.outputs, &item_vars(item, steps))?.machine()
    }

    fn item(&self, operation: &CompiledOperation, answer: &Answer) -> Option<Json> {
        match &operation.item {
            Some(template) => self.pipeline.evaluate(&operation.name, template, answer).ok()?,
            None => Some(answer.body.clone()),
        }
    }

    fn machine_spec(&self) -> Option<&CompiledObject> {
        self.definition.objects.get("machine")
    }

    fn operation<'a>(
        &'a self,
        choose: impl Fn(&'a CompiledObject) -> Option<&'a CompiledOperation>,
    ) -> Option<&'a CompiledOperation> {
        self.machine_spec().and_then(choose)
    }

    fn inputs(&self, region: &str) -> Inputs {
        Inputs { region: self.region_or_default(region), ..Inputs::default() }
    }

    fn region_or_default(&self, region: &str) -> String {
        if region.is_empty() { self.region.clone() } else { region.to_owned() }
    }
}

fn item_vars(item: &Json, steps: &Json) -> Vars {
    let mut vars = Vars::default();
    vars.set("item", item);
    if steps.is_null() {
        vars.set("steps", &Json::Object(Map::new()));
    } else {
        vars.set("steps", steps);
    }
    vars
}
