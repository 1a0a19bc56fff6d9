//! Reading entries back, without verifying them.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::bundle::Bundle;
use super::checkpoint::{self, CheckpointError};
use super::entry::Entry;
use super::layout::{self, FileError};

/// Why an entry could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no checkpoint that says how many entries there are.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// A bundle is missing, too short or too long.
    #[error(transparent)]
    File(FileError),
    /// The bytes are not an entry as this version knows them.
    #[error("entry {index} in {bundle:?} is not a witness entry")]
    Decode {
        /// Index of the entry.
        index: u64,
        /// Where it is.
        bundle: PathBuf,
        /// What the decoder said.
        #[source]
        source: serde_json::Error,
    },
}

/// The entries of a log, oldest first, each with its index; ends after the first broken file.
pub struct Entries {
    dir: PathBuf,
    bundles: Box<dyn Iterator<Item = tlog_tiles::Tile> + Send>,
    open: Option<Bundle>,
}

/// Reads the entries that the checkpoint in `dir` covers, also while the log is being written.
///
/// Trusts the files: [`verify`](super::verify()) is what proves them.
pub fn read(dir: &Path) -> Result<Entries, ReadError> {
    let head = checkpoint::read(dir).map_err(ReadError::Checkpoint)?;
    let bundles = Box::new(layout::bundles(head.size()));
    Ok(Entries { dir: dir.to_owned(), bundles, open: None })
}

impl Entries {
    fn advance(&mut self) -> Result<Option<(u64, Entry)>, ReadError> {
        loop {
            if let Some(open) = &mut self.open
                && let Some(found) = open.next().map_err(ReadError::File)?
            {
                let (index, bundle) = (found.index, found.bundle.to_owned());
                let entry = serde_json::from_slice(found.bytes)
                    .map_err(|source| ReadError::Decode { index, bundle, source })?;
                return Ok(Some((index, entry)));
            }
            let Some(tile) = self.bundles.next() else {
                return Ok(None);
            };
            self.open = Some(Bundle::load(&self.dir, &tile).map_err(ReadError::File)?);
        }
    }

    /// Nothing can follow a bundle that is not whole: its entries could not be told apart.
    fn stop(&mut self) {
        self.bundles = Box::new(std::iter::empty());
        self.open = None;
    }
}

impl Iterator for Entries {
    type Item = Result<(u64, Entry), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if matches!(next, Err(ReadError::File(_)) | Ok(None)) {
            self.stop();
        }
        next.transpose()
    }
}
