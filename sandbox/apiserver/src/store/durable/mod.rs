//! The store's memory in one folder: a log of all commits, and a snapshot where it began.
//!
//! `log-<revision>` has every commit after that revision, `snapshot-<revision>` every object at it.
//! A commit is written to the log before anyone hears of it, so a process that is killed loses
//! nothing acknowledged; nothing is synced to the disk itself, so a computer that loses power may.
//!
//! When the log has grown, commits go on into a new one while a snapshot of its beginning is written
//! beside it, and only when that is complete and synced, older files go. Whatever moment a process
//! dies in, the newest snapshot and the logs since then are everything.

mod error;
mod frame;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::Stored;
pub use error::StorageError;
use error::at;
use frame::{Frame, Record};

/// What files begin with; the number is the format's version.
const MAGIC: &[u8; 8] = b"ekapi\0\x00\x01";
/// A log is begun anew when it has this many bytes, and more than the last snapshot.
const GROWN: u64 = 32 * 1024 * 1024;

/// What a folder held: every object, and the revision after the last commit.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Record>,
}

/// The open folder; nobody else may use it.
#[derive(Debug)]
pub(crate) struct Log {
    folder: PathBuf,
    file: File,
    /// How many bytes of the log are whole commits.
    length: u64,
    /// When the log is to be begun anew.
    limit: u64,
    buffer: Vec<u8>,
    /// Set when a failed write could not be taken back: nothing more may be written.
    broken: Option<String>,
    snapshot: Option<JoinHandle<Result<u64, StorageError>>>,
    _lock: File,
}

impl Log {
    /// Opens or makes a folder, and reads what it holds.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Recovered), StorageError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let files = Files::find(folder)?;
        let mut objects = Objects::default();
        if let Some(revision) = files.snapshot {
            objects.read_snapshot(&snapshot_path(folder, revision), revision)?;
        }
        let last = files.logs.last().copied();
        for revision in &files.logs {
            let path = log_path(folder, *revision);
            let whole = objects.read_log(&path, Some(*revision) == last)?;
            if Some(*revision) == last {
                truncate(&path, whole)?;
            }
        }
        let recovered = objects.into_recovered();
        let revision = last.unwrap_or(recovered.revision);
        let (file, length) = open_log(&log_path(folder, revision))?;
        let log = Self {
            folder: folder.to_owned(),
            file,
            length,
            limit: GROWN,
            buffer: Vec::new(),
            broken: None,
            snapshot: None,
            _lock: lock,
        };
        Ok((log, recovered))
    }

    /// Writes one commit; when this fails, nothing of it is there.
    pub(super) fn append(
        &mut self,
        table: &str,
        key: &str,
        stored: &Stored,
        gone: bool,
    ) -> Result<(), String> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        self.buffer.clear();
        record(table, key, stored, gone).encode(&mut self.buffer);
        match self.file.write_all(&self.buffer) {
            Ok(()) => {
                self.length += self.buffer.len() as u64;
                Ok(())
            }
            Err(error) => Err(self.take_back(&error)),
        }
    }

    /// Cuts off what a failed write left behind, so that later commits do not follow garbage.
    fn take_back(&mut self, error: &io::Error) -> String {
        let why = format!("write to {}: {error}", self.folder.display());
        if let Err(worse) = self.file.set_len(self.length) {
            let why = format!("{why}; and taking it back failed: {worse}; restart the server");
            self.broken = Some(why.clone());
            return why;
        }
        why
    }

    /// Whether a snapshot is due; then `objects` are those at `revision`, the newest one.
    pub(super) fn is_grown(&self) -> bool {
        self.length >= self.limit && self.broken.is_none() && self.snapshot.is_none()
    }

    /// Goes on in a new log, and writes a snapshot of what was before on a thread.
    pub(super) fn begin_anew(
        &mut self,
        revision: u64,
        objects: Vec<(Arc<str>, String, Arc<Stored>)>,
    ) {
        let path = log_path(&self.folder, revision);
        match open_log(&path) {
            Ok((file, length)) => (self.file, self.length) = (file, length),
            Err(error) => {
                // The old log goes on; ask again after as many bytes as it has now.
                tracing::warn!(%error, "the log could not be begun anew");
                self.limit = self.length * 2;
                return;
            }
        }
        let folder = self.folder.clone();
        let work = move || write_snapshot(&folder, revision, &objects);
        match thread::Builder::new().name("snapshot".to_owned()).spawn(work) {
            Ok(thread) => self.snapshot = Some(thread),
            Err(error) => tracing::warn!(%error, "no thread for a snapshot; the log goes on"),
        }
    }

    /// Takes note of a finished snapshot.
    pub(super) fn settle(&mut self) {
        if self.snapshot.as_ref().is_some_and(JoinHandle::is_finished) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        match self.snapshot.take().map(JoinHandle::join) {
            Some(Ok(Ok(size))) => self.limit = GROWN.max(size * 2),
            Some(Ok(Err(error))) => {
                tracing::warn!(%error, "no snapshot was written; the logs are kept");
                self.limit = self.length + GROWN;
            }
            Some(Err(_)) => tracing::warn!("the snapshot's thread panicked; the logs are kept"),
            None => {}
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.finish();
    }
}

fn record(table: &str, key: &str, stored: &Stored, gone: bool) -> Record {
    Record {
        revision: stored.revision,
        epoch: stored.epoch,
        table: table.to_owned(),
        key: key.to_owned(),
        bytes: (!gone).then(|| stored.bytes.clone()),
    }
}

fn log_path(folder: &Path, revision: u64) -> PathBuf {
    folder.join(format!("log-{revision}"))
}

fn snapshot_path(folder: &Path, revision: u64) -> PathBuf {
    folder.join(format!("snapshot-{revision}"))
}

fn lock(folder: &Path) -> Result<File, StorageError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StorageError::File { path, source }),
    }
}

/// The files of a folder that count.
struct Files {
    snapshot: Option<u64>,
    /// Oldest first, from the snapshot on.
    logs: Vec<u64>,
}

impl Files {
    fn find(folder: &Path) -> Result<Self, StorageError> {
        let (mut snapshots, mut logs) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(folder).map_err(at(folder))? {
            let name = entry.map_err(at(folder))?.file_name();
            let name = name.to_string_lossy();
            let number = |prefix: &str| name.strip_prefix(prefix)?.parse::<u64>().ok();
            snapshots.extend(number("snapshot-"));
            logs.extend(number("log-"));
        }
        let snapshot = snapshots.into_iter().max();
        logs.retain(|revision| snapshot.is_none_or(|snapshot| *revision >= snapshot));
        logs.sort_unstable();
        let first = logs.first().copied();
        if let Some(revision) = snapshot
            && first.is_some_and(|first| first != revision)
        {
            return Err(StorageError::Missing { path: log_path(folder, revision) });
        }
        if snapshot.is_none() && first.is_some_and(|first| first > START) {
            let path = snapshot_path(folder, first.unwrap_or_default());
            return Err(StorageError::Missing { path });
        }
        Ok(Self { snapshot, logs })
    }
}

/// The revision of an empty store: clients treat 0 as "any".
pub(super) const START: u64 = 1;

/// Objects while files are read.
#[derive(Default)]
struct Objects {
    revision: u64,
    live: std::collections::BTreeMap<(String, String), Record>,
}

impl Objects {
    fn take(&mut self, record: Record) {
        self.revision = self.revision.max(record.revision);
        let place = (record.table.clone(), record.key.clone());
        if record.bytes.is_some() {
            self.live.insert(place, record);
        } else {
            self.live.remove(&place);
        }
    }

    /// Reads a log; how many of its bytes are whole commits.
    fn read_log(&mut self, path: &Path, last: bool) -> Result<u64, StorageError> {
        let bytes = fs::read(path).map_err(at(path))?;
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) && last {
            return Ok(0);
        }
        let mut at = check_magic(path, &bytes)?;
        while at < bytes.len() {
            let damaged = || StorageError::Damaged { path: path.to_owned(), at: at as u64 };
            match frame::read(&bytes[at..]) {
                Frame::Whole(payload, taken) => {
                    let record = Record::decode(payload).ok_or_else(damaged)?;
                    if record.revision <= self.revision {
                        return Err(damaged());
                    }
                    self.take(record);
                    at += taken;
                }
                Frame::Torn if last => break,
                Frame::Torn | Frame::Damaged => return Err(damaged()),
            }
        }
        Ok(at as u64)
    }

    /// Reads a snapshot: it was renamed into place when it was complete, so it must be.
    fn read_snapshot(&mut self, path: &Path, revision: u64) -> Result<(), StorageError> {
        let bytes = fs::read(path).map_err(at(path))?;
        let mut at = check_magic(path, &bytes)?;
        let damaged = |at: usize| StorageError::Damaged { path: path.to_owned(), at: at as u64 };
        while at < bytes.len() {
            let Frame::Whole(payload, taken) = frame::read(&bytes[at..]) else {
                return Err(damaged(at));
            };
            if payload == END {
                self.revision = revision;
                return if at + taken == bytes.len() { Ok(()) } else { Err(damaged(at)) };
            }
            self.take(Record::decode(payload).ok_or_else(|| damaged(at))?);
            at += taken;
        }
        Err(damaged(at))
    }

    fn into_recovered(self) -> Recovered {
        let objects = self.live.into_values().collect();
        Recovered { revision: self.revision.max(START), objects }
    }
}

/// The last frame of a snapshot.
const END: &[u8] = b"end of the snapshot";

fn check_magic(path: &Path, bytes: &[u8]) -> Result<usize, StorageError> {
    if bytes.starts_with(MAGIC) {
        Ok(MAGIC.len())
    } else {
        Err(StorageError::Foreign { path: path.to_owned() })
    }
}

/// Files that only their owner may read: they hold Secrets.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Opens a log at its end, and begins it when it is empty; its length.
fn open_log(path: &Path) -> Result<(File, u64), StorageError> {
    let file = private().create(true).append(true).open(path);
    let mut file = file.map_err(at(path))?;
    let length = file.metadata().map_err(at(path))?.len();
    if length > 0 {
        return Ok((file, length));
    }
    file.write_all(MAGIC).map_err(at(path))?;
    Ok((file, MAGIC.len() as u64))
}

/// Cuts off a commit that was being written when the process died: nobody was told of it.
fn truncate(path: &Path, whole: u64) -> Result<(), StorageError> {
    let file = OpenOptions::new().write(true).open(path).map_err(at(path))?;
    let length = file.metadata().map_err(at(path))?.len();
    if length > whole {
        let (path, cut) = (path.display(), length - whole);
        tracing::warn!(%path, cut, "an unfinished write at the log's end was dropped");
        file.set_len(whole).map_err(at(path.to_string()))?;
    }
    Ok(())
}

/// Writes a snapshot beside, syncs it, puts it into place, and removes what it replaces.
fn write_snapshot(
    folder: &Path,
    revision: u64,
    objects: &[(Arc<str>, String, Arc<Stored>)],
) -> Result<u64, StorageError> {
    let path = snapshot_path(folder, revision);
    let draft = folder.join("snapshot.draft");
    let mut size = MAGIC.len();
    let file = private().create(true).write(true).truncate(true).open(&draft);
    let file = file.map_err(at(&draft))?;
    let mut out = io::BufWriter::new(file);
    out.write_all(MAGIC).map_err(at(&draft))?;
    let mut buffer = Vec::new();
    for (table, key, stored) in objects {
        buffer.clear();
        record(table, key, stored, false).encode(&mut buffer);
        size += buffer.len();
        out.write_all(&buffer).map_err(at(&draft))?;
    }
    buffer.clear();
    frame::write(END, &mut buffer);
    out.write_all(&buffer).map_err(at(&draft))?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).map_err(at(&draft))?;
    file.sync_all().map_err(at(&draft))?;
    fs::rename(&draft, &path).map_err(at(&path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
    remove_before(folder, revision)?;
    Ok(size as u64)
}

fn remove_before(folder: &Path, revision: u64) -> Result<(), StorageError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let number = name.strip_prefix("snapshot-").or_else(|| name.strip_prefix("log-"));
        let old = number.and_then(|number| number.parse::<u64>().ok());
        if old.is_some_and(|old| old < revision) {
            fs::remove_file(entry.path()).map_err(at(entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
