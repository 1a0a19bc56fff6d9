//! Why a folder cannot be used.

use std::io;
use std::path::PathBuf;

/// Why the data folder could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Another process has it open.
    #[error("{folder} is in use by another server; stop that one, or choose another folder")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A file has the name of one of ours, but was not written by this version of this program.
    #[error(
        "{path} was not written by this version of this server; move it away, or choose another folder"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file's bytes are not those that were written.
    #[error(
        "{path} is damaged at byte {at}; restore it from a copy, or move the folder away and start anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first damaged record begins.
        at: u64,
    },
    /// A file that the others continue from is not there.
    #[error("{path} is missing; restore it from a copy, or move the folder away and start anew")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("use {path}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A closure for `map_err` that names the file.
pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StorageError {
    move |source| StorageError::File { path: path.into(), source }
}
