//! Durable writing: what is written here is on disk before the call returns.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::edge::TileFile;
use super::layout;
use super::sweep::Sweeper;
use super::writer::CommitError;

/// Writes the files of one log.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    /// Folders whose own entry in their parent is known to be on disk.
    durable: HashSet<PathBuf>,
    sweeper: Sweeper,
}

impl Store {
    /// A store over `dir`, which exists and is durable.
    pub(super) fn new(dir: PathBuf) -> Store {
        let durable = HashSet::from([dir.clone()]);
        Store { dir, durable, sweeper: Sweeper::default() }
    }

    /// Writes tiles and bundles, with the folders they need, and waits for the disk.
    ///
    /// None of them may be covered by a checkpoint yet: on failure they are removed, which gives
    /// a full disk its space back.
    pub(super) fn write(&mut self, files: &[TileFile]) -> Result<(), CommitError> {
        let written = self.try_write(files);
        if written.is_err() {
            for (tile, _) in files {
                // Whatever stays is discarded when the log is next opened.
                let _ = fs::remove_file(self.dir.join(layout::path(tile)));
            }
        }
        written
    }

    fn try_write(&mut self, files: &[TileFile]) -> Result<(), CommitError> {
        let mut changed = BTreeSet::new();
        let mut created = Vec::new();
        for (tile, bytes) in files {
            let file = self.dir.join(layout::path(tile));
            if let Some(parent) = file.parent() {
                self.make_folder(parent, &mut changed, &mut created)?;
                changed.insert(parent.to_owned());
            }
            write_synced(&file, bytes).map_err(|source| CommitError::Write { file, source })?;
        }
        for folder in changed {
            sync_folder(&folder).map_err(|source| CommitError::SyncFolder { folder, source })?;
        }
        self.durable.extend(created);
        Ok(())
    }

    /// Makes `folder` and those above it, and notes whose parents must be synced: all that this
    /// process has not seen synced, because a killed one may have made them.
    fn make_folder(
        &self,
        folder: &Path,
        changed: &mut BTreeSet<PathBuf>,
        created: &mut Vec<PathBuf>,
    ) -> Result<(), CommitError> {
        if self.durable.contains(folder) || changed.contains(folder) {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.make_folder(parent, changed, created)?;
            changed.insert(parent.to_owned());
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let folder = folder.to_owned();
                Err(CommitError::CreateFolder { folder, source: error })
            }
            _ => {
                created.push(folder.to_owned());
                Ok(())
            }
        }
    }

    /// Puts `checkpoint` in the place of the present one; not durable before [`Store::settle`].
    pub(super) fn replace_checkpoint(&self, checkpoint: &[u8]) -> Result<(), CommitError> {
        let temporary = self.dir.join(layout::CHECKPOINT_TEMPORARY);
        write_synced(&temporary, checkpoint)
            .map_err(|source| CommitError::Write { file: temporary.clone(), source })?;
        let file = self.dir.join(layout::CHECKPOINT);
        fs::rename(&temporary, &file).map_err(|source| CommitError::Publish { file, source })
    }

    /// Waits until the newest checkpoint is on disk under its name.
    pub(super) fn settle(&self) -> Result<(), CommitError> {
        sync_folder(&self.dir)
            .map_err(|source| CommitError::Settle { folder: self.dir.clone(), source })
    }

    /// Removes the partial forms of those of `files` that are full: now the specification allows it.
    /// The next commit does not wait for that.
    pub(super) fn drop_outgrown(&mut self, files: &[TileFile]) {
        let full = files.iter().filter(|(tile, _)| layout::is_full(tile));
        let folders: Vec<PathBuf> =
            full.map(|(tile, _)| self.dir.join(format!("{}.p", layout::path(tile)))).collect();
        for folder in &folders {
            self.durable.remove(folder);
        }
        self.sweeper.remove(folders);
    }
}

fn write_synced(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut out = File::create(file)?;
    out.write_all(bytes)?;
    out.sync_all()
}

/// Waits until the names in `folder` are on disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
