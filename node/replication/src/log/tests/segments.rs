//! Segments: begun, read across, deleted; and what each must have on disk before the next step.

use super::super::record::Vote;
use super::super::wal::Wal;
use super::kit::*;
use crate::ids::LogId;

const VOTE: Vote = Vote {
    term: 9,
    node: 3,
    committed: false,
};

#[tokio::test]
async fn a_log_grows_over_many_segments_and_reads_as_one() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    let mut records = Vec::new();
    for index in 0..200 {
        records.push(entry(1, index));
        append(&wal, vec![entry(1, index)]).await.unwrap();
    }
    assert!(folder.segments().len() > 5, "{:?}", folder.segments());
    assert_eq!(entries(&wal), records);
    assert_eq!(wal.stats().segments, folder.segments().len() as u64);
    wal.close().await.unwrap();
    let (wal, _) = folder.open().await;
    assert_eq!(entries(&wal), records);
    append(&wal, vec![entry(1, 200)]).await.unwrap();
    assert_eq!(wal.last(), Some(id(1, 200)));
}

#[tokio::test]
async fn an_entry_larger_than_a_segment_gets_one_of_its_own() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    let large = entry_of(1, 1, vec![5; 5000].into());
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    append(&wal, vec![large.clone()]).await.unwrap();
    append(&wal, vec![entry(1, 2)]).await.unwrap();
    for wal in [wal, folder.copy().open().await.0] {
        assert_eq!(entries(&wal), [entry(1, 0), large.clone(), entry(1, 2)]);
    }
}

#[tokio::test]
async fn a_segment_gets_its_name_only_when_its_first_batch_is_durable() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
    let before = disk.calls().len();
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    let expected = [
        Call::Create("spare".to_owned()),
        Call::Write("spare".to_owned()),
        Call::Sync("spare".to_owned()),
        Call::Rename(folder.segments()[0].clone()),
        Call::SyncDir,
    ];
    assert_eq!(disk.calls()[before..], expected);
}

#[tokio::test]
async fn purged_segments_go_and_the_facts_in_them_stay() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    wal.save_vote(VOTE).await.unwrap();
    wal.save_committed(id(1, 0));
    for index in 0..100 {
        append(&wal, vec![entry(1, index)]).await.unwrap();
    }
    let before = folder.segments();
    wal.purge(id(1, 89)).await.unwrap();
    append(&wal, vec![entry(1, 100)]).await.unwrap();
    let after = folder.segments();
    assert!(
        after.len() < before.len() && after[0] != before[0],
        "{after:?}"
    );
    assert_eq!(wal.stats().segments, after.len() as u64);

    let (wal, recovered) = folder.copy().open().await;
    assert_eq!(recovered.vote, Some(VOTE));
    assert_eq!(recovered.committed, Some(id(1, 0)));
    assert_eq!(recovered.purged, Some(id(1, 89)));
    assert_eq!(recovered.last, Some(id(1, 100)));
    assert_eq!(wal.id_at(89), Some(id(1, 89)));
    assert_eq!(wal.id_at(88), None);
    assert_eq!(
        entries(&wal),
        (90..=100).map(|index| entry(1, index)).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn segments_are_deleted_one_by_one_from_the_oldest() {
    let (host, disk) = Faulty::host();
    let folder = Folder::new();
    let (wal, _) = Wal::open(&host, folder.path(), SMALL).await.unwrap();
    for index in 0..100 {
        append(&wal, vec![entry(1, index)]).await.unwrap();
    }
    let segments = folder.segments();
    let before = disk.calls().len();
    wal.purge(id(1, 99)).await.unwrap();
    wal.save_vote(VOTE).await.unwrap();
    let removals: Vec<Call> = disk.calls()[before..]
        .windows(2)
        .filter(|pair| matches!(pair[0], Call::Remove(_)))
        .flat_map(<[Call]>::to_vec)
        .collect();
    let expected: Vec<Call> = segments[..segments.len() - 1]
        .iter()
        .flat_map(|name| [Call::Remove(name.clone()), Call::SyncDir])
        .collect();
    assert_eq!(removals, expected);
}

#[tokio::test]
async fn a_snapshot_from_beyond_the_end_starts_the_log_anew_behind_it() {
    for upto in [id(2, 500), id(7, 3), id(1, 40)] {
        let folder = Folder::new();
        let (wal, _) = folder.open().await;
        for index in 0..30 {
            append(&wal, vec![entry(1, index)]).await.unwrap();
        }
        wal.purge(upto).await.unwrap();
        assert_eq!((wal.last(), wal.purged()), (Some(upto), Some(upto)));
        let next = entry(upto.term, upto.index + 1);
        append(&wal, vec![next.clone()]).await.unwrap();
        let (again, recovered) = folder.copy().open().await;
        assert_eq!(
            (recovered.purged, recovered.last),
            (Some(upto), Some(next.id)),
            "{upto}"
        );
        assert_eq!(entries(&again), [next]);
    }
}

#[tokio::test]
async fn what_was_truncated_stays_away_also_when_its_segments_are_older() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    for index in 0..60 {
        append(&wal, vec![entry(1, index)]).await.unwrap();
    }
    wal.truncate_after(Some(id(1, 9))).await.unwrap();
    assert_eq!(*wal.durable().borrow(), Some(id(1, 9)));
    for index in 10..30 {
        append(&wal, vec![entry(2, index)]).await.unwrap();
    }
    let expected = |from: u64| -> Vec<LogId> {
        (from..30)
            .map(|index| id(if index < 10 { 1 } else { 2 }, index))
            .collect()
    };
    let ids = |wal: &Wal| {
        entries(wal)
            .iter()
            .map(|record| record.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&wal), expected(0));
    assert_eq!(ids(&folder.copy().open().await.0), expected(0));

    // The first segments go; the truncation behind them speaks of entries that no segment has any more.
    wal.purge(id(2, 20)).await.unwrap();
    append(&wal, vec![entry(2, 30)]).await.unwrap();
    wal.truncate_after(Some(id(2, 29))).await.unwrap();
    let (again, recovered) = folder.copy().open().await;
    assert_eq!(
        (recovered.purged, recovered.last),
        (Some(id(2, 20)), Some(id(2, 29)))
    );
    assert_eq!(ids(&again), expected(21));
    wal.truncate_after(Some(id(2, 20))).await.unwrap();
    assert_eq!(folder.copy().open().await.1.last, Some(id(2, 20)));
}

#[tokio::test]
async fn left_overs_of_an_interrupted_rotation_are_cleared_away() {
    let folder = Folder::new();
    let (wal, _) = folder.open().await;
    append(&wal, vec![entry(1, 0)]).await.unwrap();
    let copy = folder
        .with("spare", b"half a segment")
        .with("stopped.new", b"half a mark");
    let (wal, recovered) = copy.open().await;
    assert!(!recovered.torn_tail_cut);
    for index in 1..60 {
        append(&wal, vec![entry(1, index)]).await.unwrap();
    }
    assert_eq!(entries(&wal).len(), 60);
    wal.close().await.unwrap();
    assert_eq!(copy.open().await.1.last, Some(id(1, 59)));
}
