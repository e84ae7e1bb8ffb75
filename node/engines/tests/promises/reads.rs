//! Reads beside apply, and how apply fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use node_disk::Disk;
use node_engines::{
    Change, Command, DecodeError, Engines, Entry, Fatal, LogId, OpenError, Proposal, Stamp, kv,
};
use node_storage::{Batch, Memory, Row, Storage, StorageError, Table, View};

use crate::history::history;

fn put(index: u64, key: &str, value: impl Into<Bytes>) -> (LogId, Change) {
    let key = Bytes::copy_from_slice(key.as_bytes());
    let commands = vec![Command::Kv(kv::Command::Put {
        key,
        value: value.into(),
    })];
    let entry = Entry::stamped(
        Proposal {
            request: None,
            commands,
        },
        Stamp::default(),
    );
    (
        LogId {
            term: 1,
            leader: 1,
            index,
        },
        Change::Command(entry.encode()),
    )
}

/// An open cluster of one, its next entry being number 2.
fn formed(storage: Arc<dyn Storage>) -> Engines {
    let mut engines = Engines::open(storage).unwrap();
    engines.apply(history(0, 2)).unwrap();
    assert!(engines.reader().open());
    engines
}

/// One key is overwritten all the time: each read finds a value, whole, and never an older one than before.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the reader beside apply needs a thread of its own"
)]
fn a_read_always_finds_the_value_of_a_key_that_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let storages: [Arc<dyn Storage>; 2] = [
        Arc::new(Memory::new()),
        Arc::new(Disk::open(dir.path()).unwrap()),
    ];
    for storage in storages {
        let mut engines = formed(storage);
        engines
            .apply(vec![put(2, "k", 2_u64.to_be_bytes().repeat(100))])
            .unwrap();
        let reader = engines.reader();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reads = scope.spawn(|| {
                let (mut last, mut reads) = (0, 0_u64);
                while !done.load(Ordering::Relaxed) || reads < 1000 {
                    let found = reader.get(b"k").unwrap().expect("the key is there");
                    let (number, rest) = found.value.split_first_chunk::<8>().unwrap();
                    assert!(rest.chunks(8).all(|chunk| chunk == number), "a torn value");
                    assert!(u64::from_be_bytes(*number) >= last, "a read went back");
                    last = u64::from_be_bytes(*number);
                    reads += 1;
                }
            });
            for index in 3..3000_u64 {
                let value = index.to_be_bytes().repeat(100);
                engines.apply(vec![put(index, "k", value)]).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            reads.join().unwrap();
        });
        engines.check_invariants().unwrap();
    }
}

/// A storage that refuses its next commit.
#[derive(Default)]
struct Refusing {
    memory: Memory,
    refuse: AtomicBool,
}

impl Storage for Refusing {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.memory.get(table, key)
    }
    fn view(&self) -> Result<Box<dyn View>, StorageError> {
        self.memory.view()
    }
    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        if self.refuse.swap(false, Ordering::Relaxed) {
            return Err(StorageError::failed("commit a batch", "no space is left"));
        }
        self.memory.commit(batch)
    }
    fn persist(&self) -> Result<(), StorageError> {
        self.memory.persist()
    }
    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), StorageError> {
        self.memory.replace(rows)
    }
    fn bytes_used(&self) -> Result<u64, StorageError> {
        self.memory.bytes_used()
    }
}

#[test]
fn a_failed_commit_shows_nothing_and_stops_the_engines() {
    let storage = Arc::new(Refusing::default());
    let mut engines = formed(storage.clone());
    let before = engines.reader().digest();
    storage.refuse.store(true, Ordering::Relaxed);
    let error = engines.apply(vec![put(2, "k", "v")]).unwrap_err();
    assert!(matches!(error, Fatal::Storage { index: 2, .. }), "{error}");
    assert_eq!(engines.reader().digest(), before);
    assert_eq!(engines.reader().get(b"k").unwrap(), None);
    engines.check_invariants().unwrap();
    let error = engines.apply(vec![put(2, "k", "v")]).unwrap_err();
    assert!(matches!(error, Fatal::Stopped), "{error}");

    let mut engines = Engines::open(storage).unwrap();
    engines.apply(vec![put(2, "k", "v")]).unwrap();
    assert!(engines.reader().get(b"k").unwrap().is_some());
}

#[test]
fn an_entry_from_the_future_or_a_damaged_one_stops_the_node_before_the_run_is_applied() {
    let good = put(3, "k", "v");
    let Change::Command(bytes) = good.1.clone() else {
        panic!("a command")
    };
    let mut future = bytes.to_vec();
    future[1] += 1;
    let cases = [
        (future, true),
        (bytes[..bytes.len() - 1].to_vec(), false),
        (vec![], false),
    ];
    for (bytes, is_future) in cases {
        let mut engines = formed(Arc::new(Memory::new()));
        let bad = (good.0, Change::Command(bytes.into()));
        let error = engines.apply(vec![put(2, "k", "v"), bad]).unwrap_err();
        let Fatal::Entry { index: 3, source } = error else {
            panic!("{error}")
        };
        assert_eq!(
            matches!(source, DecodeError::FromTheFuture { .. }),
            is_future,
            "{source}"
        );
        assert_eq!(
            engines.reader().get(b"k").unwrap(),
            None,
            "nothing of the run was applied"
        );
    }
}

#[test]
fn the_log_leaves_nothing_out_and_repeats_nothing() {
    for index in [0, 1, 3, u64::MAX] {
        let mut engines = formed(Arc::new(Memory::new()));
        let error = engines.apply(vec![put(index, "k", "v")]).unwrap_err();
        assert!(
            matches!(error, Fatal::OutOfOrder { applied: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn a_state_that_is_damaged_or_from_the_future_does_not_open() {
    let system = Table("system");
    let cases: [(Table, &[u8], &[u8]); 10] = [
        (system, b"head", b"h"),
        (system, b"head", b"h\x03"),
        (system, b"compacted", b"1"),
        (Table("kv"), b"k", b""),
        (Table("kv"), &[0; 12], b"k\x02"),
        (Table("kv.leases"), b"k", b""),
        (system, b"members", b"m\x01\xff\xff\xff\xff"),
        (Table("kv.index"), b"k", b""),
        (Table("requests"), b"/", b""),
        (Table("digests"), b"k", b""),
    ];
    for (table, key, value) in cases {
        let memory = Memory::new();
        formed(Arc::new(memory.clone()));
        let mut batch = Batch::new();
        batch.put(table, key, value);
        memory.commit(batch).unwrap();
        let error = Engines::open(Arc::new(memory))
            .err()
            .expect("does not open");
        assert!(matches!(error, OpenError::Row { .. }), "{error}");
    }
}

#[test]
fn a_state_of_a_higher_feature_level_does_not_open() {
    let memory = Memory::new();
    formed(Arc::new(memory.clone()));
    let row = memory.get(Table("system"), b"cluster").unwrap().unwrap();
    let mut row = row.to_vec();
    let level = row.len() - 4;
    assert_eq!(row[level..], 1_u32.to_le_bytes());
    row[level] = 3;
    let mut batch = Batch::new();
    batch.put(Table("system"), &b"cluster"[..], row);
    memory.commit(batch).unwrap();
    let error = Engines::open(Arc::new(memory))
        .err()
        .expect("does not open");
    assert!(
        matches!(error, OpenError::FeatureLevel { level: 3 }),
        "{error}"
    );
}

#[test]
fn a_command_above_the_clusters_feature_level_is_rejected() {
    let memory = Memory::new();
    formed(Arc::new(memory.clone()));
    let mut row = memory
        .get(Table("system"), b"cluster")
        .unwrap()
        .unwrap()
        .to_vec();
    let level = row.len() - 4;
    row[level] = 0;
    let mut batch = Batch::new();
    batch.put(Table("system"), &b"cluster"[..], row);
    memory.commit(batch).unwrap();
    let mut engines = Engines::open(Arc::new(memory)).unwrap();
    let outcomes = engines.apply(vec![put(2, "k", "v")]).unwrap();
    let text = format!("{outcomes:?}");
    assert_eq!(text, "[Rejected(FeatureLevel { needed: 1, active: 0 })]");
}
