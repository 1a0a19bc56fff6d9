//! `ifctl provider new`: the beginning of a definition. What it guesses is said, and
//! `ifctl provider check` guides from there.

mod guess;
mod model;
mod questions;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use infrafabric_adapters::registry::Registry;
use serde_json::{Value as Json, json};

use crate::say;
use model::Model;

#[derive(Args)]
pub(crate) struct New {
    /// The definition's name: lower-case letters, digits and `-`.
    name: String,
    /// The vendor's OpenAPI description (JSON or YAML).
    #[arg(long)]
    from: Option<PathBuf>,
    /// Where to write it; a file that is there is not overwritten. Printed when absent.
    #[arg(long)]
    out: Option<PathBuf>,
    /// The provider's name as its own people write it.
    #[arg(long)]
    title: Option<String>,
    /// The vendor's API reference.
    #[arg(long)]
    docs: Option<String>,
    /// The base URL of the API.
    #[arg(long)]
    endpoint: Option<String>,
    /// How requests are authenticated: bearer, basic, header:NAME or query:NAME.
    #[arg(long)]
    auth: Option<String>,
    /// The path of an authenticated read that changes nothing.
    #[arg(long)]
    verify: Option<String>,
}

/// What a definition begins with.
pub(super) struct Beginning {
    pub(super) title: Option<String>,
    pub(super) docs: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) auth: Option<Json>,
    pub(super) verify: Option<String>,
}

pub(crate) fn run(new: &New) -> Result<(), Box<dyn Error>> {
    let model = new.from.as_deref().map(Model::read).transpose()?;
    let known = model.as_ref().map(Model::beginning);
    let known = |pick: fn(&Beginning) -> Option<String>| known.as_ref().and_then(pick);
    let title = questions::text("title", new.title.as_ref(), known(|k| k.title.clone()))?;
    let docs = questions::text("docs", new.docs.as_ref(), known(|k| k.docs.clone()))?;
    let endpoint =
        questions::text("endpoint", new.endpoint.as_ref(), known(|k| k.endpoint.clone()))?;
    let described = model.as_ref().and_then(|model| model.beginning().auth);
    let auth = match (&new.auth, described) {
        (None, Some(auth)) => auth,
        (given, _) => questions::auth(&questions::text("auth", given.as_ref(), None)?)?,
    };
    let verify = questions::text("verify", new.verify.as_ref(), known(|k| k.verify.clone()))?;
    let mut spec = json!({
        "title": title,
        "domain": "cloud",
        "docs": docs,
        "checked": questions::today(),
        "endpoint": endpoint.trim_end_matches('/'),
        "auth": auth,
        "verify": {"get": verify},
    });
    let mut notes = Vec::new();
    match &model {
        Some(model) => guess::objects(model, &mut spec, &mut notes),
        None => guess::skeleton(&mut spec, &mut notes),
    }
    let manifest = json!({
        "apiVersion": "infrafabric.io/v1alpha1",
        "kind": "ProviderDefinition",
        "metadata": {"name": new.name},
        "spec": spec,
    });
    let text = written(&manifest, &notes)?;
    let file = new.out.as_ref().map_or_else(|| "-".to_owned(), |out| out.display().to_string());
    // What cannot even be read would help nobody.
    Registry::built_in().read(&text, &file).map_err(|problems| problems.join("; "))?;
    match &new.out {
        None => say(text.trim_end()),
        Some(out) => {
            let mut options = fs::File::options();
            let opened = options.write(true).create_new(true).open(out);
            let written =
                opened.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
            written.map_err(|error| format!("write {file}: {error}"))?;
            say(&format!("wrote {file}; next: ifctl provider check {file}"));
        }
    }
    Ok(())
}

/// The manifest with what is to be looked at above it.
fn written(manifest: &Json, notes: &[String]) -> Result<String, Box<dyn Error>> {
    let mut text = String::from(
        "# A beginning: compare every line with the vendor's reference, then set `checked`.\n\
         # docs/writing-a-provider.md says what each part is for.\n",
    );
    for note in notes {
        writeln!(text, "# - {note}")?;
    }
    text.push_str(&serde_saphyr::to_string(manifest)?);
    Ok(text)
}
