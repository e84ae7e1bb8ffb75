//! A power loss at every place of the last batch: all that was reported durable is there, and nothing torn is.

use super::super::format::BATCH_HEADER_BYTES;
use super::super::record::{Recovered, Vote};
use super::kit::*;

/// A log of several batches in one segment. Returns its name, its bytes, and where its last batch stands.
async fn log(folder: &Folder, last_payload: Vec<u8>) -> (String, Vec<u8>, std::ops::Range<usize>) {
    let (wal, _) = folder.open().await;
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    wal.save_vote(Vote {
        term: 2,
        node: 5,
        committed: true,
    })
    .await
    .unwrap();
    append(&wal, vec![entry(2, 1), entry(2, 2)]).await.unwrap();
    let name = folder.segments()[0].clone();
    let start = used(&folder.read(&name));
    append(&wal, vec![entry(2, 3), entry_of(2, 4, last_payload.into())])
        .await
        .unwrap();
    let bytes = folder.read(&name);
    let end = used(&bytes);
    (name, bytes, start..end)
}

/// The log opens without its last batch, and goes on as if it had never been there.
async fn check_cut(crashed: Folder, expect_torn: bool, what: &str) {
    let (wal, recovered) = crashed.open().await;
    let expected = Recovered {
        vote: Some(Vote {
            term: 2,
            node: 5,
            committed: true,
        }),
        committed: None,
        purged: None,
        last: Some(id(2, 2)),
        torn_tail_cut: expect_torn,
    };
    assert_eq!(recovered, expected, "{what}");
    // The cut is durable before the log is used: whoever opens it now finds nothing torn.
    let (_, again) = crashed.copy().open().await;
    assert_eq!(
        again,
        Recovered {
            torn_tail_cut: false,
            ..expected
        },
        "{what}"
    );
    append(&wal, vec![entry(3, 3)]).await.unwrap();
    let (wal, again) = crashed.copy().open().await;
    assert!(!again.torn_tail_cut, "{what}");
    assert_eq!(
        entries(&wal),
        [entry(1, 0), entry(2, 1), entry(2, 2), entry(3, 3)],
        "{what}"
    );
}

#[tokio::test]
async fn at_every_byte_only_the_beginning_of_the_last_batch_was_written() {
    let folder = Folder::new();
    let (name, bytes, last) = log(&folder, b"the end".to_vec()).await;
    for cut in last.clone() {
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        check_cut(
            folder.with(&name, &torn),
            used(&torn) > last.start,
            &format!("cut at {cut}"),
        )
        .await;
    }
}

#[tokio::test]
async fn at_every_byte_the_file_ends_in_the_last_batch() {
    let folder = Folder::new();
    let (name, bytes, last) = log(&folder, b"the end".to_vec()).await;
    for cut in last.clone() {
        let crashed = folder.with(&name, &bytes[..cut]);
        check_cut(crashed, cut > last.start, &format!("cut at {cut}")).await;
    }
}

#[tokio::test]
async fn at_every_byte_the_last_batch_is_garbled() {
    let folder = Folder::new();
    let (name, bytes, last) = log(&folder, b"the end".to_vec()).await;
    for at in last {
        let mut torn = bytes.clone();
        torn[at] ^= 0x55;
        check_cut(folder.with(&name, &torn), true, &format!("garbled at {at}")).await;
    }
}

#[tokio::test]
async fn any_sectors_of_the_last_batch_are_missing() {
    let folder = Folder::new();
    // In the segment the last batch begins in the first sector and ends in the second; both may be lost alone.
    let (name, bytes, last) = log(&folder, vec![9; 450]).await;
    assert!(
        last.start < 512 && last.end > 512 && last.end <= 1024,
        "{last:?}"
    );
    for lost in [last.start..512, 512..last.end] {
        let mut torn = bytes.clone();
        torn[lost.clone()].fill(0);
        check_cut(folder.with(&name, &torn), true, &format!("lost {lost:?}")).await;
    }
}

#[tokio::test]
async fn a_torn_batch_that_quotes_a_batch_is_still_torn() {
    let source = Folder::new();
    let (_, bytes, quoted) = log(&source, b"quoted".to_vec()).await;
    // The same log again, so that the quoted batch has the very sequence that would count as "behind".
    let folder = Folder::new();
    let (name, bytes, last) = log(&folder, bytes[quoted].to_vec()).await;
    let mut torn = bytes.clone();
    torn[last.start + BATCH_HEADER_BYTES] ^= 1;
    check_cut(folder.with(&name, &torn), true, "quoted").await;
}

#[tokio::test]
async fn a_whole_last_batch_is_made_durable_again_before_it_counts() {
    let folder = Folder::new();
    let (name, ..) = log(&folder, b"the end".to_vec()).await;
    let (host, disk) = Faulty::host();
    let copy = folder.copy();
    super::super::wal::Wal::open(&host, copy.path(), SMALL)
        .await
        .unwrap();
    let last_batch_again = [Call::Write(name.clone()), Call::Sync(name), Call::SyncDir];
    assert!(
        disk.calls().ends_with(&last_batch_again),
        "{:?}",
        disk.calls()
    );
}
