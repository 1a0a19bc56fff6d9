//! `ifctl provider`: what the definitions are, and whether one is right.

use std::error::Error;
use std::path::PathBuf;

use clap::Subcommand;
use infrafabric_adapters::compile::{Compiled, parse};
use infrafabric_adapters::registry::{Registry, Source};

use crate::say;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the built-in definitions.
    List,
    /// Check definition files; every problem is named with its path.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(crate) fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::List => {
            let registry = Registry::built_in().map_err(|p| format!("{p:?}"))?;
            for (name, source) in registry.names() {
                let title = registry.get(&name).map(|(d, _)| d.spec().title.0.clone());
                let source = if source == Source::BuiltIn { "built in" } else { "given" };
                say(&format!("{name}\t{}\t{source}", title.unwrap_or_default()));
            }
            Ok(())
        }
        Command::Check { files } => check(&files),
    }
}

fn check(files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let mut bad = 0;
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("read {}: {error}", file.display()))?;
        let checked = parse(&text, &file.display().to_string())
            .map_err(|error| vec![error.to_string()])
            .and_then(|(name, spec)| {
                Compiled::new(&name, spec)
                    .map_err(|all| all.iter().map(ToString::to_string).collect())
            });
        match checked {
            Ok(compiled) => say(&format!("{}: ok, digest {}", file.display(), compiled.digest())),
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
