//! What a device pushes: where it does, and what the simulated one says.

use infrafabric_definition::Scheme;

use super::problem;
use crate::compile::definition::{Compiled, Problem};
use crate::compile::template::Tree;

pub(super) fn check(compiled: &Compiled, problems: &mut Vec<Problem>) {
    check_source(compiled, problems);
    let spec = compiled.spec();
    let pushes = spec.events.is_some() || spec.auth.scheme == Scheme::Obs;
    let simulated = compiled.sandbox.iter().flat_map(|sandbox| &sandbox.actions);
    for (name, action) in simulated {
        let Some(event) = &action.event else { continue };
        let path = format!("spec.sandbox.actions.{name}.event");
        if !pushes {
            let reason = "has no meaning: spec.events does not say where it is pushed";
            problems.push(problem(&path, reason.to_owned()));
        }
        let all =
            if let Tree::List(all) = event { all.as_slice() } else { std::slice::from_ref(event) };
        if !all.iter().all(is_event) {
            let reason = "expected a map of type and data, or a list of such maps";
            problems.push(problem(&path, reason.to_owned()));
        }
    }
}

fn is_event(tree: &Tree) -> bool {
    let Tree::Map(entries) = tree else { return false };
    let has = |name: &str| entries.iter().any(|(key, _)| key == name);
    entries.len() == 2 && has("type") && has("data")
}

fn check_source(compiled: &Compiled, problems: &mut Vec<Problem>) {
    let spec = compiled.spec();
    let Some(events) = &spec.events else { return };
    let mut add = |path: &str, reason: &str| problems.push(problem(path, reason.to_owned()));
    if spec.auth.scheme == Scheme::Obs {
        return add(
            "spec.events",
            "has no meaning: obs pushes on the socket that takes its requests",
        );
    }
    match (&events.home_assistant, events.vmix) {
        (Some(_), None) if spec.auth.scheme != Scheme::Bearer => {
            add("spec.events.homeAssistant", "lets in by a token: it needs the scheme bearer");
        }
        (Some(path), None) if !is_path(path.as_str()) => {
            add("spec.events.homeAssistant", "expected a plain path such as /api/websocket");
        }
        (None, Some(0)) => add("spec.events.vmix", "expected a port, 1 to 65535"),
        (Some(_), None) | (None, Some(_)) => {}
        (Some(_), Some(_)) | (None, None) => {
            add("spec.events", "expected one of homeAssistant, vmix");
        }
    }
}

/// Whether it is a path and nothing else: it goes to the host of `endpoint` with the token.
fn is_path(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let climbs = text.split('/').any(|step| matches!(step, "." | ".."));
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(plain) && !climbs
}
