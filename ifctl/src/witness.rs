//! `ifctl witness`: reads and verifies the log without the operator.

use std::error::Error;
use std::path::PathBuf;

use clap::Subcommand;
use infrafabric::witness::{read, verify};

use crate::say;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the entries, one JSON object a line.
    List {
        /// Folder of the log.
        dir: PathBuf,
    },
    /// Recompute the whole log from its files and check its signature.
    Verify {
        /// Folder of the log.
        dir: PathBuf,
        /// The verifier key, as the operator prints it at its start.
        #[arg(long)]
        key: String,
    },
}

pub(crate) fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::List { dir } => {
            for entry in read(&dir)? {
                let (index, entry) = entry?;
                say(&format!("{index} {}", serde_json::to_string(&entry)?));
            }
        }
        Command::Verify { dir, key } => {
            let report = verify(&dir, &key)?;
            say(&format!("{} entries verify, root {}", report.entries, report.root));
        }
    }
    Ok(())
}
