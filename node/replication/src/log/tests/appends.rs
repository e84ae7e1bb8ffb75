//! Appending, reading, and when callers hear what.

use std::sync::{Arc, Mutex};

use super::super::errors::{LogFailed, ReadError};
use super::super::limits::Limits;
use super::super::record::{Record, RecordKind, Vote};
use super::super::wal::Wal;
use super::kit::*;

#[tokio::test]
async fn an_empty_log_is_empty_again_when_opened_again() {
    let folder = Folder::new();
    for _ in 0..2 {
        let (wal, recovered) = folder.open().await;
        assert_eq!(recovered, Default::default());
        assert_eq!((wal.last(), wal.purged(), wal.id_at(0)), (None, None, None));
        assert_eq!(wal.read(0..0, 1).unwrap(), []);
        wal.close().await.unwrap();
    }
}

#[tokio::test]
async fn entries_of_every_kind_come_back_after_a_restart() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    let kinds = [
        RecordKind::Membership,
        RecordKind::Blank,
        RecordKind::Command,
    ];
    let records: Vec<Record> = (0..)
        .zip(kinds)
        .map(|(index, kind)| Record {
            kind,
            ..entry(0, index)
        })
        .chain([entry_of(1, 3, bytes::Bytes::new())])
        .collect();
    append(&wal, records.clone()).await.unwrap();
    let vote = Vote {
        term: 1,
        node: 7,
        committed: true,
    };
    wal.save_vote(vote).await.unwrap();
    wal.save_committed(id(0, 2));
    wal.close().await.unwrap();

    let (wal, recovered) = folder.open().await;
    assert_eq!(recovered.vote, Some(vote));
    assert_eq!(recovered.committed, Some(id(0, 2)));
    assert_eq!(recovered.last, Some(id(1, 3)));
    assert!(!recovered.torn_tail_cut);
    assert_eq!(entries(&wal), records);
}

#[tokio::test]
async fn entries_are_readable_before_they_are_durable() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
    disk.hold_syncs(true);
    let records: Vec<Record> = (0..50).map(|index| entry(1, index)).collect();
    let mut told = start_append(&wal, records.clone());
    assert_eq!(entries(&wal), records);
    assert_eq!(wal.last(), Some(id(1, 49)));
    assert_eq!(*wal.durable().borrow(), None);
    assert!(told.try_recv().is_err());
    disk.hold_syncs(false);
    told.await.unwrap().unwrap();
    assert_eq!(*wal.durable().borrow(), Some(id(1, 49)));
}

#[tokio::test]
async fn one_sync_serves_everybody_who_waits() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let limits = Limits {
        segment_bytes: 1 << 20,
        ..SMALL
    };
    let (wal, _) = Wal::open(&host, folder.path(), limits).await.unwrap();
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    disk.hold_syncs(true);
    let order = Arc::new(Mutex::new(Vec::new()));
    let (tell, mut told) = tokio::sync::mpsc::channel(1000);
    for index in 1..=1000 {
        let (order, tell) = (Arc::clone(&order), tell.clone());
        let done = move |outcome: Result<(), LogFailed>| {
            outcome.unwrap();
            order.lock().unwrap().push(index);
            tell.try_send(()).unwrap();
        };
        wal.append(vec![entry(1, index)], Box::new(done));
    }
    let before = wal.stats().syncs;
    disk.hold_syncs(false);
    for _ in 0..1000 {
        told.recv().await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (1..=1000).collect::<Vec<u64>>());
    // The batch that was under way, and one for all that came meanwhile.
    assert!(wal.stats().syncs - before <= 2, "{:?}", wal.stats());
    assert_eq!(wal.stats().entries_written, 1001);
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait_for_room() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let limits = Limits {
        queue_bytes: 2000,
        ..SMALL
    };
    let (wal, _) = Wal::open(&host, folder.path(), limits).await.unwrap();
    disk.hold_syncs(true);
    wal.room().await;
    let told = start_append(&wal, vec![entry_of(1, 0, vec![7; 2000].into())]);
    let mut room = Box::pin(wal.room());
    assert!(futures::poll!(&mut room).is_pending());
    disk.hold_syncs(false);
    room.await;
    told.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_committed_mark_rides_along_and_makes_no_sync() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
    append(&wal, vec![entry(1, 0), entry(1, 1)]).await.unwrap();
    let before = disk.calls().len();
    wal.save_committed(id(1, 0));
    wal.save_committed(id(1, 1));
    assert_eq!(disk.calls().len(), before);
    assert_eq!(folder.copy().open().await.1.committed, None);
    append(&wal, vec![entry(1, 2)]).await.unwrap();
    assert_eq!(folder.copy().open().await.1.committed, Some(id(1, 1)));
}

#[tokio::test]
async fn reads_are_bounded_but_never_empty() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    let records: Vec<Record> = (0..100)
        .map(|index| entry_of(1, index, vec![1; 10].into()))
        .collect();
    for record in &records {
        append(&wal, vec![record.clone()]).await.unwrap();
    }
    for start in 0..100 {
        let expect = |count: usize| records[start..(start + count).min(100)].to_vec();
        let range = start as u64..100;
        assert_eq!(wal.read(range.clone(), 0).unwrap(), expect(1));
        assert_eq!(wal.read(range.clone(), 39).unwrap(), expect(3));
        assert_eq!(wal.read(range.clone(), 40).unwrap(), expect(4));
        assert_eq!(wal.read(range, usize::MAX).unwrap(), expect(100));
    }
    assert!(matches!(
        wal.read(0..101, 1),
        Err(ReadError::Beyond { index: 100 })
    ));
    wal.purge(id(1, 9)).await.unwrap();
    assert!(matches!(
        wal.read(9..20, 1),
        Err(ReadError::Purged { index: 9, .. })
    ));
    assert_eq!(
        wal.read(10..20, 1).unwrap(),
        [entry_of(1, 10, vec![1; 10].into())]
    );
}

#[tokio::test]
async fn a_hole_is_refused_for_good() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    let error = append(&wal, vec![entry(1, 2)]).await.unwrap_err();
    assert!(
        matches!(error, LogFailed::OutOfOrder { expected: 1, .. }),
        "{error}"
    );
    assert!(append(&wal, vec![entry(1, 1)]).await.is_err());
    assert!(wal.stats().poisoned.is_some());
    assert_eq!(folder.copy().open().await.1.last, Some(id(1, 0)));
}

#[tokio::test]
async fn truncating_what_is_not_there_is_refused() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    let error = wal.truncate_after(Some(id(2, 0))).await.unwrap_err();
    assert!(matches!(error, LogFailed::NoSuchEntry { .. }), "{error}");
}
