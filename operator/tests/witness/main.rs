//! The witness log as its users and its enemies meet it: through the public interface and the disk.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "shared parts of tests are test code"
)]

mod crash;
mod format;
mod refuse;
mod together;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use futures::future::maybe_done;
use infrafabric::witness::{
    Entry, Keys, ObjectId, OpenError, Phase, Receipt, Witness, read, verify,
};
use tempfile::TempDir;
use tokio::task::unconstrained;

const ORIGIN: &str = "witness.test/log";

fn keys() -> Keys {
    Keys::from_parts(ORIGIN, &[7; 32], &[9; 32]).unwrap()
}

fn entry(number: u64) -> Entry {
    Entry {
        at: DateTime::from_timestamp(1_700_000_000, 5_000_000).unwrap(),
        phase: Phase::Intent,
        object: ObjectId {
            kind: "CloudMachine".into(),
            namespace: "prod".into(),
            name: format!("m-{number}"),
            uid: "0b9c".into(),
        },
        provider: Some("do-main".into()),
        verb: "machine.create".into(),
        token: Some(format!("token-{number}")),
        request_digest: None,
        intent_index: None,
        class: None,
        external_id_digest: None,
        cost: None,
        actor: "operator-0".into(),
        note: None,
    }
}

async fn open(dir: &Path) -> Result<Witness, OpenError> {
    Witness::open(dir.to_owned(), ORIGIN.into(), keys()).await
}

/// Appends entries `from..to` in this order, many at the same time.
async fn append(log: &Witness, from: u64, to: u64) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let numbers: Vec<u64> = (from..to).collect();
    for chunk in numbers.chunks(1024) {
        let mut appends: Vec<_> = chunk
            .iter()
            .map(|number| Box::pin(maybe_done(unconstrained(log.append(entry(*number))))))
            .collect();
        for append in &mut appends {
            let _ = futures::poll!(append.as_mut());
        }
        for mut append in appends {
            append.as_mut().await;
            receipts.push(append.as_mut().take_output().unwrap().unwrap());
        }
    }
    receipts
}

/// A closed log of `size` entries.
async fn log_of(size: u64) -> TempDir {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    append(&log, 0, size).await;
    log.close().await;
    dir
}

/// An error and its causes, as a person sees them.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Every file of the log with its content, by its path within.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn restore(files: &BTreeMap<PathBuf, Vec<u8>>) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, bytes) in files {
        put(dir.path(), path, bytes);
    }
    dir
}

fn put(dir: &Path, path: &Path, bytes: &[u8]) {
    let file = dir.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// The log in `dir` has exactly the entries `0..size`, verifies, and can be appended to.
async fn assert_whole(dir: &Path, size: u64) {
    let log = open(dir).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(log.size(), size);
    let receipt = log.append(entry(size)).await.unwrap();
    log.close().await;
    assert_eq!(receipt.index, size);
    assert_eq!(verify(dir, &keys().verifier()).unwrap().size, size + 1);
    let found: Vec<_> = read(dir).unwrap().map(Result::unwrap).collect();
    let expected: Vec<_> = (0..=size).map(|number| (number, entry(number))).collect();
    assert_eq!(found, expected);
}
