//! What a definition can do, for people: one provider at length, all of them as a table.

use std::fmt::Write as _;
use std::time::Duration;

use infrafabric_adapters::compile::Compiled;
use infrafabric_definition::{Definition, Find, Name};

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
    lines.push(("prices", prices(definition).to_owned()));
    lines.push(("digest", definition.digest().to_owned()));
    lines.iter().fold(String::new(), |mut text, (what, is)| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{what:<15} {is}");
        text
    })
}

/// All definitions as a page.
pub(super) fn matrix(all: &[impl AsRef<Compiled>]) -> String {
    let mut text = String::from(
        "<!-- Written by `cargo xtask generate`; edits are lost. -->\n\
         # Providers\n\n\
         What the built-in definitions declare; `ifctl provider show NAME` says more of one. What is not declared is refused with class\n\
         `Unsupported` before anything is sent. *A lost create* says how a machine is found again when the answer was lost: by the\n\
         provider honouring our key, by our marks, or by its name, within the time that its list may be late.\n",
    );
    let mut domain = None;
    for definition in all.iter().map(AsRef::as_ref) {
        let spec = definition.spec();
        if domain != Some(spec.domain) {
            domain = Some(spec.domain);
            let _ = write!(
                text,
                "\n## {}\n\n\
                 | provider | authentication: Secret keys | machine | catalogs | prices | a lost create | requests | checked |\n\
                 |---|---|---|---|---|---|---|---|\n",
                spec.domain.as_str()
            );
        }
        let of = |prefix: &str| {
            let all = definition.capabilities();
            let verbs = all.iter().filter_map(|name| name.strip_prefix(prefix));
            verbs.collect::<Vec<_>>().join(", ")
        };
        let catalogs: Vec<&str> = definition.catalogs.keys().map(String::as_str).collect();
        let lost = definition.objects.get("machine").map_or(String::new(), |machine| {
            format!("{}, {}", found_by(machine.find, machine.keyed), span(machine.lag))
        });
        let _ = writeln!(
            text,
            "| [{}]({}) `{}` | {}: {} | {} | {} | {} | {lost} | {} | {} |",
            spec.title,
            spec.docs,
            definition.name(),
            spec.auth.scheme.as_str(),
            keys(spec),
            of("machine."),
            catalogs.join(", "),
            prices(definition),
            rate(spec),
            spec.checked,
        );
    }
    text
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
