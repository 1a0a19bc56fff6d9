//! The simulated providers, with the built-in definitions and the example that a user would apply.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use infrafabric_adapters::account::{Account, AccountOptions};
use infrafabric_adapters::compile::{Compiled, parse};
use infrafabric_adapters::registry::Registry;
use infrafabric_definition::Definition;
use infrafabric_world::{World, WorldOptions};
use serde_json::{Value, json};

use crate::cache::checkout;
use crate::error::{Error, at};

/// A definition as its file says it.
pub(crate) struct Simulated {
    /// Its name.
    pub(crate) name: String,
    /// What it says.
    pub(crate) definition: Definition,
}

impl Simulated {
    /// Reads the definition of that name: a built-in one or the example.
    pub(crate) fn read(name: &str) -> Result<Self, Error> {
        if let Some(built_in) = Registry::built_in().simulated(name) {
            return Ok(Self { name: name.to_owned(), definition: built_in.spec().clone() });
        }
        let path = checkout().join(format!("examples/provider-definition/{name}.yaml"));
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let (name, definition) = parse(&text, &path.display().to_string())
            .map_err(|error| Error::Definition { path, reason: error.to_string() })?;
        Ok(Self { name, definition })
    }

    /// Whether the operator has it without being told.
    pub(crate) fn is_built_in(&self) -> bool {
        Registry::built_in().get(&self.name).is_some()
    }

    /// The Secret that its simulated account accepts.
    pub(crate) fn secret(&self) -> Value {
        self.definition.sandbox.as_ref().map_or(Value::Null, |sandbox| json!(sandbox.accepts))
    }

    /// Its operations as the ledger names them.
    pub(crate) fn operations(&self) -> Vec<String> {
        let verify = self.definition.verify.as_ref();
        let mut names: Vec<String> = verify.map(|_| "verify".to_owned()).into_iter().collect();
        for (kind, object) in &self.definition.objects {
            let object = object.expanded();
            for (verb, operation) in [
                ("create", &object.create),
                ("read", &object.read),
                ("list", &object.list),
                ("delete", &object.delete),
            ] {
                let Some(operation) = operation else { continue };
                // One that asks as the list does is taken for the list.
                let listed = object.list.as_ref().and_then(|list| list.get.as_ref());
                let steps = operation.steps.iter().filter(|step| step.get.as_ref() != listed);
                let steps = steps.map(|step| &step.name);
                names.extend(steps.map(|step| format!("{kind}.{verb}.{step}")));
                names.push(format!("{kind}.{verb}"));
            }
            names.extend(object.verbs.keys().map(|verb| format!("{kind}.{verb}")));
            for child in &object.children {
                let held = ["list", "create", "delete"];
                names.extend(held.map(|verb| format!("{kind}.{}.{verb}", child.name)));
            }
            for part in &object.parts {
                names.push(format!("{kind}.create.{}", part.name));
                names.extend(part.delete.is_some().then(|| format!("{kind}.delete.{}", part.name)));
            }
        }
        names.extend(self.definition.actions.keys().map(|action| action.0.clone()));
        names.extend(self.definition.catalogs.keys().map(|catalog| format!("{catalog}.list")));
        names
    }

    /// What the definition's parameters ask for; any account will do.
    pub(crate) fn parameters(&self) -> BTreeMap<String, String> {
        self.compiled().map(|compiled| compiled.simulated_parameters()).unwrap_or_default()
    }

    /// An account of it at that base URL.
    pub(crate) fn account(&self, endpoint: String) -> Result<Account, Error> {
        let accepts = self.definition.sandbox.iter().flat_map(|sandbox| &sandbox.accepts);
        let secrets = accepts.map(|(key, value)| (key.0.clone(), value.0.clone().into()));
        let options = AccountOptions {
            endpoint: Some(endpoint),
            secrets: secrets.collect(),
            parameters: self.parameters(),
            ..AccountOptions::default()
        };
        Account::open(self.compiled()?, options).map_err(|source| Error::Adapter { source })
    }

    /// A world with this provider only.
    pub(crate) async fn world(&self) -> Result<World, Error> {
        let options = WorldOptions { definitions: vec![self.compiled()?], ..Default::default() };
        World::start(options).await.map_err(|source| Error::World { source })
    }

    /// The definition, compiled.
    pub(crate) fn compiled(&self) -> Result<Arc<Compiled>, Error> {
        let compiled = Compiled::new(&self.name, self.definition.clone());
        compiled.map(Arc::new).map_err(|problems| Error::Definition {
            path: self.name.clone().into(),
            reason: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        })
    }
}
