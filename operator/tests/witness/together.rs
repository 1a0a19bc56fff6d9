//! Many writers, and readers beside them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use infrafabric::witness::{read, verify};
use tempfile::TempDir;

use crate::{chain, entry, keys, open};

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
    let deadline = Instant::now() + Duration::from_mins(1);
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
