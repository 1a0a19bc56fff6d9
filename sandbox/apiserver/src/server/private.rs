//! Files that nobody else may read, and the keys that outlive a process.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::tls::Authority;
use super::{CertificateError, StartError};
use crate::store::StorageError;

/// Writes a file so that nobody else can read it, not even for a moment.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    // A new file beside it, then a rename: an existing file's mode does not matter, and readers
    // see the old or the new one.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    if let Err(source) = fs::remove_file(&beside)
        && source.kind() != ErrorKind::NotFound
    {
        return Err(source);
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

/// The authority and the token of a folder: kubeconfigs stay right over a restart.
pub(super) fn keys(folder: &Path) -> Result<(Authority, String), StartError> {
    let storage = |source| StartError::Storage { source };
    let authority = folder.join("authority.pem");
    let authority = if let Some(text) = read(&authority).map_err(storage)? {
        let damaged = || storage(StorageError::Damaged { path: authority, at: 0 });
        Authority::from_pem(&text).ok_or_else(damaged)?
    } else {
        let made = Authority::generate().map_err(CertificateError::into_start)?;
        keep(&authority, &made.to_pem()).map_err(storage)?;
        made
    };
    let token = folder.join("token");
    let token = if let Some(text) = read(&token).map_err(storage)? {
        text.trim().to_owned()
    } else {
        let made = super::generated_token();
        keep(&token, &made).map_err(storage)?;
        made
    };
    Ok((authority, token))
}

fn read(path: &Path) -> Result<Option<String>, StorageError> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StorageError::File { path: path.to_owned(), source }),
    }
}

fn keep(path: &Path, text: &str) -> Result<(), StorageError> {
    write(path, text).map_err(|source| StorageError::File { path: path.to_owned(), source })
}
