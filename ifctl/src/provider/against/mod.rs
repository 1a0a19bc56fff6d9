//! `ifctl provider check --against`: every request of a definition and every answer of its simulator,
//! held against the vendor's OpenAPI description.

mod description;
mod drive;
mod schema;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use infrafabric_adapters::compile::{Compiled, Template, Vars};
use infrafabric_world::Exchange;
use serde_json::json;

use description::Description;

/// What was found.
pub(crate) struct Findings {
    /// How many exchanges were looked at.
    pub(crate) exchanges: usize,
    /// Every mismatch, once.
    pub(crate) mismatches: BTreeSet<String>,
    /// Mismatches that were excepted.
    pub(crate) excepted: BTreeSet<String>,
    /// Operations that could not be tried, with the reason.
    pub(crate) untried: Vec<String>,
}

/// Tries every operation on the simulator and judges what went over the wire. Of several
/// descriptions, the first that knows a path judges it.
pub(crate) async fn check(
    definition: &Arc<Compiled>,
    files: &[impl AsRef<Path>],
    except: &[String],
) -> Result<Findings, Box<dyn Error>> {
    let mut descriptions = Vec::new();
    for file in files {
        descriptions.push(Description::read(file.as_ref())?);
    }
    let driven = drive::drive(definition).await?;
    let further = definition.endpoints.values().map(|further| &further.url);
    let urls = std::iter::once(&definition.endpoint).chain(further);
    let bases: Vec<String> = urls.map(|url| written(definition, url)).collect();
    let mut mismatches = BTreeSet::new();
    for exchange in &driven.exchanges {
        mismatches.extend(judge(&descriptions, definition, &bases, exchange));
    }
    let (excepted, mismatches) = mismatches
        .into_iter()
        .partition(|mismatch: &String| except.iter().any(|text| mismatch.contains(text.as_str())));
    let exchanges = driven.exchanges.len();
    Ok(Findings { exchanges, mismatches, excepted, untried: driven.untried })
}

/// A base URL with the parameters of the simulated account.
fn written(definition: &Compiled, url: &Template) -> String {
    let parameters = definition.simulated_parameters();
    let mut vars = Vars::default();
    vars.set("region", &json!("x")).set("parameters", &json!(parameters));
    let text = url.render_text(&vars, ToOwned::to_owned).ok().flatten();
    text.unwrap_or_else(|| url.pattern().map(|literal| literal.unwrap_or("x")).collect())
}

/// What is wrong with one exchange.
fn judge(
    descriptions: &[Description],
    definition: &Compiled,
    bases: &[String],
    exchange: &Exchange,
) -> Vec<String> {
    let (method, path) = (exchange.method.as_str(), exchange.path.as_str());
    // How tokens are had is described elsewhere, if anywhere.
    let token = definition.token.as_ref().map(|token| {
        token.path.path.pattern().map(|literal| literal.unwrap_or("{x}")).collect::<String>()
    });
    if token.is_some_and(|token| description::fits(&token, path).is_some()) {
        return Vec::new();
    }
    let said = |what: String| format!("{method} {path}: {what}");
    let candidates = description::candidates(bases, path);
    let found = descriptions.iter().find_map(|one| Some((one, one.find(method, &candidates)?)));
    let Some((description, operation)) = found else {
        let known = descriptions.iter().any(|one| one.knows_path(&candidates));
        let what = if known {
            "the description has no such method here"
        } else {
            "the description has no such path"
        };
        return vec![said(what.to_owned())];
    };
    let mut wrong = description.request(&operation, exchange);
    wrong.extend(description.answer(&operation, exchange));
    wrong.into_iter().map(|what| format!("{method} {}: {what}", operation.template)).collect()
}
