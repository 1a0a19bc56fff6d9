//! Deliveries: what verifies them, and what they say in the contract's words.

use infrafabric_definition::{Proof, Webhook};

use super::scope::{Place, Root, check_template, check_tree};
use super::{check_fields, check_state, problem};
use crate::compile::definition::{Compiled, Problem};
use crate::compile::webhook::CompiledWebhook;
use crate::contract::DomainContract;

/// Says everything that is wrong with a definition's `webhook`.
pub(super) fn check(compiled: &Compiled, contract: &DomainContract, problems: &mut Vec<Problem>) {
    let (Some(spec), Some(webhook)) = (&compiled.spec().webhook, &compiled.webhook) else {
        if compiled.sandbox.as_ref().is_some_and(|sandbox| sandbox.webhook.is_some()) {
            let reason = "simulates nothing: no spec.webhook".to_owned();
            problems.push(problem("spec.sandbox.webhook", reason));
        }
        return;
    };
    check_proof(compiled, spec, webhook, problems);
    let place = || {
        let place = Place::default().open(&["headers", "query", "form", "event"]);
        place.with("body", Root::Value).with("url", Root::Value)
    };
    for (name, template) in webhook.templates() {
        check_template(template, &format!("spec.webhook.{name}"), &place(), problems);
    }
    if let Some(handshake) = &webhook.handshake {
        let path = "spec.webhook.handshake";
        check_template(&handshake.when, &format!("{path}.when"), &place(), problems);
        if let Some((token, _)) = &handshake.token {
            check_template(token, &format!("{path}.token"), &place(), problems);
        }
        check_tree(&handshake.reply, &format!("{path}.reply"), &place(), problems);
    }
    check_events(webhook, contract, &place, problems);
    check_simulated(compiled, webhook, problems);
}

fn check_proof(
    compiled: &Compiled,
    spec: &Webhook,
    webhook: &CompiledWebhook,
    problems: &mut Vec<Problem>,
) {
    let mut add = |path: &str, reason: &str| problems.push(problem(path, reason.to_owned()));
    if spec.secret.is_empty() {
        add("spec.webhook.secret", "missing: the Secret's key that verifies");
    }
    if matches!(spec.algorithm, Proof::Token | Proof::Jwt) && spec.text.is_some() {
        add("spec.webhook.text", "has no meaning: nothing of the delivery is signed");
    }
    if spec.algorithm == Proof::Jwt && spec.timestamp.is_some() {
        add("spec.webhook.timestamp", "has no meaning: the token says when it was written");
    }
    match (spec.algorithm == Proof::Jwt, &webhook.keys) {
        (true, None) => {
            add("spec.webhook.keys", "missing: the published keys that verify the token");
        }
        (false, Some(_)) => {
            add("spec.webhook.keys", "has no meaning: only `jwt` is verified by keys");
        }
        (true, Some((read, _))) => {
            let known =
                read.endpoint.as_ref().is_none_or(|name| compiled.endpoints.contains_key(name));
            if !known {
                add("spec.webhook.keys.endpoint", "unknown: spec.endpoints has no such one");
            }
        }
        (false, None) => {}
    }
}

fn check_events(
    webhook: &CompiledWebhook,
    contract: &DomainContract,
    place: &dyn Fn() -> Place<'static>,
    problems: &mut Vec<Problem>,
) {
    let path = "spec.webhook";
    let Some(events) = contract.events else {
        if !webhook.outputs.is_empty() {
            let reason = "has no meaning: the domain's contract has no events".to_owned();
            problems.push(problem(&format!("{path}.as"), reason));
        }
        return;
    };
    if webhook.outputs.is_empty() {
        if webhook.items.is_some() {
            let reason = "of no use without `as`".to_owned();
            problems.push(problem(&format!("{path}.items"), reason));
        }
        return;
    }
    check_fields(events.outputs, &webhook.outputs, path, problems);
    for (name, known) in [("kind", events.kinds), ("state", events.states)] {
        if let Some(state) = webhook.outputs.get(name) {
            check_state(state, known, &format!("{path}.as.{name}"), problems);
        }
    }
    for (name, tree) in &webhook.outputs {
        let place = place().open(&["item"]);
        check_tree(tree, &format!("{path}.as.{name}"), &place, problems);
    }
}

/// What the simulated provider delivers.
fn check_simulated(compiled: &Compiled, webhook: &CompiledWebhook, problems: &mut Vec<Problem>) {
    let sandbox = compiled.sandbox.as_ref();
    let Some(simulated) = sandbox.and_then(|sandbox| sandbox.webhook.as_ref()) else { return };
    let path = "spec.sandbox.webhook";
    let place = || {
        let place = Place::default().with("timestamp", Root::Value).with("millis", Root::Value);
        place.with("created", Root::Value)
    };
    check_template(&simulated.url, &format!("{path}.url"), &place(), problems);
    for (name, header) in &simulated.headers {
        let place = place().with("signature", Root::Value);
        check_template(header, &format!("{path}.headers.{name}"), &place, problems);
    }
    for (i, delivery) in simulated.deliveries.iter().enumerate() {
        let path = format!("{path}.deliveries[{i}]");
        for (name, header) in &delivery.headers {
            let place = place().with("signature", Root::Value);
            check_template(header, &format!("{path}.headers.{name}"), &place, problems);
        }
        let parts =
            [("query", &delivery.query), ("json", &delivery.json), ("form", &delivery.form)];
        for (key, tree) in parts {
            if let Some(tree) = tree {
                check_tree(tree, &format!("{path}.{key}"), &place(), problems);
            }
        }
        if delivery.json.is_some() && delivery.form.is_some() {
            let reason = "beside `json`: a delivery has one body".to_owned();
            problems.push(problem(&format!("{path}.form"), reason));
        }
        if delivery.reply.is_some() && webhook.handshake.is_none() {
            let reason = "has no meaning: there is no `handshake`".to_owned();
            problems.push(problem(&format!("{path}.reply"), reason));
        }
    }
    let reason = match (webhook.keys.is_some(), simulated.keys.is_some()) {
        (true, false) => "missing: who asks for the public keys is answered",
        (false, true) => "simulates nothing: spec.webhook has no `keys`",
        _ => return,
    };
    problems.push(problem(&format!("{path}.keys"), reason.to_owned()));
}
