//! The growing right edge of the tree: all that is needed to append.

use std::fs;
use std::path::Path;

use tlog_tiles::{Hash, HashReader, Tile, record_hash, tree_hash};

use super::layout::{self, FileError, HEIGHT, LEVELS, WIDTH};

/// A tile or bundle and what its file must hold.
pub(super) type TileFile = (Tile, Vec<u8>);

/// The tiles and the bundle that are not yet full, one tile a level.
#[derive(Clone, Debug, Default)]
pub(super) struct Edge {
    size: u64,
    bundle: Vec<u8>,
    levels: Vec<Vec<u8>>,
}

impl Edge {
    /// The edge of the verified log of `size` entries in `dir`.
    ///
    /// Takes partial files only: a full file in their place has more than the log covers.
    pub(super) fn load(dir: &Path, size: u64) -> Result<Edge, FileError> {
        let strict = |tile: &Tile| {
            let file = dir.join(layout::path(tile));
            fs::read(&file).map_err(|source| FileError::Read { file, source })
        };
        let bundle = match layout::partial_bundle(size) {
            Some(tile) => strict(&tile)?,
            None => Vec::new(),
        };
        let mut levels = Vec::new();
        for level in (0..LEVELS).take_while(|level| size >> (HEIGHT * level) > 0) {
            levels.push(match layout::partial(level, size) {
                Some(tile) => strict(&tile)?,
                None => Vec::new(),
            });
        }
        Ok(Edge { size, bundle, levels })
    }

    /// Number of entries in the log.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends `entry` (at most 65,535 bytes); what becomes full by it goes to `full`.
    pub(super) fn push(&mut self, entry: &[u8], full: &mut Vec<TileFile>) -> Hash {
        let length = u16::try_from(entry.len()).expect("Entry::encode bounds the length");
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(entry);
        self.size += 1;
        if self.size.is_multiple_of(WIDTH) {
            let tile = layout::as_bundle(full_tile(0, self.size));
            full.push((tile, std::mem::take(&mut self.bundle)));
        }
        let leaf = record_hash(entry);
        self.carry(leaf, full);
        leaf
    }

    /// Adds `hash` to level 0, and the hash of each tile that becomes full to the next level.
    fn carry(&mut self, mut hash: Hash, full: &mut Vec<TileFile>) {
        for level in 0..LEVELS {
            let index = usize::from(level);
            if index == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[index].extend_from_slice(&hash.0);
            if !(self.size >> (HEIGHT * level)).is_multiple_of(WIDTH) {
                return;
            }
            let hashes = std::mem::take(&mut self.levels[index]);
            hash = Tile::subtree_hash(&hashes);
            full.push((full_tile(level, self.size), hashes));
        }
    }

    /// The partial files that differ from those of the log when it had `before` entries.
    pub(super) fn partials(&self, before: u64) -> Vec<TileFile> {
        let changed = |level: &u8| self.size >> (HEIGHT * level) != before >> (HEIGHT * level);
        let mut files = Vec::new();
        if let Some(tile) = layout::partial_bundle(self.size) {
            files.push((tile, self.bundle.clone()));
        }
        for level in (0..LEVELS).take_while(changed) {
            if let Some(tile) = layout::partial(level, self.size) {
                files.push((tile, self.levels[usize::from(level)].clone()));
            }
        }
        files
    }

    /// The root hash of the tree.
    pub(super) fn root(&self) -> Result<Hash, tlog_tiles::Error> {
        tree_hash(self.size, self)
    }
}

/// Answers for the complete subtrees that the root is made of: all of them lie in partial tiles.
impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let hash = |index: &u64| {
            let level = Tile::from_index(HEIGHT, *index).level();
            let tile = layout::partial(level, self.size);
            let hashes = self.levels.get(usize::from(level));
            match tile.zip(hashes) {
                Some((tile, hashes)) => tile.hash_at_index(hashes, *index),
                None => Err(tlog_tiles::Error::IndexesNotInTree),
            }
        };
        indexes.iter().map(hash).collect()
    }
}

/// The tile at `level` that the newest of `size` entries made full.
fn full_tile(level: u8, size: u64) -> Tile {
    let number = (size >> (HEIGHT * level)) / WIDTH - 1;
    Tile::new(HEIGHT, level, number, 1 << HEIGHT, false)
}
