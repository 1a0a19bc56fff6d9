//! `ifctl provider`: what the definitions are, and whether one is right.

mod against;
mod attempt;
mod deliveries;
mod facts;
mod new;
mod webhook;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use infrafabric_adapters::compile::{Compiled, Problem};
use infrafabric_adapters::registry::{Registry, Source};

use crate::say;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the built-in definitions.
    List,
    /// Say what a definition needs and can do.
    Show {
        /// The name of a built-in one, or a file.
        definition: PathBuf,
    },
    /// Print what all built-in definitions can do, as a table in Markdown.
    Matrix {
        /// Write it as `providers.md` into this folder instead.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Check definition files; every problem is named with its path.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The vendor's OpenAPI description (JSON or YAML): every request of the definitions and every
        /// answer of their simulators is held against it. Of several, the first that knows a path
        /// judges it.
        #[arg(long)]
        against: Vec<PathBuf>,
        /// Text of a mismatch in which the description is known to be wrong or silent.
        #[arg(long, requires = "against")]
        except: Vec<String>,
    },
    /// Write the beginning of a definition, from the vendor's OpenAPI description or from answers to
    /// questions.
    New(new::New),
    /// Do one thing that a definition can do, against its simulator or, with `--secret`, a real account.
    Try(Box<attempt::Try>),
    /// Say whether a captured webhook delivery comes from the provider.
    Webhook(webhook::Captured),
    /// Print what a simulated provider delivers to who listens, signed by its sandbox secrets, or bring it
    /// there.
    Deliveries(deliveries::Deliveries),
}

pub(crate) async fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::List => {
            let registry = Registry::built_in();
            for (name, source) in registry.names() {
                let title = registry.get(&name).map(|(d, _)| d.spec().title.0.clone());
                let source = if source == Source::BuiltIn { "built in" } else { "given" };
                say(&format!("{name}\t{}\t{source}", title.unwrap_or_default()));
            }
            Ok(())
        }
        Command::Show { definition } => show(&definition),
        Command::Matrix { dir } => matrix(dir.as_deref()),
        Command::Check { files, against, except } => {
            // What tries everything is large.
            Box::pin(check(&files, &against, &except)).await
        }
        Command::New(new) => new::run(&new),
        Command::Try(given) => {
            let definition = simulated(&given.definition)?;
            attempt::run(definition, &given).await
        }
        Command::Deliveries(given) => {
            let definition = simulated(&given.definition)?;
            deliveries::run(&definition, &given).await
        }
        Command::Webhook(captured) => {
            let (definition, _) = find(&captured.definition)?;
            webhook::run(&definition, &captured)
        }
    }
}

fn said(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn show(wanted: &Path) -> Result<(), Box<dyn Error>> {
    let (definition, source) = find(wanted)?;
    say(facts::show(&definition, &source).trim_end());
    Ok(())
}

/// A built-in definition by its name, or one in a file; and where it is from.
fn find(wanted: &Path) -> Result<(Arc<Compiled>, String), Box<dyn Error>> {
    let registry = Registry::built_in();
    let name = wanted.to_string_lossy();
    if let Some((definition, _)) = registry.get(&name) {
        return Ok((definition, "built in".to_owned()));
    }
    if !wanted.exists() {
        let known: Vec<String> = registry.names().into_iter().map(|(name, _)| name).collect();
        return Err(format!(
            "`{name}` is neither a file nor a built-in definition; there are {}",
            known.join(", ")
        )
        .into());
    }
    let text = std::fs::read_to_string(wanted).map_err(|error| format!("read {name}: {error}"))?;
    let (own, spec) = registry.read(&text, &name).map_err(|problems| problems.join("; "))?;
    let definition = Compiled::new(&own, spec).map_err(|problems| said(&problems))?;
    Ok((Arc::new(definition), name.into_owned()))
}

/// The same with what only its simulator needs.
fn simulated(wanted: &Path) -> Result<Arc<Compiled>, Box<dyn Error>> {
    let built_in = Registry::built_in().simulated(&wanted.to_string_lossy());
    built_in.map_or_else(|| find(wanted).map(|(definition, _)| definition), Ok)
}

/// A vendor's description, in JSON or YAML.
fn openapi(file: &Path) -> Result<serde_json::Value, Box<dyn Error>> {
    let said = |reason: String| format!("read {}: {reason}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| said(error.to_string()))?;
    let document: serde_json::Value = match serde_json::from_str(&text) {
        Ok(document) => document,
        Err(_) => serde_saphyr::from_str(&text).map_err(|error| said(error.to_string()))?,
    };
    if document.get("paths").is_none_or(|paths| !paths.is_object()) {
        return Err(said("no OpenAPI description: it has no `paths`".to_owned()).into());
    }
    Ok(document)
}

fn matrix(dir: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let registry = Registry::built_in();
    registry.compile_all().map_err(|problems| said(&problems))?;
    let names = registry.names();
    let mut all: Vec<Arc<Compiled>> =
        names.iter().filter_map(|(name, _)| Some(registry.get(name)?.0)).collect();
    all.sort_by(|a, b| {
        let key = |one: &Compiled| (one.spec().domain.as_str(), one.name().to_owned());
        key(a).cmp(&key(b))
    });
    let page = facts::matrix(&all);
    let Some(dir) = dir else {
        say(page.trim_end());
        return Ok(());
    };
    let path = dir.join("providers.md");
    std::fs::write(&path, page).map_err(|error| format!("write {}: {error}", path.display()).into())
}

async fn check(
    files: &[PathBuf],
    descriptions: &[PathBuf],
    except: &[String],
) -> Result<(), Box<dyn Error>> {
    let registry = Registry::built_in();
    let mut bad = 0;
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("read {}: {error}", file.display()))?;
        let read = registry.read(&text, &file.display().to_string());
        let checked = read.and_then(|(name, spec)| {
            Compiled::new(&name, spec).map_err(|all| all.iter().map(ToString::to_string).collect())
        });
        match checked {
            Ok(compiled) => {
                say(&format!("{}: ok, digest {}", file.display(), compiled.digest()));
                if !descriptions.is_empty()
                    && !compare(file, compiled, descriptions, except).await?
                {
                    bad += 1;
                }
            }
            Err(problems) => {
                bad += 1;
                for problem in problems {
                    say(&format!("{}: {problem}", file.display()));
                }
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(format!("{bad} of {} files are wrong", files.len()).into()) }
}

/// Says every mismatch with the descriptions; whether there is none.
async fn compare(
    file: &Path,
    definition: Compiled,
    descriptions: &[PathBuf],
    except: &[String],
) -> Result<bool, Box<dyn Error>> {
    let definition = Arc::new(definition);
    let findings = against::check(&definition, descriptions, except).await?;
    for untried in &findings.untried {
        say(&format!("{}: not tried: {untried}", file.display()));
    }
    for mismatch in &findings.excepted {
        say(&format!("{}: excepted: {mismatch}", file.display()));
    }
    for mismatch in &findings.mismatches {
        say(&format!("{}: {mismatch}", file.display()));
    }
    let count = findings.mismatches.len();
    say(&format!(
        "{}: {} exchanges with its simulator, {count} mismatches with the description",
        file.display(),
        findings.exchanges
    ));
    Ok(count == 0 && findings.untried.is_empty())
}
