//! What a definition can do, for people: one provider at length, all of them as a table.

use std::fmt::Write as _;
use std::time::Duration;

use infrafabric_adapters::compile::{Compiled, CompiledAction};
use infrafabric_adapters::contract::{self, ActionContract};
use infrafabric_definition::{Definition, Domain, Find, Name};

/// Everything that a user of the provider must know before the first manifest.
pub(super) fn show(definition: &Compiled, source: &str) -> String {
    let spec = definition.spec();
    let mut lines = vec![
        ("name", format!("{} ({source})", definition.name())),
        ("title", spec.title.0.clone()),
        ("domain", spec.domain.as_str().to_owned()),
        ("reference", spec.docs.0.clone()),
        ("facts checked", spec.checked.0.clone()),
        ("endpoint", spec.endpoint.0.clone()),
    ];
    for (name, endpoint) in &spec.endpoints {
        lines.push(("", format!("{name}: {}", endpoint.url)));
    }
    lines.push(("authentication", spec.auth.scheme.as_str().to_owned()));
    lines.push(("Secret keys", keys(spec)));
    if let Some(why) = &spec.unproven {
        lines.push(("not proven", why.0.clone()));
    }
    for (name, parameter) in &spec.parameters {
        let default = parameter.default.as_ref().map(|text| format!(" (default {text})"));
        let default = default.unwrap_or_default();
        lines.push(("parameter", format!("{name}: {}{default}", parameter.description)));
    }
    lines.push(("requests", rate(spec)));
    lines.push(("operations", definition.capabilities().join(", ")));
    for (kind, object) in &definition.objects {
        let found = found_by(object.find, object.keyed);
        lines.push((
            "a lost create",
            format!("{kind}: {found}, listed within {}", span(object.lag)),
        ));
    }
    for (name, action) in &definition.actions {
        let known = contract::of(spec.domain).action(name);
        let about = known.map_or("", |known| known.about);
        lines.push(("action", format!("{name}: {about}{}", repetition(known, action))));
    }
    lines.extend(pushes(spec).map(|is| ("events", is)));
    if let Some(webhook) = &spec.webhook {
        let keys: Vec<&str> = webhook.secret.iter().map(Name::as_str).collect();
        lines.push(("webhook", format!("verified by the Secret's {}", keys.join(", "))));
        if let Some(handshake) = &webhook.handshake {
            let by = handshake.secret.as_ref().map(|key| format!(", proven by the Secret's {key}"));
            lines.push(("", format!("with a handshake{}", by.unwrap_or_default())));
        }
    }
    lines.push(("prices", prices(definition).to_owned()));
    lines.push(("digest", definition.digest().to_owned()));
    lines.iter().fold(String::new(), |mut text, (what, is)| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{what:<15} {is}");
        text
    })
}

/// Where a device pushes what happens, if that is not where it takes requests.
fn pushes(spec: &Definition) -> Option<String> {
    let events = spec.events.as_ref()?;
    let path = events.home_assistant.as_ref().map(|path| format!("pushed on the websocket {path}"));
    path.or_else(|| Some(format!("pushed on port {}, without credentials", events.vmix?)))
}

const CLOUD: &str = "| provider | authentication: Secret keys | machine | keeps besides | catalogs | prices | a lost create | requests | checked |";

const ACTIONS: &str = "| provider | authentication: Secret keys | keyed | found | in doubt when lost | asks | keeps, offers | webhook | requests | checked |";

/// All definitions as a page.
pub(super) fn matrix(all: &[impl AsRef<Compiled>]) -> String {
    let mut text = String::from(
        "<!-- Written by `cargo xtask generate`; edits are lost. -->\n\
         # Providers\n\n\
         What the built-in definitions declare; `ifctl provider show NAME` says more of one. What is not declared is refused with class\n\
         `Unsupported` before anything is sent. *A lost create* says how a machine is found again when the answer was lost: by the\n\
         provider honouring our key, by our marks, or by its name, within the time that its list may be late. Actions say the same\n\
         of a lost answer: **keyed** ones are repeated by their token, **found** ones are looked up, the others end in doubt (class\n\
         `Unknown`) and are never repeated.\n",
    );
    let mut domain = None;
    for definition in all.iter().map(AsRef::as_ref) {
        let spec = definition.spec();
        if domain != Some(spec.domain) {
            domain = Some(spec.domain);
            let columns = if spec.domain == Domain::Cloud { CLOUD } else { ACTIONS };
            let rule = "|---".repeat(columns.matches('|').count() - 1);
            let _ = write!(text, "\n## {}\n\n{columns}\n{rule}|\n", spec.domain.as_str());
        }
        if spec.domain != Domain::Cloud {
            text.push_str(&actions_row(definition));
            continue;
        }
        let of = |prefix: &str| {
            let all = definition.capabilities();
            let verbs = all.iter().filter_map(|name| name.strip_prefix(prefix));
            verbs.collect::<Vec<_>>().join(", ")
        };
        let kept = definition.objects.keys().map(String::as_str).filter(|kind| *kind != "machine");
        let kept: Vec<&str> = kept.collect();
        let catalogs: Vec<&str> = definition.catalogs.keys().map(String::as_str).collect();
        let lost = definition.objects.get("machine").map_or(String::new(), |machine| {
            format!("{}, {}", found_by(machine.find, machine.keyed), span(machine.lag))
        });
        let _ = writeln!(
            text,
            "| [{}]({}) `{}` | {}: {} | {} | {} | {} | {} | {lost} | {} | {} |",
            spec.title,
            spec.docs,
            definition.name(),
            spec.auth.scheme.as_str(),
            keys(spec),
            of("machine."),
            kept.join(", "),
            catalogs.join(", "),
            prices(definition),
            rate(spec),
            spec.checked,
        );
    }
    text
}

/// What becomes of an action whose answer is lost.
fn repetition(known: Option<&ActionContract>, action: &CompiledAction) -> &'static str {
    match (known.is_some_and(|known| known.does.is_effect()), action.keyed) {
        (false, _) => "",
        (true, true) => " (keyed: a lost answer is asked for again)",
        (true, false) if action.call.resolve.is_some() => " (a lost answer is looked up)",
        (true, false) => " (a lost answer stays in doubt)",
    }
}

/// A provider whose work are actions, as a row.
fn actions_row(definition: &Compiled) -> String {
    let spec = definition.spec();
    let contract = contract::of(spec.domain);
    let named = |wanted: &dyn Fn(&ActionContract, &CompiledAction) -> bool| {
        let all = definition.actions.iter().filter(|(name, action)| {
            contract.action(name).is_some_and(|known| wanted(known, action))
        });
        all.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let effect = |known: &ActionContract| known.does.is_effect();
    let found = |action: &CompiledAction| action.call.resolve.is_some();
    let kept = definition.objects.keys().chain(definition.catalogs.keys());
    let kept: Vec<&str> = kept.map(String::as_str).collect();
    format!(
        "| [{}]({}) `{}` | {}: {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        spec.title,
        spec.docs,
        definition.name(),
        spec.auth.scheme.as_str(),
        keys(spec),
        named(&|known, action| effect(known) && action.keyed),
        named(&|known, action| effect(known) && !action.keyed && found(action)),
        named(&|known, action| effect(known) && !action.keyed && !found(action)),
        named(&|known, _| !effect(known)),
        kept.join(", "),
        told(spec),
        rate(spec),
        spec.checked,
    )
}

/// What its deliveries are worth.
fn told(spec: &Definition) -> &'static str {
    match &spec.webhook {
        None => "",
        Some(webhook) if webhook.outputs.is_empty() => "signed",
        Some(_) => "signed, typed events",
    }
}

fn keys(spec: &Definition) -> String {
    let must = spec.auth.secret.iter().map(|key| format!("`{key}`"));
    let may = spec.auth.optional_secret.iter().map(|key: &Name| format!("`{key}` (optional)"));
    must.chain(may).collect::<Vec<_>>().join(", ")
}

fn rate(spec: &Definition) -> String {
    let rate = spec.limits.as_ref().and_then(|limits| limits.requests.as_ref());
    rate.map_or_else(|| "not published".to_owned(), |rate| rate.0.clone())
}

fn found_by(find: Find, keyed: bool) -> String {
    let find = match find {
        Find::Tag => "marks",
        Find::Name => "name",
        Find::None if keyed => return "key".to_owned(),
        Find::None => return "never: a person decides".to_owned(),
    };
    if keyed { format!("key, {find}") } else { find.to_owned() }
}

fn prices(definition: &Compiled) -> &'static str {
    let sizes = definition.catalogs.get("sizes");
    let with_sizes = sizes.is_some_and(|sizes| sizes.columns.contains_key("pricePerHour"));
    if with_sizes || definition.catalogs.contains_key("prices") { "yes" } else { "no" }
}

fn span(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
