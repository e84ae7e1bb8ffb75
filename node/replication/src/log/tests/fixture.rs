//! The format is frozen: `testdata/v1/log` was written by this code and is read, and written, the same forever.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use node_host::{Files, Host, Random, real};

use super::super::limits::Limits;
use super::super::record::{Record, RecordKind, Recovered, Vote};
use super::super::wal::Wal;
use super::kit::*;

const VOTE: Vote = Vote {
    term: 3,
    node: 0xabc,
    committed: true,
};
const LIMITS: Limits = Limits {
    segment_bytes: 512,
    ..SMALL
};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1/log")
}

/// The same salts each time.
struct NoChance;

impl Random for NoChance {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x5a);
    }
}

/// Every kind of record, over several segments, ending with a clean stop.
async fn write(dir: &Path) {
    let host = Host {
        random: Arc::new(NoChance),
        ..Host::real()
    };
    let (wal, _) = Wal::open(&host, dir, LIMITS).await.unwrap();
    append(
        &wal,
        vec![Record {
            kind: RecordKind::Membership,
            ..entry(0, 0)
        }],
    )
    .await
    .unwrap();
    append(
        &wal,
        vec![Record {
            kind: RecordKind::Blank,
            ..entry(1, 1)
        }],
    )
    .await
    .unwrap();
    append(&wal, (2..6).map(|index| entry(2, index)).collect())
        .await
        .unwrap();
    wal.truncate_after(Some(id(2, 4))).await.unwrap();
    wal.save_committed(id(2, 3));
    wal.save_vote(VOTE).await.unwrap();
    append(&wal, (5..8).map(|index| entry(3, index)).collect())
        .await
        .unwrap();
    wal.purge(id(0, 0)).await.unwrap();
    wal.close().await.unwrap();
}

#[tokio::test]
async fn version_1_is_always_readable() {
    let folder = Folder::new();
    for name in real::Files.list(&fixture()).unwrap() {
        std::fs::copy(fixture().join(&name), folder.file(&name)).unwrap();
    }
    let (wal, recovered) = folder.open().await;
    let expected = Recovered {
        vote: Some(VOTE),
        committed: Some(id(2, 3)),
        purged: Some(id(0, 0)),
        last: Some(id(3, 7)),
        torn_tail_cut: false,
    };
    assert_eq!(recovered, expected);
    let mut records = vec![Record {
        kind: RecordKind::Blank,
        ..entry(1, 1)
    }];
    records.extend((2..5).map(|index| entry(2, index)));
    records.extend((5..8).map(|index| entry(3, index)));
    assert_eq!(entries(&wal), records);
}

/// Fails when the bytes change. A new format gets a new folder; this one stays. With `KLUSTER_WRITE_FIXTURES` set it
/// writes the folder.
#[tokio::test]
async fn version_1_is_still_written_byte_for_byte() {
    if std::env::var_os("KLUSTER_WRITE_FIXTURES").is_some() {
        write(&fixture()).await;
    }
    let folder = Folder::new();
    write(folder.path()).await;
    let names = real::Files.list(&fixture()).unwrap();
    assert_eq!(real::Files.list(folder.path()).unwrap(), names);
    for name in names {
        assert_eq!(
            folder.read(&name),
            std::fs::read(fixture().join(&name)).unwrap(),
            "{name}"
        );
    }
}
