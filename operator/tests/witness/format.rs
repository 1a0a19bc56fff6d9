//! What is written: entries, keys, tiles and the root.

use std::fs;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use infrafabric::witness::{AppendError, Cost, Entry, Keys, Phase, read, verify};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{ORIGIN, append, assert_whole, entry, keys, log_of, open, snapshot};

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
