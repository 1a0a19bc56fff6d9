//! What survives a kill and a full disk.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use infrafabric::witness::{read, verify};
use tempfile::TempDir;

use crate::{append, assert_whole, chain, entry, keys, log_of, open, put, restore, snapshot};

const CHILD: &str = "WITNESS_TEST_LOG_OF_CHILD";

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
        .args([
            "--exact",
            "crash::a_killed_process_keeps_every_entry_it_acknowledged",
            "--nocapture",
        ])
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
