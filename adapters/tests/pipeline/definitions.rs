//! A small definition, an account of it, and a journal that remembers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::contract::cloud::MachineWant;
use infrafabric_adapters::journal::{Intent, Journal, JournalError, Outcome};
use infrafabric_adapters::pipeline::PipelineMetrics;
use serde_json::{Value as Json, json};

/// The account's secret value.
pub(crate) const SECRET: &str = "s3cr3t-t0ken";

/// The definition, to be changed.
pub(crate) fn spec() -> Json {
    json!({
        "title": "Bench", "domain": "cloud", "docs": "https://bench.test", "checked": "2026-11-22",
        "endpoint": "https://api.bench.test/v1",
        "auth": {"scheme": "bearer", "secret": ["token"]},
        "errors": [
            {"status": 422, "when": "body.message.contains('limit')", "class": "Quota", "code": "limit"},
            {"when": "body.lie == true", "class": "Capacity"},
        ],
        "verify": {"get": "/account"},
        "objects": {"machine": {
            "identity": {"find": "tag", "lag": "1s"},
            "create": {"post": "/things", "item": "${body.thing}", "json": {
                "name": "${want.name}", "region": "${want.region}",
                "data": "${want.userData}", "marks": "${want.marks + want.tags}"}},
            "read": {"get": "/things/${id}", "item": "${body.thing}"},
            "list": {"get": "/things?mark=${scope.mark}", "items": "${body.things}", "next": "${body.next}"},
            "delete": {"delete": "/things/${id}"},
            "as": {
                "id": "${string(item.id)}",
                "state": {"of": "${item.status}", "new": "Creating", "active": "Running"},
                "addresses": "${item.ips.map(ip, {'ip': ip, 'public': true})}",
                "marks": "${item.marks}",
            },
        }},
        "catalogs": {"sizes": {"list": {"get": "/sizes", "items": "${body.sizes}"}, "as": {
            "name": "${item.slug}", "cpus": "${item.vcpus}", "memoryMiB": "${item.memory}",
            "pricePerHour": "${item.price}"}}},
    })
}

/// The definition whose provider honours the token.
pub(crate) fn keyed() -> Json {
    let mut spec = spec();
    spec["objects"]["machine"]["identity"]["key"] = json!(true);
    spec["objects"]["machine"]["create"]["json"]["token"] = json!("${token}");
    spec
}

/// An account of a definition.
pub(crate) fn open(spec: Json, options: AccountOptions) -> Account {
    let definition = serde_json::from_value(spec).expect("a definition");
    let compiled = Compiled::new("bench", definition).expect("compiles");
    let secrets = BTreeMap::from([("token".to_owned(), SECRET.into())]);
    let options =
        if options.secrets.is_empty() { AccountOptions { secrets, ..options } } else { options };
    Account::open(Arc::new(compiled), options).expect("opens")
}

/// Options for a provider at this URL.
pub(crate) fn at(url: &str) -> AccountOptions {
    AccountOptions {
        endpoint: Some(url.to_owned()),
        timeout: Duration::from_secs(20),
        ..AccountOptions::default()
    }
}

/// An account of the plain definition.
pub(crate) fn account(url: &str) -> Account {
    open(spec(), at(url))
}

/// The same, counted elsewhere.
pub(crate) fn counted(url: &str, metrics: &Arc<PipelineMetrics>) -> Account {
    open(spec(), AccountOptions { metrics: Arc::clone(metrics), ..at(url) })
}

/// A thing as the provider shows it.
pub(crate) fn thing(id: &str, status: &str) -> Json {
    json!({"id": id, "status": status, "ips": [format!("192.0.2.{id}")]})
}

/// A wish.
pub(crate) fn want() -> MachineWant {
    let want = json!({"name": "web", "region": "fra", "size": "s", "image": "i", "marks": ["m"], "tags": ["u"]});
    serde_json::from_value(want).expect("a wish")
}

/// A journal that remembers, and forbids when told.
#[derive(Default)]
pub(crate) struct Ledger {
    lines: Mutex<Vec<String>>,
    intents: Mutex<Vec<Intent>>,
    changed: bool,
    permits: Option<usize>,
}

impl Ledger {
    /// One that refuses intents.
    pub(crate) fn changed() -> Self {
        Self { changed: true, ..Self::default() }
    }

    /// One that gives this many permits and no more.
    pub(crate) fn permitting(permits: usize) -> Self {
        Self { permits: Some(permits), ..Self::default() }
    }

    /// What was called.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("lock").clone()
    }

    /// The intents.
    pub(crate) fn intents(&self) -> Vec<Intent> {
        self.intents.lock().expect("lock").clone()
    }

    fn add(&self, line: String) {
        self.lines.lock().expect("lock").push(line);
    }
}

#[async_trait]
impl Journal for Ledger {
    async fn intent(&self, intent: &Intent) -> Result<(), JournalError> {
        if self.changed {
            return Err(JournalError::Changed);
        }
        self.intents.lock().expect("lock").push(intent.clone());
        self.add(format!("intent {} {}", intent.operation, intent.token));
        Ok(())
    }

    async fn permit(&self) -> Result<(), JournalError> {
        let before = self.lines().iter().filter(|line| *line == "permit").count();
        if self.permits.is_some_and(|permits| before >= permits) {
            return Err(JournalError::Forbidden("the lease is lost".to_owned()));
        }
        self.add("permit".to_owned());
        Ok(())
    }

    async fn outcome(&self, _: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        let class = outcome.class.map_or("None", |class| class.as_str());
        let status = outcome.status.map_or(String::new(), |status| format!(" {status}"));
        let id = outcome.external_id.as_ref().map_or(String::new(), |id| format!(" {id}"));
        self.add(format!("outcome {class}{status}{id}"));
        Ok(())
    }
}
