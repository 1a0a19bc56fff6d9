//! The witness log as its users and its enemies meet it: through the public interface and the disk.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::DateTime;
use futures::future::{join_all, maybe_done};
use infrafabric::witness::{
    AppendError, Cost, Entry, Keys, ObjectId, OpenError, Phase, Receipt, VerifyError, Witness,
    read, verify,
};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::unconstrained;

const ORIGIN: &str = "witness.test/log";
const CHILD: &str = "WITNESS_TEST_LOG_OF_CHILD";

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

/// RFC 6962, section 2.1, word by word.
fn naive_root(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => Sha256::digest([]).to_vec(),
        [leaf] => Sha256::digest([&[0], leaf.as_slice()].concat()).to_vec(),
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            Sha256::digest([vec![1], naive_root(left), naive_root(right)].concat()).to_vec()
        }
    }
}

fn expected_root(entries: &[Entry]) -> String {
    let leaves: Vec<_> = entries.iter().map(|entry| serde_json::to_vec(entry).unwrap()).collect();
    BASE64_STANDARD.encode(naive_root(&leaves))
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
    let names: Vec<_> =
        read(dir).unwrap().map(|item| item.map(|(index, entry)| (index, entry)).unwrap()).collect();
    let expected: Vec<_> = (0..=size).map(|number| (number, entry(number))).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was_written() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    assert_eq!(log.size(), 0);
    let full = Entry {
        phase: Phase::Outcome,
        request_digest: Some(log.digest(b"request")),
        external_id_digest: Some(log.digest(b"+15555550100")),
        intent_index: Some(0),
        class: Some("Ok".into()),
        cost: Some(Cost {
            amount: Decimal::new(893, 5),
            currency: "USD".into(),
            per: Some("hour".into()),
        }),
        note: Some("adopted".into()),
        ..entry(1)
    };
    let intent = log.append(entry(0)).await.unwrap();
    let outcome = log.append(full.clone()).await.unwrap();
    assert_eq!((intent.index, outcome.index, log.size()), (0, 1, 2));
    let leaf = [&[0], serde_json::to_vec(&full).unwrap().as_slice()].concat();
    assert_eq!(outcome.leaf_hash, BASE64_STANDARD.encode(Sha256::digest(leaf)));
    let report = verify(dir.path(), &keys().verifier()).unwrap();
    assert_eq!(outcome.checkpoint, format!("2:{}", report.root));
    assert_eq!((report.size, report.entries, report.origin.as_str()), (2, 2, ORIGIN));
    let entries: Vec<_> = read(dir.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries, [(0, entry(0)), (1, full)]);
    log.close().await;
}

#[tokio::test]
async fn the_json_of_an_entry_has_one_form() {
    let dir = log_of(1).await;
    let bundle = fs::read(dir.path().join("tile/entries/000.p/1")).unwrap();
    let json = r#"{"at":"2023-11-14T22:13:20.005Z","phase":"Intent","object":{"kind":"CloudMachine","namespace":"prod","name":"m-0","uid":"0b9c"},"provider":"do-main","verb":"machine.create","token":"token-0","actor":"operator-0"}"#;
    assert_eq!(bundle[..2], u16::try_from(json.len()).unwrap().to_be_bytes());
    assert_eq!(String::from_utf8(bundle[2..].to_vec()).unwrap(), json);
}

#[tokio::test]
async fn no_secret_in_the_log_or_in_a_debug_print() {
    let (signing, digest) = keys().to_parts();
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    let secret = b"+15555550100";
    let with = Entry { external_id_digest: Some(log.digest(secret)), ..entry(0) };
    log.append(with).await.unwrap();
    let raw = Entry { external_id_digest: Some("+15555550100".into()), ..entry(1) };
    assert!(matches!(log.append(raw).await, Err(AppendError::Entry(_))));
    let printed = format!("{log:?} {:?}", keys());
    log.close().await;
    for key in [&signing, &digest] {
        assert!(!printed.contains(&format!("{key:?}")));
        assert!(!printed.contains(&BASE64_STANDARD.encode(key)));
    }
    for (path, bytes) in snapshot(dir.path()) {
        for needle in [secret.as_slice(), signing.as_slice(), digest.as_slice()] {
            assert!(!bytes.windows(needle.len()).any(|part| part == needle), "{path:?}");
        }
    }
    assert_eq!(log.size(), 1);
}

#[test]
fn keys_survive_being_stored() {
    let made = Keys::generate(ORIGIN);
    let (signing, digest) = made.to_parts();
    let again = Keys::from_parts(ORIGIN, &signing, &digest).unwrap();
    assert_eq!(made.verifier(), again.verifier());
    assert_eq!(made.digest(b"x"), again.digest(b"x"));
    assert_ne!(made.digest(b"x"), Keys::generate(ORIGIN).digest(b"x"));
    assert_ne!(made.verifier(), Keys::generate(ORIGIN).verifier());
    assert!(Keys::from_parts("a b", &signing, &digest).is_err());
    assert!(Keys::from_parts(ORIGIN, &signing[1..], &digest).is_err());
    // RFC 4231, test case 1, with its key zero-padded to our length, which HMAC does itself.
    let key = [[0x0b; 20].as_slice(), &[0; 12]].concat();
    let known = Keys::from_parts(ORIGIN, &signing, &key).unwrap().digest(b"Hi There");
    assert_eq!(known, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

#[tokio::test]
async fn the_root_is_that_of_a_naive_tree_at_every_size() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    let mut entries = Vec::new();
    // Steps of 1 near the edges of tiles, of odd numbers elsewhere.
    let near = |size: u64| (size % 256) < 3 || (size % 256) > 253;
    while entries.len() < 1030 {
        let size = entries.len() as u64;
        let step = if near(size) { 1 } else { (size % 37 + 1).min(253 - size % 256).max(1) };
        let receipts = append(&log, size, size + step).await;
        entries.extend((size..size + step).map(entry));
        let checkpoint = format!("{}:{}", size + step, expected_root(&entries));
        assert_eq!(receipts.last().unwrap().checkpoint, checkpoint);
    }
    log.close().await;
    let report = verify(dir.path(), &keys().verifier()).unwrap();
    assert_eq!(report.root, expected_root(&entries));
    assert_eq!(report.entries, entries.len() as u64);
}

#[tokio::test]
async fn full_tiles_replace_their_partial_forms() {
    let dir = log_of(255).await;
    assert!(dir.path().join("tile/0/000.p/255").exists());
    let log = open(dir.path()).await.unwrap();
    append(&log, 255, 257).await;
    log.close().await;
    let files: Vec<_> = snapshot(dir.path()).into_keys().collect();
    let expected = [
        "checkpoint",
        "lock",
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/1",
    ];
    assert_eq!(files, expected.map(PathBuf::from));
    assert_whole(dir.path(), 257).await;
}

#[tokio::test]
async fn the_third_level_begins_after_65536_entries() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    let receipts = append(&log, 0, 65_537).await;
    log.close().await;
    assert_eq!(fs::read(dir.path().join("tile/2/000.p/1")).unwrap().len(), 32);
    assert_eq!(fs::read(dir.path().join("tile/1/000")).unwrap().len(), 256 * 32);
    let entries: Vec<_> = (0..65_537).map(entry).collect();
    let checkpoint = format!("65537:{}", expected_root(&entries));
    assert_eq!(receipts.last().unwrap().checkpoint, checkpoint);
    assert_whole(dir.path(), 65_537).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_get_a_place_of_their_own() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    let appends = (0..2000).map(|number| {
        let log = log.clone();
        tokio::spawn(async move { (number, log.append(entry(number)).await.unwrap()) })
    });
    let receipts: BTreeMap<u64, u64> = join_all(appends)
        .await
        .into_iter()
        .map(|joined| joined.map(|(number, receipt)| (receipt.index, number)).unwrap())
        .collect();
    log.close().await;
    assert_eq!(receipts.len(), 2000);
    assert_eq!(verify(dir.path(), &keys().verifier()).unwrap().size, 2000);
    for item in read(dir.path()).unwrap() {
        let (index, found) = item.unwrap();
        assert_eq!(found, entry(receipts[&index]));
    }
}

/// Builds every state in which a kill during the commit from `before` to `after` entries can leave
/// the disk: any prefix of the new files, the next one cut anywhere, the old checkpoint in place.
async fn kill_between(before: u64, after: u64) {
    let dir = log_of(before).await;
    let old = snapshot(dir.path());
    let log = open(dir.path()).await.unwrap();
    append(&log, before, after).await;
    log.close().await;
    let new = snapshot(dir.path());
    let written: Vec<_> = new
        .iter()
        .filter(|(path, bytes)| old.get(*path) != Some(bytes) && path.starts_with("tile"))
        .collect();
    assert!(!written.is_empty());
    for whole in 0..=written.len() {
        for cut in [0, 1, 31, usize::MAX] {
            let killed = restore(&old);
            for (path, bytes) in &written[..whole] {
                put(killed.path(), path, bytes);
            }
            if let Some((path, bytes)) = written.get(whole) {
                put(killed.path(), path, &bytes[..bytes.len().min(cut)]);
            } else {
                let next = &new[Path::new("checkpoint")];
                let torn = &next[..next.len().min(cut)];
                put(killed.path(), Path::new("checkpoint.tmp"), torn);
            }
            assert_whole(killed.path(), before).await;
        }
    }
    // Killed after the new checkpoint, before the outgrown partial tiles were removed.
    let killed = restore(&old);
    for (path, bytes) in &new {
        put(killed.path(), path, bytes);
    }
    assert_whole(killed.path(), after).await;
    let partials = |dir: &Path| {
        snapshot(dir).into_keys().filter(|path| path.to_string_lossy().contains(".p/")).count()
    };
    assert!(partials(killed.path()) <= 3 + 2 * usize::try_from(after % 256 + 1).unwrap());
}

#[tokio::test]
async fn a_kill_at_any_point_loses_nothing_acknowledged() {
    for (before, after) in [(0, 1), (1, 2), (254, 256), (255, 258), (256, 257), (500, 1030)] {
        kill_between(before, after).await;
    }
}

#[tokio::test]
async fn what_a_kill_left_beyond_the_checkpoint_is_discarded() {
    let dir = log_of(3).await;
    let beyond = ["tile/entries/000.p/9", "tile/0/000", "tile/1/000.p/1", "tile/0/x001/000.p/2"];
    for path in beyond {
        put(dir.path(), Path::new(path), b"torn");
    }
    let foreign = ["tile/note.txt", "tile/0/000.p/0", "tile/9/000", "tile/0/readme"];
    for path in foreign {
        put(dir.path(), Path::new(path), b"not ours");
    }
    open(dir.path()).await.unwrap().close().await;
    assert!(beyond.iter().all(|path| !dir.path().join(path).exists()));
    assert!(foreign.iter().all(|path| dir.path().join(path).exists()));
    assert_whole(dir.path(), 3).await;
}

#[test]
fn a_killed_process_keeps_every_entry_it_acknowledged() {
    if let Ok(dir) = std::env::var(CHILD) {
        append_until_killed(Path::new(&dir));
    }
    let dir = TempDir::new().unwrap();
    for round in 1..=3_u64 {
        let acknowledged = kill_after(dir.path(), round * 150);
        let report = verify(dir.path(), &keys().verifier()).unwrap();
        assert!(report.size > acknowledged, "{} entries, {acknowledged} seen", report.size);
        for (index, item) in (0..).zip(read(dir.path()).unwrap()) {
            assert_eq!(item.unwrap(), (index, entry(index)));
        }
    }
}

/// The child's part: the same test in a process of its own.
#[tokio::main(flavor = "current_thread")]
async fn append_until_killed(dir: &Path) -> ! {
    let log = open(dir).await.unwrap();
    loop {
        let receipt = log.append(entry(log.size())).await.unwrap();
        println!("\nacknowledged {}", receipt.index);
    }
}

/// Kills a child that appends once it acknowledged entry `index`; gives the last acknowledged one.
fn kill_after(dir: &Path, index: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_keeps_every_entry_it_acknowledged", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
    let reached = acknowledged.by_ref().find(|acknowledged| *acknowledged >= index).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.last().unwrap_or(reached)
}

#[tokio::test]
async fn every_flipped_byte_and_cut_file_is_found_and_named() {
    let dir = log_of(259).await;
    let whole = snapshot(dir.path());
    let vkey = keys().verifier();
    // Partial tiles of older checkpoints may be there too; nothing depends on them.
    let covered = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/3",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/3",
    ];
    for path in covered.map(Path::new) {
        let bytes = &whole[path];
        // Each byte of small files; a sample with the ends of large ones.
        let step = (bytes.len() / 97).max(1);
        let mut damaged: Vec<Vec<u8>> = (0..bytes.len())
            .step_by(step)
            .chain([bytes.len() - 1])
            .map(|at| bytes.iter().enumerate().map(|(i, b)| b ^ u8::from(i == at)).collect())
            .collect();
        damaged.push(bytes[..bytes.len() - 1].to_vec());
        damaged.push([bytes.as_slice(), b"x"].concat());
        damaged.push(Vec::new());
        let name = dir.path().join(path).to_string_lossy().into_owned();
        for bad in damaged {
            put(dir.path(), path, &bad);
            let found = verify(dir.path(), &vkey).expect_err(&name);
            assert!(chain(&found).contains(&name), "{name}: {}", chain(&found));
        }
        let refused = open(dir.path()).await.expect_err(&name);
        assert!(chain(&refused).contains(&name), "{name}: {}", chain(&refused));
        fs::remove_file(dir.path().join(path)).unwrap();
        assert!(verify(dir.path(), &vkey).is_err(), "{name}");
        assert!(open(dir.path()).await.is_err(), "{name}");
        put(dir.path(), path, bytes);
    }
    assert_whole(dir.path(), 259).await;
}

#[tokio::test]
async fn a_removed_or_changed_entry_is_named_by_its_index() {
    let dir = log_of(6).await;
    let file = dir.path().join("tile/entries/000.p/6");
    let bundle = fs::read(&file).unwrap();
    let length = bundle.len() / 6;
    let without = [&bundle[..2 * length], &bundle[3 * length..]].concat();
    fs::write(&file, without).unwrap();
    let found = verify(dir.path(), &keys().verifier());
    assert!(matches!(found, Err(VerifyError::Entry { index: 2, .. })), "{found:?}");
    let mut changed = bundle.clone();
    let name = changed.windows(3).position(|part| part == b"m-4").unwrap();
    changed[name + 2] = b'5';
    fs::write(&file, &changed).unwrap();
    let found = verify(dir.path(), &keys().verifier());
    assert!(matches!(found, Err(VerifyError::Entry { index: 4, .. })), "{found:?}");
    // Who also rewrites the leaf hash still lacks the signature.
    let leaf = Sha256::digest([&[0], &changed[4 * length + 2..5 * length]].concat());
    let tile = dir.path().join("tile/0/000.p/6");
    let mut hashes = fs::read(&tile).unwrap();
    hashes[4 * 32..5 * 32].copy_from_slice(&leaf);
    fs::write(&tile, hashes).unwrap();
    let found = verify(dir.path(), &keys().verifier());
    assert!(matches!(found, Err(VerifyError::Root { size: 6, .. })), "{found:?}");
}

#[tokio::test]
async fn a_second_handle_is_refused_until_the_first_closes() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    assert!(matches!(open(dir.path()).await, Err(OpenError::Locked { .. })));
    log.append(entry(0)).await.unwrap();
    log.clone().close().await;
    assert!(matches!(log.append(entry(1)).await, Err(AppendError::Closed)));
    log.close().await;
    assert_whole(dir.path(), 1).await;
}

#[tokio::test]
async fn another_key_or_origin_is_refused() {
    let dir = log_of(2).await;
    let before = snapshot(dir.path());
    let other = Keys::generate(ORIGIN);
    let vkey = other.verifier();
    let refused = Witness::open(dir.path().into(), ORIGIN.into(), other).await.unwrap_err();
    let signer = keys().verifier().rsplit_once('+').unwrap().0.to_owned();
    assert!(chain(&refused).contains(&signer), "{}", chain(&refused));
    assert!(chain(&refused).contains(&vkey), "{}", chain(&refused));
    assert!(verify(dir.path(), &vkey).is_err());
    assert!(verify(dir.path(), "nonsense").is_err());
    let refused = Witness::open(dir.path().into(), "other/log".into(), keys()).await;
    assert!(matches!(refused, Err(OpenError::OtherOrigin { .. })));
    let spaced = Witness::open(dir.path().into(), ORIGIN.into(), Keys::generate("a b")).await;
    assert!(matches!(spaced, Err(OpenError::Key(_))));
    let new = TempDir::new().unwrap();
    let broken = Witness::open(new.path().into(), "two\nlines".into(), keys()).await;
    assert!(matches!(broken, Err(OpenError::Checkpoint(_))));
    assert_eq!(snapshot(dir.path()), before);
}

#[tokio::test]
async fn a_write_error_fails_the_append_and_the_log_goes_on_after_it() {
    let dir = log_of(3).await;
    // A folder where a file must be written fails for every user, also for root.
    for blocked in ["tile/entries/000.p/4", "tile/0/000.p/4", "checkpoint.tmp"] {
        let obstacle = dir.path().join(blocked);
        let log = open(dir.path()).await.unwrap();
        fs::create_dir_all(&obstacle).unwrap();
        for _ in 0..2 {
            let error = log.append(entry(3)).await.unwrap_err();
            assert!(chain(&error).contains(obstacle.to_str().unwrap()), "{}", chain(&error));
            assert_eq!(log.size(), 3);
            assert_eq!(verify(dir.path(), &keys().verifier()).unwrap().size, 3);
        }
        fs::remove_dir(&obstacle).unwrap();
        assert_eq!(log.append(entry(3)).await.unwrap().index, 3);
        log.close().await;
        assert_whole(dir.path(), 4).await;
        fs::remove_dir_all(dir.path()).unwrap();
        let log = open(dir.path()).await.unwrap();
        append(&log, 0, 3).await;
        log.close().await;
    }
}

#[tokio::test]
async fn an_entry_too_long_for_a_bundle_is_refused_and_the_longest_fits() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    let with = |bytes: usize| Entry { note: Some("x".repeat(bytes)), ..entry(0) };
    let rest = serde_json::to_vec(&with(0)).unwrap().len();
    let longest = usize::from(u16::MAX) - rest;
    assert!(matches!(log.append(with(longest + 1)).await, Err(AppendError::Entry(_))));
    assert_eq!(log.append(with(longest)).await.unwrap().index, 0);
    log.close().await;
    assert_eq!(verify(dir.path(), &keys().verifier()).unwrap().entries, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verification_and_reading_go_on_while_the_log_is_written() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await.unwrap();
    let writer = tokio::spawn({
        let log = log.clone();
        async move {
            for number in 0..600 {
                log.append(entry(number)).await.unwrap();
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut seen = 0;
    while seen < 600 {
        assert!(Instant::now() < deadline, "only {seen} entries");
        let report = verify(dir.path(), &keys().verifier())
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert!(report.size >= seen);
        seen = report.size;
        assert!(read(dir.path()).unwrap().map(Result::unwrap).count() as u64 >= seen);
    }
    writer.await.unwrap();
    log.close().await;
}
