use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::store::{Expect, Store, Write};

fn store(folder: &Path) -> Store {
    let (log, recovered) = Log::open(folder).expect("the folder opens");
    Store::recovered(100, log, recovered)
}

fn put(store: &Store, key: &str, expect: Expect) -> u64 {
    let object = json!({"metadata": {"name": key}});
    let written = store.commit(&"/things".into(), key, expect, 3, Write::Put(object));
    written.expect("it is as expected").revision
}

fn remove(store: &Store, key: &str, revision: u64) {
    let write = Write::Delete(json!({"metadata": {"name": key}}));
    store
        .commit(&"/things".into(), key, Expect::Revision(revision), 3, write)
        .expect("it is there");
}

fn keys(store: &Store) -> Vec<String> {
    store.snapshot("/things", "", None).items.into_iter().map(|(key, _)| key).collect()
}

/// Three commits; the log's bytes.
fn written(folder: &Path) -> Vec<u8> {
    let store = store(folder);
    let first = put(&store, "a", Expect::Absent);
    put(&store, "b", Expect::Absent);
    remove(&store, "a", first);
    drop(store);
    fs::read(log_path(folder, START)).expect("the log is there")
}

#[test]
fn everything_comes_back_with_its_revision() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    let again = store(folder.path());
    assert_eq!((keys(&again), again.revision()), (vec!["b".to_owned()], START + 3));
    let found = again.get("/things", "b").expect("b is there");
    assert_eq!((found.revision, found.epoch), (START + 2, 3));
    assert!(again.watch(&"/things".into(), START).is_err(), "older changes are not remembered");
    assert_eq!(put(&again, "c", Expect::Absent), START + 4);
}

#[test]
fn a_log_cut_at_any_byte_has_every_whole_commit_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = written(folder.path());
    let path = log_path(folder.path(), START);
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).expect("the log is cut");
        let again = store(folder.path());
        let seen = again.revision() - START;
        assert!(seen < 3, "cut at {cut}: {seen}");
        put(&again, "after", Expect::Absent);
        drop(again);
        let again = store(folder.path());
        assert_eq!(again.revision(), START + seen + 1, "cut at {cut}");
        assert!(keys(&again).contains(&"after".to_owned()), "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_anywhere_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = written(folder.path());
    let path = log_path(folder.path(), START);
    for flip in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[flip] ^= 0x20;
        fs::write(&path, &bad).expect("the log is damaged");
        let error = Log::open(folder.path()).expect_err("it is refused");
        assert!(error.to_string().contains("log-1"), "flip at {flip}: {error}");
    }
    fs::write(&path, "somebody's notes").expect("a foreign file");
    let error = Log::open(folder.path()).expect_err("it is refused");
    assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    drop(grown(folder.path()));
    let again = grown(folder.path());
    put(&again, "z", Expect::Absent);
    drop(again);
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("a mode").permissions().mode();
        let name = entry.file_name();
        assert!(name == "lock" || mode.trailing_zeros() >= 6, "{name:?} has mode {mode:o}");
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    let error = Log::open(folder.path()).expect_err("it is in use");
    assert!(matches!(error, StorageError::InUse { .. }), "{error}");
    drop(store);
    Log::open(folder.path()).expect("it is free again");
}

/// A store whose log is begun anew by its next commit.
fn grown(folder: &Path) -> Store {
    let (mut log, recovered) = Log::open(folder).expect("the folder opens");
    log.limit = 0;
    Store::recovered(100, log, recovered)
}

#[test]
fn a_snapshot_replaces_what_was_before() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path());
    let again = grown(folder.path());
    let revision = put(&again, "c", Expect::Absent);
    put(&again, "d", Expect::Absent);
    drop(again);
    assert!(snapshot_path(folder.path(), revision).exists());
    assert!(!log_path(folder.path(), START).exists());
    let again = store(folder.path());
    assert_eq!(keys(&again), ["b", "c", "d"]);
    drop(again);

    let log = log_path(folder.path(), revision);
    fs::rename(&log, folder.path().join("elsewhere")).expect("the log is moved away");
    // A snapshot alone is whole: its log is begun.
    drop(store(folder.path()));
    fs::rename(folder.path().join("elsewhere"), &log).expect("the log is back");
    let snapshot = snapshot_path(folder.path(), revision);
    let bytes = fs::read(&snapshot).expect("the snapshot is there");
    for cut in [0, 8, 20, bytes.len() - 1] {
        fs::write(&snapshot, &bytes[..cut]).expect("the snapshot is cut");
        let error = Log::open(folder.path()).expect_err("it is refused");
        assert!(error.to_string().contains("snapshot-"), "{error}");
    }
    fs::remove_file(&snapshot).expect("the snapshot is lost");
    let error = Log::open(folder.path()).expect_err("it is refused");
    assert!(matches!(error, StorageError::Missing { .. }), "{error}");
}

#[test]
fn a_process_that_dies_before_its_snapshot_is_complete_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = written(folder.path());
    let again = grown(folder.path());
    let revision = put(&again, "c", Expect::Absent);
    put(&again, "d", Expect::Absent);
    drop(again);
    // As it was before the rename: the old log, the new one, and half a draft.
    let snapshot = snapshot_path(folder.path(), revision);
    let draft = fs::read(&snapshot).expect("the snapshot is there");
    fs::write(folder.path().join("snapshot.draft"), &draft[..draft.len() / 2]).expect("a draft");
    fs::remove_file(&snapshot).expect("no snapshot");
    let mut log = old;
    let object = Bytes::from_static(br#"{"metadata":{"name":"c"}}"#);
    let record = Record {
        revision,
        epoch: 3,
        table: "/things".to_owned(),
        key: "c".to_owned(),
        bytes: Some(object),
    };
    record.encode(&mut log);
    fs::write(log_path(folder.path(), START), &log).expect("the old log");
    let again = store(folder.path());
    assert_eq!(keys(&again), ["b", "c", "d"]);
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut log, recovered) = Log::open(folder.path()).expect("the folder opens");
    // A file that takes no writes stands for a full disk.
    let path = log_path(folder.path(), START);
    log.file = File::open(&path).expect("the log is there");
    let store = Store::recovered(100, log, recovered);
    let object = json!({"metadata": {"name": "a"}});
    let refused = store.commit(&"/things".into(), "a", Expect::Absent, 0, Write::Put(object));
    let Err(crate::store::Refused::Unwritten(why)) = refused else { panic!("it was written") };
    assert!(why.contains("write to"), "{why}");
    assert_eq!((store.revision(), keys(&store)), (START, Vec::new()));
}
