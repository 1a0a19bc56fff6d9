//! `ifctl provider webhook`: whether a captured delivery comes from the provider.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};
use infrafabric_adapters::clock::{Clock as _, SystemClock};
use infrafabric_adapters::compile::Compiled;
use infrafabric_adapters::webhook::{Delivery, verify};
use secrecy::SecretString;

use crate::say;

#[derive(Args)]
pub(crate) struct Captured {
    /// The name of a built-in definition, or a file.
    pub(crate) definition: PathBuf,
    /// The body, byte for byte as it came.
    #[arg(long)]
    body: PathBuf,
    /// A header as `Name: value`; give all that came.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// The address that the provider called.
    #[arg(long, default_value = "")]
    url: String,
    /// A key of the Secret and the file that holds its value, as `KEY=FILE`: no secret belongs on a
    /// command line.
    #[arg(long = "secret")]
    secrets: Vec<String>,
    /// The provider's published keys (JWKS), where tokens are verified by them.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// When it came; now when absent.
    #[arg(long)]
    at: Option<DateTime<Utc>>,
}

/// Says whether the delivery is to be believed.
pub(crate) fn run(definition: &Compiled, captured: &Captured) -> Result<(), Box<dyn Error>> {
    let body = fs::read(&captured.body)
        .map_err(|error| format!("read {}: {error}", captured.body.display()))?;
    let mut headers = HeaderMap::new();
    for header in &captured.headers {
        let wrong = || format!("`{header}` is no header: give `Name: value`");
        let (name, value) = header.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| wrong())?);
    }
    let mut secrets = BTreeMap::new();
    for secret in &captured.secrets {
        let pair = secret.split_once('=');
        // What is no pair may be the secret itself.
        let (key, file) = pair.ok_or("--secret takes a key and a file, as KEY=FILE")?;
        let value = fs::read_to_string(file).map_err(|error| format!("read {file}: {error}"))?;
        secrets.insert(key.to_owned(), SecretString::from(value));
    }
    let delivery = Delivery { url: &captured.url, headers: &headers, body: &body };
    let now = captured.at.unwrap_or_else(|| SystemClock.now());
    let published = match &captured.keys {
        None => None,
        Some(file) => {
            let said = |error: &dyn Error| format!("read {}: {error}", file.display());
            let text = fs::read_to_string(file).map_err(|error| said(&error))?;
            Some(serde_json::from_str(&text).map_err(|error| said(&error))?)
        }
    };
    let event = verify(definition, &secrets, published.as_ref(), &delivery, now)?;
    let signed = event.signed.map(|at| format!(", signed {} s before", (now - at).num_seconds()));
    let kind = event.kind.unwrap_or_else(|| "event".to_owned());
    let id = event.id.map(|id| format!(" {id}")).unwrap_or_default();
    say(&format!("genuine: {kind}{id}{}", signed.unwrap_or_default()));
    for event in &event.events {
        say(&event.to_string());
    }
    if let Some(reply) = &event.reply {
        say(&format!("it wants to hear: {}", reply.body));
    }
    Ok(())
}
