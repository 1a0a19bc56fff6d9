//! What is refused: damage, other keys, a second writer.

use std::fs;
use std::path::Path;

use infrafabric::witness::{AppendError, Keys, OpenError, VerifyError, Witness, verify};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{ORIGIN, assert_whole, chain, entry, keys, log_of, open, put, snapshot};

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
