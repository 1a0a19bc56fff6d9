//! The one thread that writes: everything that waits goes into one commit.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use thiserror::Error;
use tlog_tiles::Hash;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::{self, CheckpointError};
use super::edge::{Edge, TileFile};
use super::open::Opened;
use super::{Receipt, Shared};

/// Entries in one commit at most, so that the first of them does not wait for long.
const BATCH: usize = 1024;

/// What the handle asks of the writer.
#[derive(Debug)]
pub(super) enum Request {
    /// Append these bytes.
    Append { bytes: Vec<u8>, reply: Reply },
    /// Stop, and drop `reply` when stopped.
    Close { reply: oneshot::Sender<()> },
}

type Reply = oneshot::Sender<Result<Receipt, Arc<CommitError>>>;

type Committed = (Vec<Receipt>, Vec<TileFile>);

/// The step of a commit that failed.
#[derive(Debug, Error)]
pub enum CommitError {
    /// A folder for tiles could not be made.
    #[error("cannot create {folder:?}")]
    CreateFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file could not be written or synced.
    #[error("cannot write {file:?}")]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The names in a folder of tiles could not be synced.
    #[error("cannot sync {folder:?}")]
    SyncFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The tree has no root: a defect of the writer.
    #[error("cannot compute the root of the tree")]
    Root {
        /// What the library said.
        #[source]
        source: tlog_tiles::Error,
    },
    /// The checkpoint could not be signed.
    #[error("cannot make the checkpoint")]
    Checkpoint {
        /// The reason.
        #[source]
        source: CheckpointError,
    },
    /// The checkpoint could not take the place of its predecessor.
    #[error("cannot replace {file:?}")]
    Publish {
        /// The checkpoint.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The entries are in the log, but may not survive a power cut.
    #[error("cannot sync {folder:?} after replacing the checkpoint")]
    Settle {
        /// The folder of the log.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Starts the writer; it ends when it is told to close or the last handle is gone.
pub(super) fn spawn(
    opened: Opened,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
) -> io::Result<()> {
    let writer = Writer { opened, shared };
    thread::Builder::new().name("witness".to_owned()).spawn(move || writer.run(queue)).map(drop)
}

struct Writer {
    opened: Opened,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut batch = Vec::new();
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = queue.blocking_recv() else {
                break;
            };
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Append { bytes, reply } => batch.push((bytes, reply)),
                    Request::Close { reply } => closing = Some(reply),
                }
                let more = closing.is_none() && batch.len() < BATCH;
                next = if more { queue.try_recv().ok() } else { None };
            }
            self.serve(std::mem::take(&mut batch));
        }
        // The lock goes before the queue and the reply, so that who waits for them may open again.
        drop(self);
        drop(queue);
        drop(closing);
    }

    /// Commits `batch` and answers each of its appends; a receiver that is gone is no error.
    fn serve(&mut self, batch: Vec<(Vec<u8>, Reply)>) {
        if batch.is_empty() {
            return;
        }
        let (entries, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.commit(&entries) {
            Ok((receipts, files)) => {
                for (reply, receipt) in replies.into_iter().zip(receipts) {
                    let _ = reply.send(Ok(receipt));
                }
                self.opened.store.drop_outgrown(&files);
            }
            Err(error) => {
                let error = Arc::new(error);
                for reply in replies {
                    let _ = reply.send(Err(Arc::clone(&error)));
                }
            }
        }
    }

    /// Makes `entries` durable, then covers them by a checkpoint; gives their receipts and files.
    ///
    /// Up to the replaced checkpoint an error leaves the log as it was. From there on the log has
    /// the entries, because a signed size must never be signed again with another root.
    fn commit(&mut self, entries: &[Vec<u8>]) -> Result<Committed, CommitError> {
        let Opened { edge, store, origin, .. } = &mut self.opened;
        let staged = Staged::new(edge, entries);
        let size = staged.edge.size();
        let root = staged.edge.root().map_err(|source| CommitError::Root { source })?;
        let note = checkpoint::sign(&self.shared.keys, origin, size, root)
            .map_err(|source| CommitError::Checkpoint { source })?;
        store.write(&staged.files)?;
        store.replace_checkpoint(&note)?;
        let receipts = staged.receipts(edge.size(), root);
        *edge = staged.edge;
        self.shared.size.store(size, Ordering::Release);
        store.settle()?;
        Ok((receipts, staged.files))
    }
}

/// The log as it will be after a commit.
struct Staged {
    edge: Edge,
    files: Vec<TileFile>,
    leaves: Vec<Hash>,
}

impl Staged {
    fn new(present: &Edge, entries: &[Vec<u8>]) -> Staged {
        let (mut edge, mut files) = (present.clone(), Vec::new());
        let leaves = entries.iter().map(|entry| edge.push(entry, &mut files)).collect();
        files.extend(edge.partials(present.size()));
        Staged { edge, files, leaves }
    }

    fn receipts(&self, first: u64, root: Hash) -> Vec<Receipt> {
        let checkpoint = format!("{}:{root}", self.edge.size());
        let receipt = |(index, leaf): (u64, &Hash)| Receipt {
            index,
            leaf_hash: leaf.to_string(),
            checkpoint: checkpoint.clone(),
        };
        (first..).zip(&self.leaves).map(receipt).collect()
    }
}
