//! Opening: lock, recognise, verify, discard what a kill left behind.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tlog_tiles::EMPTY_HASH;

use super::checkpoint::{self, CheckpointError};
use super::edge::Edge;
use super::keys::{Keys, KeysError};
use super::layout::{self, FileError};
use super::store::{self, Store};
use super::verify::{self, VerifyError};
use super::writer::CommitError;

/// Why a log was not opened; it was not changed, except for remains that were discarded.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder could not be made.
    #[error("cannot create the witness folder {dir:?}")]
    CreateFolder {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The lock file could not be made or locked.
    #[error("cannot lock {file:?}")]
    Lock {
        /// The lock file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process, or another handle of this one, has the log open.
    #[error("witness log {dir:?} is open already: {file:?} is locked")]
    Locked {
        /// The folder of the log.
        dir: PathBuf,
        /// The lock file.
        file: PathBuf,
    },
    /// The key's name cannot be in a signature.
    #[error(transparent)]
    Key(KeysError),
    /// The checkpoint cannot be read, or is not signed by our key.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// The log is another one.
    #[error("{file:?} is of the log {found:?}, not {expected:?}")]
    OtherOrigin {
        /// The checkpoint.
        file: PathBuf,
        /// Its origin.
        found: String,
        /// The origin to be opened.
        expected: String,
    },
    /// There are tiles, but the checkpoint that would cover them is gone.
    #[error("witness log {dir:?} has a folder {:?} but no {:?}", layout::TILES, layout::CHECKPOINT)]
    NoCheckpoint {
        /// The folder of the log.
        dir: PathBuf,
    },
    /// What the checkpoint covers is not what is on disk.
    #[error(transparent)]
    Verify(VerifyError),
    /// A file the next entry builds on is gone.
    #[error(transparent)]
    Edge(FileError),
    /// What a kill left beyond the checkpoint could not be listed or removed.
    #[error("cannot discard what lies beyond the checkpoint at {path:?}")]
    Discard {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The first checkpoint of a new log could not be written.
    #[error("cannot start a witness log in {dir:?}")]
    Start {
        /// The folder of the log.
        dir: PathBuf,
        /// The step that failed.
        #[source]
        source: CommitError,
    },
    /// The system gives no thread for the writer.
    #[error("cannot start the writer of the witness log")]
    StartWriter {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The runtime ended while the log was being opened.
    #[error("opening the witness log was interrupted")]
    Join {
        /// What the runtime said.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// An open log as the writer takes it over.
#[derive(Debug)]
pub(super) struct Opened {
    /// The end of the tree.
    pub(super) edge: Edge,
    /// Its files.
    pub(super) store: Store,
    /// The first line of its checkpoints.
    pub(super) origin: String,
    /// Held until the writer ends; the last field, because the store ends its removals when dropped.
    _lock: File,
}

/// Opens or starts the log in `dir`.
pub(super) fn open(dir: &Path, origin: &str, keys: &Keys) -> Result<Opened, OpenError> {
    if !signed_note::is_key_name_valid(keys.name()) {
        return Err(OpenError::Key(KeysError::Name { name: keys.name().to_owned() }));
    }
    create_folder(dir).map_err(|source| OpenError::CreateFolder { dir: dir.to_owned(), source })?;
    let lock = lock(dir)?;
    let store = Store::new(dir.to_owned());
    if !dir.join(layout::CHECKPOINT).exists() {
        start(dir, origin, keys, &store)?;
    }
    let edge = recover(dir, origin, keys)?;
    Ok(Opened { edge, store, origin: origin.to_owned(), _lock: lock })
}

/// Makes `dir` and those above it, durably.
fn create_folder(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_folder(parent)?;
    }
    fs::create_dir(dir)?;
    store::sync_folder(parent.unwrap_or(Path::new(".")))
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let file = dir.join(layout::LOCK);
    let opened = File::options().create(true).truncate(false).write(true).open(&file);
    let lock = opened.map_err(|source| OpenError::Lock { file: file.clone(), source })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned(), file }),
        Err(TryLockError::Error(source)) => Err(OpenError::Lock { file, source }),
    }
}

/// Signs the empty log, so that key and origin stand before the first entry.
fn start(dir: &Path, origin: &str, keys: &Keys, store: &Store) -> Result<(), OpenError> {
    if dir.join(layout::TILES).exists() {
        return Err(OpenError::NoCheckpoint { dir: dir.to_owned() });
    }
    let note = checkpoint::sign(keys, origin, 0, EMPTY_HASH).map_err(OpenError::Checkpoint)?;
    store
        .replace_checkpoint(&note)
        .and_then(|()| store.settle())
        .map_err(|source| OpenError::Start { dir: dir.to_owned(), source })
}

/// Verifies what the checkpoint covers and discards the rest.
fn recover(dir: &Path, origin: &str, keys: &Keys) -> Result<Edge, OpenError> {
    let head = checkpoint::verify(dir, &keys.verifier()).map_err(OpenError::Checkpoint)?;
    if head.origin() != origin {
        let (found, expected) = (head.origin().to_owned(), origin.to_owned());
        return Err(OpenError::OtherOrigin { file: dir.join(layout::CHECKPOINT), found, expected });
    }
    verify::check(dir, &head, |_| Ok(())).map_err(OpenError::Verify)?;
    let edge = Edge::load(dir, head.size()).map_err(OpenError::Edge)?;
    let tiles = dir.join(layout::TILES);
    if tiles.exists() {
        discard(&tiles, layout::TILES, head.size())?;
    }
    Ok(edge)
}

/// Removes the tiles in `folder` that a log of `size` entries does not cover or has outgrown.
///
/// `name` is the folder's path within the log. Files that are no tiles are left alone.
fn discard(folder: &Path, name: &str, size: u64) -> Result<(), OpenError> {
    let failed = |path: &Path, source| OpenError::Discard { path: path.to_owned(), source };
    for item in fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let item = item.map_err(|source| failed(folder, source))?;
        let (path, child) = (item.path(), format!("{name}/{}", item.file_name().display()));
        if item.file_type().map_err(|source| failed(&path, source))?.is_dir() {
            discard(&path, &child, size)?;
            // A folder that is now empty goes; any other stays, and that is no failure.
            let _ = fs::remove_dir(&path);
            continue;
        }
        let Some(tile) = layout::parse(&child) else {
            continue;
        };
        if !layout::covers(size, &tile) || layout::outgrown(size, &tile) {
            fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}
