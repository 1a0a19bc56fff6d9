//! `ifctl provider deliveries`: what a simulated provider delivers to who listens.

use std::error::Error;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use infrafabric_adapters::clock::{Clock as _, SystemClock};
use infrafabric_adapters::compile::Compiled;
use infrafabric_world::{bring, deliveries};
use serde_json::{Map, Value as Json, json};

use crate::say;

#[derive(Args)]
pub(crate) struct Deliveries {
    /// The name of a built-in definition, or a file.
    pub(crate) definition: PathBuf,
    /// Bring each there, `http://127.0.0.1:8080/hook`, and say what was answered.
    #[arg(long)]
    to: Option<String>,
    /// When they are signed; now when absent.
    #[arg(long)]
    at: Option<DateTime<Utc>>,
}

/// Prints each delivery as a line of JSON, signed by what the simulated account accepts.
pub(crate) async fn run(definition: &Compiled, given: &Deliveries) -> Result<(), Box<dyn Error>> {
    let at = given.at.unwrap_or_else(|| SystemClock.now());
    let all = deliveries(definition, at)?;
    if all.is_empty() {
        let name = definition.name();
        return Err(format!("{name} has no `webhook` with a simulated counterpart").into());
    }
    let secrets = definition.sandbox.as_ref().map(|sandbox| &sandbox.accepts);
    let named = definition.spec().webhook.iter().flat_map(|webhook| &webhook.secret);
    let secrets: Map<String, Json> = named
        .filter_map(|name| {
            let value = secrets?.get(name.as_str())?;
            Some((name.0.clone(), Json::from(value.as_str())))
        })
        .collect();
    for delivered in &all {
        let Some(to) = &given.to else {
            let headers = delivered.headers.iter();
            let headers: Map<String, Json> =
                headers.map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect();
            let line = json!({
                "vendor": definition.name(), "method": delivered.method, "url": delivered.url,
                "headers": headers, "body": delivered.body, "secrets": secrets,
                "at": at.timestamp(),
            });
            say(&line.to_string());
            continue;
        };
        let (status, body) = bring(to, delivered).await?;
        let wants = delivered.reply.as_ref().filter(|reply| !body.contains(reply.as_str()));
        let wants = wants.map(|reply| format!(", and it wants to hear `{reply}`"));
        say(&format!("{} {to}: {status} {body}{}", delivered.method, wants.unwrap_or_default()));
    }
    Ok(())
}
