//! Snapshot files: whole ones read back, damaged ones noticed at every byte.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::*;
use crate::contract::{Applied, Fatal};
use crate::ids::ClusterId;
use crate::raft::snapshots::Put;

const APPLIED_AT: LogId = LogId {
    term: 3,
    leader: 2,
    index: 77,
};

struct Fixed(Applied, Vec<Bytes>);

impl Export for Fixed {
    fn applied(&self) -> Applied {
        self.0.clone()
    }

    fn next(&mut self) -> Result<Option<Bytes>, Fatal> {
        Ok((!self.1.is_empty()).then(|| self.1.remove(0)))
    }
}

fn chunks() -> Vec<Bytes> {
    vec![Bytes::from_static(b"first"), Bytes::from(vec![7; 3000])]
}

fn export() -> Box<Fixed> {
    let applied = Applied {
        last: APPLIED_AT,
        membership: Bytes::from_static(b"members"),
        membership_at: Some(LogId {
            term: 1,
            leader: 2,
            index: 5,
        }),
        removed: BTreeSet::from([8, 9]),
    };
    Box::new(Fixed(applied, chunks()))
}

async fn written() -> (tempfile::TempDir, Arc<Snapshots>, SnapshotFile) {
    let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
    let snapshots = Snapshots::open(&host, dir.path().to_owned()).unwrap();
    let mut identity = Identity::draw(&host);
    identity.cluster = Some(ClusterId([4; 16]));
    let file = snapshots.write(&identity, export()).await.unwrap();
    snapshots.keep_only(&file).unwrap();
    (dir, snapshots, file)
}

#[tokio::test]
async fn what_was_written_is_read_back() {
    let (dir, _, file) = written().await;
    assert_eq!(file.applied(), &export().applied());
    assert_eq!(file.head().cluster, Some(ClusterId([4; 16])));
    file.verify().unwrap();
    let again = Snapshots::open(&Host::real(), dir.path().to_owned())
        .unwrap()
        .last()
        .unwrap();
    assert_eq!(
        again.chunks().collect::<io::Result<Vec<_>>>().unwrap(),
        chunks()
    );
}

#[tokio::test]
async fn the_first_format_stays_readable() {
    let fixture = include_str!("../../../testdata/v1/snapshot.hex");
    let bytes = hex::decode(fixture.split_whitespace().collect::<String>()).unwrap();
    let (_dir, _, file) = written().await;
    assert_eq!(
        hex::encode(file.read(0, file.len() as usize).unwrap()),
        hex::encode(bytes)
    );
}

#[tokio::test]
async fn every_damaged_byte_and_every_cut_is_noticed() {
    let (dir, snapshots, file) = written().await;
    let good = file.read(0, file.len() as usize).unwrap();
    let path = dir.path().join("damaged");
    let files = &*snapshots.host.files;
    let noticed = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        SnapshotFile::open(files, &path)
            .and_then(|file| file.verify())
            .is_err()
    };
    assert!(!noticed(&good));
    for at in (0..good.len()).step_by(7).chain([good.len() - 1]) {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        assert!(noticed(&bad), "byte {at}");
        assert!(noticed(&good[..at]), "cut at {at}");
    }
}

#[tokio::test]
async fn a_format_from_the_future_is_named() {
    let (dir, snapshots, file) = written().await;
    let mut bytes = file.read(0, file.len() as usize).unwrap().to_vec();
    bytes[5] = 9;
    let path = dir.path().join("future");
    std::fs::write(&path, bytes).unwrap();
    let error = SnapshotFile::open(&*snapshots.host.files, &path).unwrap_err();
    assert!(error.to_string().contains("format 9"), "{error}");
}

#[tokio::test]
async fn a_received_snapshot_counts_only_when_whole() {
    let (_dir, sender, file) = written().await;
    let there = tempfile::tempdir().unwrap();
    let receiver = Snapshots::open(&sender.host, there.path().to_owned()).unwrap();
    let bytes = file.read(0, file.len() as usize).unwrap();
    let begin = || receiver.receive(file.len(), file.digest(), 1).unwrap();

    let mut short = begin();
    short.put(0, &bytes.slice(..100)).unwrap();
    let refused = Put::OutOfTurn { due: 100 };
    let hole = short.put(200, &bytes.slice(200..)).unwrap();
    assert_eq!(hole, refused, "a hole");
    let far = short.put(u64::MAX, &bytes.slice(..100)).unwrap();
    assert_eq!(far, refused, "beyond every end");
    assert!(short.finish().await.is_err(), "too short");

    let mut bent = begin();
    let mut wrong = bytes.to_vec();
    wrong[300] ^= 1;
    bent.put(0, &wrong.into()).unwrap();
    assert!(bent.finish().await.is_err(), "damaged on the way");

    let mut other = receiver.receive(file.len(), [0; 32], 1).unwrap();
    other.put(0, &bytes).unwrap();
    assert!(other.finish().await.is_err(), "another than announced");
    assert_eq!(
        std::fs::read_dir(there.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );

    let mut whole = begin();
    whole.put(0, &bytes.slice(..1000)).unwrap();
    // What was sent again after a break.
    whole.put(400, &bytes.slice(400..1000)).unwrap();
    whole.put(1000, &bytes.slice(1000..)).unwrap();
    let kept = receiver.adopt(&whole.finish().await.unwrap()).unwrap();
    receiver.keep_only(&kept).unwrap();
    assert_eq!(receiver.last().unwrap().applied().last, APPLIED_AT);
}
