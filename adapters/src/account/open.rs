//! Opens an account: every mistake in what it is given is found here, before any request.

use std::sync::Arc;

use infrafabric_definition::{Class, Text};
use serde_json::{Map, Value as Json};

use super::{Account, AccountOptions};
use crate::compile::Compiled;
use crate::error::AdapterError;
use crate::pipeline::{Credentials, Parts, Pipeline, replacement};
use crate::webhook::Verifier;

const OPERATION: &str = "open";

pub(super) fn open(
    definition: Arc<Compiled>,
    options: AccountOptions,
) -> Result<Account, AdapterError> {
    let error =
        |class, message: String| AdapterError::new(class, definition.name(), OPERATION, message);
    let credentials = Credentials::open(&definition.spec().auth, &options.secrets)
        .map_err(|problem| error(Class::Auth, problem.to_string()))?;
    let verifier = Verifier::open(&definition, &options.secrets);
    let endpoint = options.endpoint.as_deref().map(replacement).transpose();
    let endpoint = endpoint.map_err(|problem| error(Class::Invalid, problem.to_string()))?;
    let parameters =
        parameters(&definition, &options).map_err(|message| error(Class::Invalid, message))?;
    let parts = Parts {
        definition: Arc::clone(&definition),
        parameters,
        replacement: endpoint,
        events_port: options.events_port,
        credentials,
        timeout: options.timeout,
        clock: Arc::clone(&options.clock),
        metrics: options.metrics,
    };
    Ok(Account {
        verifier: Arc::new(verifier),
        definition,
        pipeline: Arc::new(Pipeline::new(parts)),
        region: options.region.unwrap_or_default(),
    })
}

/// The definition's parameters with their values or defaults.
fn parameters(definition: &Compiled, options: &AccountOptions) -> Result<Json, String> {
    let declared = &definition.spec().parameters;
    if let Some(name) = options.parameters.keys().find(|name| !declared.contains_key(name.as_str()))
    {
        return Err(format!("{} has no parameter `{name}`", definition.name()));
    }
    let mut values = Map::new();
    for (name, parameter) in declared {
        let value = options.parameters.get(name.as_str()).map(String::as_str);
        let value = value.or(parameter.default.as_ref().map(Text::as_str));
        let value = value
            .ok_or_else(|| format!("parameter `{name}` is missing: {}", parameter.description))?;
        values.insert(name.0.clone(), Json::from(value));
    }
    Ok(Json::Object(values))
}
