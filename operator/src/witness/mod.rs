//! The witness: an append-only Merkle log of every effect, in the formats of <https://c2sp.org>
//! (tlog-tiles on disk, tlog-checkpoint as a signed note).
//!
//! Invariant: nothing is acknowledged that is not durable, and nothing is signed that is not
//! acknowledged or about to be. One thread writes; everything else only sends to it.
//! `docs/witness.md` describes the format and what is promised.

mod bundle;
mod checkpoint;
mod edge;
mod entry;
mod keys;
mod layout;
mod open;
mod read;
mod store;
mod sweep;
mod verify;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;
use tracing::field::Empty;

pub use checkpoint::CheckpointError;
pub use entry::{Cost, Entry, EntryError, ObjectId, Phase};
pub use keys::{Keys, KeysError};
pub use layout::FileError;
pub use open::OpenError;
pub use read::{Entries, ReadError, read};
pub use verify::{Report, VerifyError, verify};
pub use writer::CommitError;

use writer::Request;

/// How many appends may wait for the writer before a further one waits for its place in the queue.
const QUEUE: usize = 4096;

/// What the log gives back for an entry that is on disk and covered by a signed checkpoint.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Position of the entry, counted from 0.
    pub index: u64,
    /// RFC 6962 leaf hash of the entry, in base64.
    pub leaf_hash: String,
    /// The first checkpoint that covers the entry, as `size:root` with the root in base64.
    pub checkpoint: String,
}

/// Why an entry did not get into the log.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The entry itself is not acceptable; nothing was written.
    #[error(transparent)]
    Entry(EntryError),
    /// Writing failed; the log is as it was, and the next append tries again.
    #[error("cannot write the witness entry")]
    Commit {
        /// The step that failed; shared by all appends of one commit.
        #[source]
        source: Arc<CommitError>,
    },
    /// The log was closed before the entry was written.
    #[error("cannot write the witness entry: the log is closed")]
    Closed,
}

/// An open witness log; clones share it.
///
/// # Guarantees
///
/// An [`append`](Witness::append) that returned a receipt survives a kill and a power cut.
/// Entries never change place. Two processes never write the same log.
#[derive(Clone, Debug)]
pub struct Witness {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// What the handle reads and the writer writes.
#[derive(Debug)]
struct Shared {
    keys: Keys,
    size: AtomicU64,
}

impl Witness {
    /// Opens the log in `dir`, or starts one there if the folder is empty or absent.
    ///
    /// Verifies everything the checkpoint covers and discards what a kill left beyond it.
    /// `origin` is the first line of every checkpoint and never changes.
    ///
    /// # Errors
    ///
    /// Refuses a log that another process has open, that belongs to another key or origin, or
    /// that does not verify; the error names the file.
    pub async fn open(dir: PathBuf, origin: String, keys: Keys) -> Result<Witness, OpenError> {
        tokio::task::spawn_blocking(move || {
            let opened = open::open(&dir, &origin, &keys)?;
            let shared = Arc::new(Shared { keys, size: AtomicU64::new(opened.edge.size()) });
            let (requests, queue) = mpsc::channel(QUEUE);
            writer::spawn(opened, Arc::clone(&shared), queue)
                .map_err(|source| OpenError::StartWriter { source })?;
            Ok(Witness { requests, shared })
        })
        .await
        .map_err(|source| OpenError::Join { source })?
    }

    /// Writes `entry` and returns once it is durable and covered by a signed checkpoint.
    ///
    /// Appends that wait at the same time share one commit. If the future is dropped, the entry
    /// may still be written.
    ///
    /// # Errors
    ///
    /// After an error the caller must treat the entry as not witnessed.
    pub async fn append(&self, entry: Entry) -> Result<Receipt, AppendError> {
        let span =
            tracing::info_span!("witness_append", phase = ?entry.phase, witness.index = Empty);
        let bytes = entry.encode().map_err(AppendError::Entry)?;
        let receipt = self.written(bytes).instrument(span.clone()).await?;
        // Traces know signed numbers only.
        span.record("witness.index", i64::try_from(receipt.index).unwrap_or(i64::MAX));
        Ok(receipt)
    }

    async fn written(&self, bytes: Vec<u8>) -> Result<Receipt, AppendError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Append { bytes, reply };
        self.requests.send(request).await.map_err(|_| AppendError::Closed)?;
        match answer.await {
            Ok(Ok(receipt)) => Ok(receipt),
            Ok(Err(source)) => Err(AppendError::Commit { source }),
            Err(_) => Err(AppendError::Closed),
        }
    }

    /// Number of entries that the newest checkpoint covers.
    pub fn size(&self) -> u64 {
        self.shared.size.load(Ordering::Acquire)
    }

    /// Keyed digest of `bytes` in hex, as entries carry it; see [`Keys::digest`].
    pub fn digest(&self, bytes: &[u8]) -> String {
        self.shared.keys.digest(bytes)
    }

    /// Writes what is queued, stops the writer and lets go of the lock; later appends fail.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.requests.send(Request::Close { reply }).await.is_ok() {
            // The writer drops the reply only when it has stopped, which is what we wait for.
            let _ = closed.await;
        }
    }
}
