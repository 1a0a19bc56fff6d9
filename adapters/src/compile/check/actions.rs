//! Actions: known to the contract, with what it wants, and simulated.

use infrafabric_definition::Name;

use super::scope::{Place, Root, check_template, check_tree};
use super::shape::{Shape, Shapes};
use super::{check_fields, check_state, problem, unknown};
use crate::compile::action::CompiledAction;
use crate::compile::definition::{Compiled, Problem};
use crate::contract::{ActionContract, Does, DomainContract};

/// Says everything that is wrong with a definition's actions.
pub(super) fn check(
    compiled: &Compiled,
    contract: &DomainContract,
    shapes: &Shapes,
    problems: &mut Vec<Problem>,
) {
    for (name, action) in &compiled.actions {
        let path = format!("spec.actions.{name}");
        if let Some(known) = contract.action(name) {
            check_action(compiled, known, action, (&path, shapes), problems);
        } else {
            let known: Vec<&str> = contract.actions.iter().map(|known| known.name).collect();
            problems.push(unknown(&path, "action", name, &known));
        }
    }
    check_simulated(compiled, contract, problems);
}

fn check_action(
    compiled: &Compiled,
    contract: &ActionContract,
    action: &CompiledAction,
    (path, shapes): (&str, &Shapes),
    problems: &mut Vec<Problem>,
) {
    check_fields(contract.outputs, &action.outputs, path, problems);
    if let Some(state) = action.outputs.get("state") {
        check_state(state, contract.states, &format!("{path}.as.state"), problems);
    }
    let item = shapes.result(contract.name, &action.call);
    for (output, tree) in &action.outputs {
        let place = Place::item(&item).with("steps", Root::Open);
        check_tree(tree, &format!("{path}.as.{output}"), &place, problems);
    }
    let parameters: Vec<&str> = compiled.spec().parameters.keys().map(Name::as_str).collect();
    for (i, (must, message)) in action.rules.iter().enumerate() {
        let place = || {
            let place = Place::default()
                .with("want", Root::Want(contract.inputs))
                .with("region", Root::Value)
                .with("parameters", Root::Keys(parameters.clone()));
            if contract.does.aim().is_some() { place.with("id", Root::Value) } else { place }
        };
        check_template(must, &format!("{path}.rules[{i}].must"), &place(), problems);
        check_template(message, &format!("{path}.rules[{i}].message"), &place(), problems);
    }
    if let Some(at) = action.call.steps.iter().position(|step| step.operation.sends()) {
        let place = format!("{path}.call.steps[{at}].post");
        if !contract.does.is_effect() {
            let reason = format!("sends something, and `{}` only asks", contract.name);
            problems.push(problem(&place, reason));
        } else if action.keyed {
            let reason =
                "sends something before a call with `key`: its repetition would be another";
            problems.push(problem(&place, reason.to_owned()));
        }
    }
    match (&action.delta, contract.streams) {
        (Some(delta), true) => {
            let event = Place::default().with("event", Root::Data(&Shape::Any));
            check_template(delta, &format!("{path}.delta"), &event, problems);
        }
        (None, true) => {
            let reason = "missing: the text that an event brings, such as ${event.data.text}";
            problems.push(problem(&format!("{path}.delta"), reason.to_owned()));
        }
        (Some(_), false) => {
            let reason = format!("`{}` does not come in pieces", contract.name);
            problems.push(problem(&format!("{path}.delta"), reason));
        }
        (None, false) => {}
    }
    if contract.streams && action.keyed {
        let reason = "a stream that began cannot be repeated: its pieces would come twice";
        problems.push(problem(&format!("{path}.key"), reason.to_owned()));
    }
    let webhook = compiled.webhook.as_ref();
    let told = webhook.is_some_and(|webhook| webhook.outputs.contains_key("reference"));
    check_repetition((contract, told), action, path, problems);
}

/// What an effect is when it is asked for twice.
fn check_repetition(
    (contract, told): (&ActionContract, bool),
    action: &CompiledAction,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    if !contract.does.is_effect() {
        for (key, given) in [("key", action.keyed), ("resolve", action.call.resolve.is_some())] {
            if given {
                let reason = "of no use: it asks, and may be asked again".to_owned();
                problems.push(problem(&format!("{path}.{key}"), reason));
            }
        }
        return;
    }
    let reason = match (action.keyed, action.call.sends_token()) {
        (true, false) => "true, but the call does not send `token`",
        // Events may come back with it.
        (false, true) if action.call.resolve.is_none() && !told => {
            "false, but the call sends `token`: set it to true, or `resolve` by it"
        }
        _ => return,
    };
    problems.push(problem(&format!("{path}.key"), reason.to_owned()));
}

/// The simulated provider answers every action, and no other.
fn check_simulated(compiled: &Compiled, contract: &DomainContract, problems: &mut Vec<Problem>) {
    let Some(sandbox) = &compiled.sandbox else { return };
    let path = "spec.sandbox.actions";
    for (name, action) in &compiled.actions {
        let Some(simulated) = sandbox.actions.get(name) else {
            let reason = format!("missing: spec.actions.{name} has no simulated counterpart");
            problems.push(problem(&format!("{path}.{name}"), reason));
            continue;
        };
        let steps: Vec<&str> = action.call.steps.iter().map(|step| step.name.as_str()).collect();
        for step in steps.iter().filter(|step| !simulated.steps.contains_key(**step)) {
            let reason = "missing: a step of the call has no simulated counterpart".to_owned();
            problems.push(problem(&format!("{path}.{name}.steps.{step}"), reason));
        }
        for step in simulated.steps.keys().filter(|step| !steps.contains(&step.as_str())) {
            let reason = "simulates nothing: the call has no such step".to_owned();
            problems.push(problem(&format!("{path}.{name}.steps.{step}"), reason));
        }
        let reason = match (&action.call.resolve, &simulated.resolve) {
            (Some(_), None) => "missing: who asks what became of it is answered",
            (None, Some(_)) => "simulates nothing: the action has no `resolve`",
            _ => continue,
        };
        problems.push(problem(&format!("{path}.{name}.resolve"), reason.to_owned()));
    }
    for name in sandbox.actions.keys().filter(|name| !compiled.actions.contains_key(*name)) {
        let reason = format!("simulates nothing: no spec.actions.{name}");
        problems.push(problem(&format!("{path}.{name}"), reason));
    }
    let kinds: Vec<&str> =
        contract.actions.iter().filter_map(|action| action.does.kind()).collect();
    for name in sandbox.things.keys().filter(|name| !kinds.contains(&name.as_str())) {
        problems.push(unknown(&format!("spec.sandbox.things.{name}"), "thing", name, &kinds));
    }
    for (name, action) in &compiled.actions {
        let Some(Does::Make(kind)) = contract.action(name).map(|known| known.does) else {
            continue;
        };
        if action.outputs.contains_key("id") && !sandbox.things.contains_key(kind) {
            let reason = format!("missing: `{name}` makes one");
            problems.push(problem(&format!("spec.sandbox.things.{kind}"), reason));
        }
    }
}
