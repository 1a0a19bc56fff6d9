//! Entry bundles: up to 256 entries, each after its length in 16 bits.

use std::ops::Range;
use std::path::{Path, PathBuf};

use tlog_tiles::Tile;

use super::layout::{self, FileError, WIDTH};

/// The entries of a bundle that was loaded from a file.
pub(super) struct Bundle {
    file: PathBuf,
    bytes: Vec<u8>,
    at: usize,
    index: u64,
    end: u64,
    replaced: bool,
}

/// An entry as it lies in its bundle.
pub(super) struct Found<'a> {
    /// Its index in the log.
    pub(super) index: u64,
    /// The file it lies in.
    pub(super) bundle: &'a Path,
    /// The bytes that are hashed into the tree.
    pub(super) bytes: &'a [u8],
}

impl Bundle {
    /// Loads `tile`, which must be a bundle.
    pub(super) fn load(dir: &Path, tile: &Tile) -> Result<Bundle, FileError> {
        let (file, bytes) = layout::load(dir, tile)?;
        let index = tile.level_index() * WIDTH;
        let end = index + u64::from(tile.width());
        let replaced = file != dir.join(layout::path(tile));
        let at = 0;
        Ok(Bundle { file, bytes, at, index, end, replaced })
    }

    /// The next entry; none after the last one that the log has here.
    pub(super) fn next(&mut self) -> Result<Option<Found<'_>>, FileError> {
        if self.index == self.end {
            return self.finish().map(|()| None);
        }
        let index = self.index;
        let Some(range) = entry_range(&self.bytes, self.at) else {
            return Err(FileError::Torn { file: self.file.clone(), index });
        };
        self.at = range.end;
        self.index += 1;
        Ok(Some(Found { index, bundle: &self.file, bytes: &self.bytes[range] }))
    }

    /// A file that is not a later form of the one asked for must end here.
    fn finish(&self) -> Result<(), FileError> {
        let rest = self.bytes.len() - self.at;
        if rest > 0 && !self.replaced {
            let (file, index) = (self.file.clone(), self.end - 1);
            return Err(FileError::Excess { file, index, bytes: rest });
        }
        Ok(())
    }
}

/// Where the entry lies whose length is at `at`; none if the bundle ends too early.
fn entry_range(bundle: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at.checked_add(2)?;
    let length: [u8; 2] = bundle.get(at..start)?.try_into().ok()?;
    let range = start..start + usize::from(u16::from_be_bytes(length));
    (range.end <= bundle.len()).then_some(range)
}
