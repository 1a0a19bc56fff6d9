//! What the simulated provider delivers, with its templates compiled.

use std::collections::BTreeMap;

use infrafabric_definition::{Free, Name, SandboxWebhook, Text};
use serde_json::Value as Json;

use super::{CompiledAnswer, answer};
use crate::compile::definition::Problems;
use crate::compile::operation::{text_template, tree};
use crate::compile::template::{Template, Tree};

/// What is delivered, and where to.
#[derive(Debug)]
pub struct CompiledSandboxWebhook {
    /// The address that it calls.
    pub url: Template,
    /// Headers of every delivery.
    pub headers: Vec<(String, Template)>,
    /// What signs, where that is another key than verifies.
    pub key: Option<String>,
    /// The answer to who asks for the public keys.
    pub keys: Option<CompiledAnswer>,
    /// What is delivered.
    pub deliveries: Vec<CompiledDelivery>,
}

/// One delivery.
#[derive(Debug)]
pub struct CompiledDelivery {
    /// Its headers besides.
    pub headers: Vec<(String, Template)>,
    /// What stands behind the address.
    pub query: Option<Tree>,
    /// A JSON body.
    pub json: Option<Tree>,
    /// A form body.
    pub form: Option<Tree>,
    /// What the contract makes of it.
    pub gives: Vec<Json>,
    /// What it wants to hear.
    pub reply: Option<String>,
}

impl CompiledSandboxWebhook {
    pub(super) fn compile(
        spec: &SandboxWebhook,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let common = headers(&spec.headers, path, problems);
        let mut deliveries = Vec::new();
        for (i, given) in spec.deliveries.iter().enumerate() {
            let own = headers(&given.headers, &format!("{path}.deliveries[{i}]"), problems);
            let mut part = |part: &Option<Free>, key: &str| {
                let place = format!("{path}.deliveries[{i}].{key}");
                part.as_ref().and_then(|part| tree(&part.0, &place, problems))
            };
            deliveries.push(CompiledDelivery {
                headers: own,
                query: part(&given.query, "query"),
                json: part(&given.json, "json"),
                form: part(&given.form, "form"),
                gives: given.gives.iter().map(|given| given.0.clone()).collect(),
                reply: given.reply.as_ref().map(|reply| reply.0.clone()),
            });
        }
        let keys = spec.keys.as_ref();
        Some(Self {
            url: text_template(&spec.url, &format!("{path}.url"), problems)?,
            headers: common,
            key: spec.key.as_ref().map(|key| key.0.clone()),
            keys: keys.map(|keys| answer(keys, &format!("{path}.keys"), problems)),
            deliveries,
        })
    }
}

fn headers(
    given: &BTreeMap<Name, Text>,
    path: &str,
    problems: &mut Problems,
) -> Vec<(String, Template)> {
    let mut headers = Vec::new();
    for (key, value) in given {
        let place = format!("{path}.headers.{key}");
        headers.extend(text_template(value, &place, problems).map(|t| (key.0.clone(), t)));
    }
    headers
}
