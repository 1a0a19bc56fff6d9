//! A journal on a file, for use without Kubernetes: one JSON line for each record.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{Intent, Journal, JournalError, Outcome};
use crate::clock::Clock;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When it was written.
    pub at: DateTime<Utc>,
    /// `intent` or `outcome`.
    pub record: Record,
    /// The definition's name.
    pub provider: String,
    /// `machine.create`.
    pub operation: String,
    /// The idempotency token of the attempt.
    pub token: String,
    /// SHA-256 of the request, hex: the request itself is not kept.
    pub request: String,
    /// What the effect was aimed at, or what it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Outcomes: the class of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Outcomes: HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What a line records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// An effect is about to happen.
    Intent,
    /// It ended.
    Outcome,
}

/// Why a journal file cannot be used.
#[derive(Debug, Error)]
pub enum FileJournalError {
    /// It cannot be opened, or its folder cannot be synced.
    #[error("open journal `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("read journal `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("lock journal `{path}`: another process writes it")]
    Locked {
        /// The file.
        path: PathBuf,
    },
}

/// A journal that appends to a file. One process at a time: the file is locked.
///
/// # Guarantees
/// A record is on the disk before `intent` returns. A line that a crash cut in half is skipped by
/// [`FileJournal::unresolved`] and never joined with the next one.
#[derive(Debug)]
pub struct FileJournal {
    file: Arc<Mutex<File>>,
    clock: Arc<dyn Clock>,
}

impl FileJournal {
    /// Opens the file, or makes it.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, FileJournalError> {
        let error = |source| FileJournalError::Open { path: path.to_owned(), source };
        let file = OpenOptions::new().create(true).read(true).append(true).open(path);
        let mut file = file.map_err(error)?;
        file.try_lock().map_err(|_| FileJournalError::Locked { path: path.to_owned() })?;
        end_torn_line(&mut file).map_err(error)?;
        // The file's entry in its folder must survive a crash too.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(error)?;
        }
        Ok(Self { file: Arc::new(Mutex::new(file)), clock })
    }

    /// The intents in a file whose outcome is not recorded or in doubt, oldest first: what must be
    /// looked up at the provider before anything is repeated.
    pub fn unresolved(path: &Path) -> Result<Vec<Line>, FileJournalError> {
        let error = |source| FileJournalError::Read { path: path.to_owned(), source };
        let file = BufReader::new(File::open(path).map_err(error)?);
        let mut open: Vec<Line> = Vec::new();
        for text in file.split(b'\n') {
            let Ok(line) = serde_json::from_slice::<Line>(&text.map_err(error)?) else { continue };
            let same = |other: &Line| other.token == line.token && other.request == line.request;
            match line.record {
                Record::Intent => {
                    open.retain(|other| !same(other));
                    open.push(line);
                }
                Record::Outcome if line.class.as_deref() == Some("Unknown") => {}
                Record::Outcome => open.retain(|other| !same(other)),
            }
        }
        Ok(open)
    }

    async fn write(&self, line: Line) -> Result<(), JournalError> {
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || append(&file, &line)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(JournalError::Write(error.into())),
            Err(error) => Err(JournalError::Write(error.into())),
        }
    }

    fn line(&self, record: Record, intent: &Intent) -> Line {
        Line {
            at: self.clock.now(),
            record,
            provider: intent.provider.clone(),
            operation: intent.operation.clone(),
            token: intent.token.clone(),
            request: hex(&Sha256::digest(&intent.request)),
            external_id: intent.external_id.clone(),
            class: None,
            status: None,
        }
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn intent(&self, intent: &Intent) -> Result<(), JournalError> {
        self.write(self.line(Record::Intent, intent)).await
    }

    /// One process holds the file, so nobody else can have taken the right to act.
    async fn permit(&self) -> Result<(), JournalError> {
        Ok(())
    }

    async fn outcome(&self, intent: &Intent, outcome: &Outcome) -> Result<(), JournalError> {
        let line = Line {
            external_id: outcome.external_id.clone(),
            class: outcome.class.map(|class| class.as_str().to_owned()),
            status: outcome.status,
            ..self.line(Record::Outcome, intent)
        };
        self.write(line).await
    }
}

fn append(file: &Mutex<File>, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    // A disk that was full before may have left half a line.
    end_torn_line(&mut file)?;
    file.write_all(&text)?;
    file.sync_data()
}

fn end_torn_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use infrafabric_definition::Class;

    use super::*;
    use crate::clock::SystemClock;

    fn intent(token: &str) -> Intent {
        Intent {
            provider: "p".to_owned(),
            operation: "machine.create".to_owned(),
            token: token.to_owned(),
            external_id: None,
            request: b"POST /things\n{\"password\":\"x\"}".to_vec(),
        }
    }

    fn outcome(class: Option<Class>) -> Outcome {
        Outcome { class, status: Some(200), external_id: None, price_per_hour: None }
    }

    #[tokio::test]
    async fn what_has_no_certain_outcome_is_unresolved() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let journal = FileJournal::open(&path, Arc::new(SystemClock)).expect("opens");
        for token in ["done", "lost", "doubt"] {
            journal.intent(&intent(token)).await.expect("written");
        }
        journal.outcome(&intent("done"), &outcome(None)).await.expect("written");
        journal.outcome(&intent("doubt"), &outcome(Some(Class::Unknown))).await.expect("written");
        let open = FileJournal::unresolved(&path).expect("reads");
        assert_eq!(open.iter().map(|l| l.token.as_str()).collect::<Vec<_>>(), ["lost", "doubt"]);
        let text = std::fs::read_to_string(&path).expect("reads");
        assert!(!text.contains("password"), "the request is not kept");
    }

    #[tokio::test]
    async fn a_torn_line_stands_alone_and_the_file_has_one_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        std::fs::write(&path, "{\"at\": \"2026-").expect("written");
        let journal = FileJournal::open(&path, Arc::new(SystemClock)).expect("opens");
        journal.intent(&intent("next")).await.expect("written");
        let open = FileJournal::unresolved(&path).expect("reads");
        assert_eq!(open.iter().map(|l| l.token.as_str()).collect::<Vec<_>>(), ["next"]);
        let second = FileJournal::open(&path, Arc::new(SystemClock));
        assert!(matches!(second, Err(FileJournalError::Locked { .. })));
    }
}
