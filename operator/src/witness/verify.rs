//! Verification from the files alone: entries → leaf hashes → tiles → root → signature.
//!
//! Shares no state and no tree code with the writer: the hashes are computed by `tlog_tiles` in the
//! order of its own hash storage, not by growing an edge.

use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;
use tlog_tiles::{
    Checkpoint, HASH_SIZE, Hash, HashReader, Tile, record_hash, stored_hashes_for_record_hash,
    tree_hash,
};

use super::bundle::{Bundle, Found};
use super::checkpoint::{self, CheckpointError};
use super::entry::Entry;
use super::layout::{self, FileError, HEIGHT};

/// Of what a log was found to consist.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The log's name: the first line of its checkpoint.
    pub origin: String,
    /// Size of the tree by the signed checkpoint.
    pub size: u64,
    /// Root hash in base64.
    pub root: String,
    /// Entries that were read, hashed and understood.
    pub entries: u64,
}

/// What does not fit in a log.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The checkpoint cannot be trusted.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// A tile or bundle is missing, too short or too long.
    #[error(transparent)]
    File(FileError),
    /// An entry is not the one that was logged, or its leaf hash was changed.
    #[error("entry {index} in {bundle:?} does not have the hash that {tile:?} has for it")]
    Entry {
        /// Index of the entry.
        index: u64,
        /// Where the entry is.
        bundle: PathBuf,
        /// Where its leaf hash is.
        tile: PathBuf,
    },
    /// An upper tile does not follow from the tiles below it.
    #[error("hash {position} of {tile:?} does not follow from the tile below it")]
    Tile {
        /// The tile.
        tile: PathBuf,
        /// Position of the hash in the tile, counted from 0.
        position: usize,
    },
    /// All files fit together, but they are not what was signed.
    #[error("{file:?} has the root {signed} for {size} entries, but they have {computed}")]
    Root {
        /// The checkpoint.
        file: PathBuf,
        /// Size by the checkpoint.
        size: u64,
        /// Root by the checkpoint, in base64.
        signed: String,
        /// Root of the entries, in base64.
        computed: String,
    },
    /// The tree could not be computed.
    #[error("cannot compute the tree of {size} entries")]
    Compute {
        /// Size by the checkpoint.
        size: u64,
        /// What the library said.
        #[source]
        source: tlog_tiles::Error,
    },
    /// An entry is intact, but is not an entry as this version knows them.
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

/// Verifies the log in `dir` against the verifier key `vkey`, also while it is being written.
///
/// Reads every byte that the checkpoint covers; takes 64 bytes of memory an entry.
///
/// # Errors
///
/// The first thing that does not fit, with its file and, where it can be told, the entry's index.
pub fn verify(dir: &Path, vkey: &str) -> Result<Report, VerifyError> {
    let head = checkpoint::verify(dir, vkey).map_err(VerifyError::Checkpoint)?;
    let mut entries = 0;
    check(dir, &head, |found| {
        entries += 1;
        let (index, bundle) = (found.index, found.bundle.to_owned());
        let decoded = serde_json::from_slice::<Entry>(found.bytes);
        decoded.map(drop).map_err(|source| VerifyError::Decode { index, bundle, source })
    })?;
    let (origin, root) = (head.origin().to_owned(), head.hash().to_string());
    Ok(Report { origin, size: head.size(), root, entries })
}

/// Verifies all that `head` covers, and shows each entry to `each`.
pub(super) fn check(
    dir: &Path,
    head: &Checkpoint,
    mut each: impl FnMut(&Found<'_>) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let size = head.size();
    let compute = |source| VerifyError::Compute { size, source };
    let mut stored = Stored(Vec::new());
    for tile in layout::bundles(size) {
        let mut bundle = Bundle::load(dir, &tile).map_err(VerifyError::File)?;
        let leaves = Leaves::load(dir, &tile)?;
        while let Some(found) = bundle.next().map_err(VerifyError::File)? {
            let leaf = record_hash(found.bytes);
            leaves.check(&found, leaf)?;
            each(&found)?;
            let hashes = stored_hashes_for_record_hash(found.index, leaf, &stored);
            stored.0.extend(hashes.map_err(compute)?);
        }
    }
    for tile in Tile::new_tiles(HEIGHT, 0, size).iter().filter(|tile| tile.level() > 0) {
        check_tile(dir, tile, &tile.read_data(&stored).map_err(compute)?)?;
    }
    check_root(dir, head, tree_hash(size, &stored).map_err(compute)?)
}

/// The leaf hashes beside a bundle.
struct Leaves {
    first: u64,
    file: PathBuf,
    hashes: Vec<u8>,
}

impl Leaves {
    fn load(dir: &Path, bundle: &Tile) -> Result<Leaves, VerifyError> {
        let tile = Tile::new(HEIGHT, 0, bundle.level_index(), bundle.width(), false);
        let (file, hashes) = layout::load_hashes(dir, &tile).map_err(VerifyError::File)?;
        Ok(Leaves { first: bundle.level_index() * layout::WIDTH, file, hashes })
    }

    fn check(&self, found: &Found<'_>, leaf: Hash) -> Result<(), VerifyError> {
        let position = usize::try_from(found.index - self.first).unwrap_or(usize::MAX);
        if self.hashes.chunks_exact(HASH_SIZE).nth(position) == Some(leaf.0.as_slice()) {
            return Ok(());
        }
        let (bundle, tile) = (found.bundle.to_owned(), self.file.clone());
        Err(VerifyError::Entry { index: found.index, bundle, tile })
    }
}

fn check_tile(dir: &Path, tile: &Tile, expected: &[u8]) -> Result<(), VerifyError> {
    let (file, found) = layout::load_hashes(dir, tile).map_err(VerifyError::File)?;
    let pairs = found.chunks_exact(HASH_SIZE).zip(expected.chunks_exact(HASH_SIZE));
    match pairs.enumerate().find(|(_, (found, expected))| found != expected) {
        Some((position, _)) => Err(VerifyError::Tile { tile: file, position }),
        None => Ok(()),
    }
}

fn check_root(dir: &Path, head: &Checkpoint, computed: Hash) -> Result<(), VerifyError> {
    if *head.hash() == computed {
        return Ok(());
    }
    Err(VerifyError::Root {
        file: dir.join(layout::CHECKPOINT),
        size: head.size(),
        signed: head.hash().to_string(),
        computed: computed.to_string(),
    })
}

/// All hashes of the tree in the storage order of `tlog_tiles`.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let hash = |index: &u64| {
            let hash = usize::try_from(*index).ok().and_then(|index| self.0.get(index));
            hash.copied().ok_or(tlog_tiles::Error::IndexesNotInTree)
        };
        indexes.iter().map(hash).collect()
    }
}
