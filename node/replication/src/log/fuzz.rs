//! A segment of any content: refused and left as it is, or a log that goes on.

use std::path::PathBuf;

use node_host::Host;
use tokio::sync::oneshot;

use super::{Limits, Record, RecordKind, Wal};
use crate::ids::LogId;

const LIMITS: Limits = Limits {
    segment_bytes: 1024,
    batch_bytes: 1 << 20,
    cache_bytes: 400,
    queue_bytes: 1 << 20,
};

/// Opens the log whose one segment is at `path`; one that opens takes an entry and has it when it is opened again.
///
/// # Panics
/// A log that is refused was changed, or one that opened did not keep what it had.
pub async fn segment(host: Host, path: PathBuf) {
    let before = std::fs::read(&path).expect("the segment is there");
    let dir = path.parent().expect("a segment is in a folder");
    let Ok((wal, _)) = Wal::open(&host, dir, LIMITS).await else {
        let after = std::fs::read(&path).expect("the segment is there");
        assert_eq!(before, after, "a log that is refused is left as it is");
        return;
    };
    let mut entries = read(&wal);
    let index = wal.last().map_or(0, |last| last.index + 1);
    if index < u64::MAX {
        let record = Record {
            id: LogId {
                term: 1,
                leader: 1,
                index,
            },
            kind: RecordKind::Command,
            payload: "one more".into(),
        };
        entries.push(record.clone());
        append(&wal, record).await;
    }
    wal.close().await.expect("the log closes");
    let (wal, _) = Wal::open(&host, dir, LIMITS)
        .await
        .expect("a log that was open opens again");
    assert_eq!(read(&wal), entries);
    wal.close().await.expect("the log closes");
}

fn read(wal: &Wal) -> Vec<Record> {
    let first = wal.purged().map_or(0, |purged| purged.index + 1);
    let end = wal.last().map_or(first, |last| last.index + 1);
    let mut entries = Vec::new();
    while first + (entries.len() as u64) < end {
        let from = first + entries.len() as u64;
        entries.extend(wal.read(from..end, 1 << 20).expect("the log reads"));
    }
    entries
}

async fn append(wal: &Wal, record: Record) {
    let (tell, told) = oneshot::channel();
    wal.append(vec![record], Box::new(|done| drop(tell.send(done))));
    let done = told.await.expect("done is always called");
    done.expect("the log takes an entry");
}
