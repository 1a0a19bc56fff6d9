//! Where a log keeps what: the paths and file formats of <https://c2sp.org/tlog-tiles>.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tlog_tiles::{HASH_SIZE, Tile};

/// Height of every tile; a full tile holds 2⁸ hashes, a full bundle 2⁸ entries.
pub(super) const HEIGHT: u8 = 8;
/// Hashes in a full tile, entries in a full bundle.
pub(super) const WIDTH: u64 = 1 << HEIGHT;
/// Levels that can exist: a size has 64 bits.
pub(super) const LEVELS: u8 = 8;
/// The folder of all tiles and bundles.
pub(super) const TILES: &str = "tile";
/// The signed head of the log.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// Where the next checkpoint is written before it takes the place of the present one.
pub(super) const CHECKPOINT_TEMPORARY: &str = "checkpoint.tmp";
/// Locked while a process has the log open.
pub(super) const LOCK: &str = "lock";

/// Why a tile or bundle cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file could not be read.
    #[error("cannot read {file:?}")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A bundle ends before the entry.
    #[error("{file:?} ends before or inside entry {index}")]
    Torn {
        /// The bundle.
        file: PathBuf,
        /// The first entry that is not whole.
        index: u64,
    },
    /// A bundle goes on after its last entry.
    #[error("{file:?} has {bytes} bytes after its last entry {index}")]
    Excess {
        /// The bundle.
        file: PathBuf,
        /// Its last entry by the checkpoint.
        index: u64,
        /// Length of the rest.
        bytes: usize,
    },
    /// A tile is not as long as its number of hashes asks.
    #[error("{file:?} has {bytes} bytes instead of {expected}")]
    Length {
        /// The tile.
        file: PathBuf,
        /// Its length.
        bytes: usize,
        /// The length it must have.
        expected: usize,
    },
}

/// The file of a tile or bundle, relative to the log's folder.
///
/// `tlog_tiles` writes paths of the older Go layout, with the height and with `data`.
pub(super) fn path(tile: &Tile) -> String {
    let path = tile.path();
    let rest = path.strip_prefix("tile/8/").unwrap_or(&path);
    match rest.strip_prefix("data/") {
        Some(number) => format!("{TILES}/entries/{number}"),
        None => format!("{TILES}/{rest}"),
    }
}

/// The tile or bundle whose file, relative to the log's folder, is `path`; none for other files.
pub(super) fn parse(path: &str) -> Option<Tile> {
    let (level, rest) = path.strip_prefix(TILES)?.strip_prefix('/')?.split_once('/')?;
    // The library asserts on a width of nothing and on a level that cannot be.
    if rest.rsplit_once(".p/").is_some_and(|(_, width)| width.parse() == Ok(0_u32)) {
        return None;
    }
    let level = match level {
        "entries" => "data",
        number if number.parse::<u8>().is_ok_and(|level| level < LEVELS) => number,
        _ => return None,
    };
    Tile::from_path(&format!("tile/{HEIGHT}/{level}/{rest}")).ok()
}

/// The bundles of a log of `size` entries, in order.
pub(super) fn bundles(size: u64) -> impl Iterator<Item = Tile> {
    (0..size.div_ceil(WIDTH)).map(move |number| bundle(number, size))
}

/// Bundle `number` of a log of `size` entries, which must reach into it.
fn bundle(number: u64, size: u64) -> Tile {
    Tile::new(HEIGHT, 0, number, width(size - number * WIDTH), true)
}

/// How many of `rest` entries or hashes the next file holds.
fn width(rest: u64) -> u32 {
    u32::try_from(rest.min(WIDTH)).unwrap_or(u32::MAX)
}

/// The partial tile at the right edge of `level` in a log of `size` entries; none if the level
/// is empty there.
pub(super) fn partial(level: u8, size: u64) -> Option<Tile> {
    let count = size >> (HEIGHT * level);
    let rest = count % WIDTH;
    (rest > 0).then(|| Tile::new(HEIGHT, level, count / WIDTH, width(rest), false))
}

/// The partial bundle at the end of a log of `size` entries; none if the last one is full.
pub(super) fn partial_bundle(size: u64) -> Option<Tile> {
    partial(0, size).map(as_bundle)
}

/// The bundle with the entries of a tile of level 0.
pub(super) fn as_bundle(mut tile: Tile) -> Tile {
    tile.set_is_data();
    tile
}

/// Whether a log of `size` entries covers all of `tile`.
pub(super) fn covers(size: u64, tile: &Tile) -> bool {
    end(tile, u128::from(tile.width())) <= u128::from(size)
}

/// Whether `tile` is partial and its full form exists in a log of `size` entries.
pub(super) fn outgrown(size: u64, tile: &Tile) -> bool {
    !is_full(tile) && end(tile, u128::from(WIDTH)) <= u128::from(size)
}

/// The size of the smallest log that has the first `width` hashes of `tile`.
fn end(tile: &Tile, width: u128) -> u128 {
    let hashes = u128::from(tile.level_index()) * u128::from(WIDTH) + width;
    hashes.saturating_mul(1 << (HEIGHT * tile.level()))
}

/// The content of `tile` in the log in `dir`.
///
/// A partial tile may have been replaced by the full one while we read; its beginning is the same.
pub(super) fn load(dir: &Path, tile: &Tile) -> Result<(PathBuf, Vec<u8>), FileError> {
    let file = dir.join(path(tile));
    match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_full(tile) => {
            let full = dir.join(path(&widened(tile)));
            match fs::read(&full) {
                Ok(bytes) => Ok((full, bytes)),
                Err(_) => Err(FileError::Read { file, source: error }),
            }
        }
        Ok(bytes) => Ok((file, bytes)),
        Err(source) => Err(FileError::Read { file, source }),
    }
}

/// Whether `tile` has all the hashes or entries a tile can have.
pub(super) fn is_full(tile: &Tile) -> bool {
    u64::from(tile.width()) == WIDTH
}

fn widened(tile: &Tile) -> Tile {
    Tile::new(HEIGHT, tile.level(), tile.level_index(), 1 << HEIGHT, tile.is_data())
}

/// The hashes of `tile`, as bytes.
pub(super) fn load_hashes(dir: &Path, tile: &Tile) -> Result<(PathBuf, Vec<u8>), FileError> {
    let (file, mut bytes) = load(dir, tile)?;
    let expected = tile.width() as usize * HASH_SIZE;
    let replaced = file != dir.join(path(tile));
    if replaced && bytes.len() > expected {
        bytes.truncate(expected);
    }
    if bytes.len() != expected {
        return Err(FileError::Length { file, bytes: bytes.len(), expected });
    }
    Ok((file, bytes))
}
