//! The position in an answer, against a storage that stands still in the middle of a read.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use node_api::ListPage;
use node_engines::{Command, Position, kv};
use node_host::Host;
use node_replication::{ClusterKey, Timing};
use node_storage::{Batch, Memory, Row, Storage, StorageError, Table, View};
use tempfile::TempDir;

use super::page;
use crate::node::{Consistency, Node};

/// Nothing here takes longer, on a busy machine either.
const LONG: Duration = Duration::from_secs(60);

/// A storage whose reads can be held up.
struct Held {
    memory: Memory,
    reads: Mutex<Reads>,
    changed: Condvar,
}

#[derive(Default)]
struct Reads {
    held: bool,
    waiting: usize,
}

impl Held {
    fn change(&self, change: impl FnOnce(&mut Reads)) {
        change(&mut self.reads.lock().unwrap());
        self.changed.notify_all();
    }

    /// Blocks until the reads are as told.
    fn wait(&self, until: impl Fn(&Reads) -> bool) {
        let reads = self.reads.lock().unwrap();
        let waited = self
            .changed
            .wait_timeout_while(reads, LONG, |reads| !until(reads));
        assert!(!waited.unwrap().1.timed_out(), "waited in vain");
    }
}

impl Storage for Held {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.change(|reads| reads.waiting += 1);
        self.wait(|reads| !reads.held);
        self.change(|reads| reads.waiting -= 1);
        self.memory.get(table, key)
    }

    fn view(&self) -> Result<Box<dyn View>, StorageError> {
        self.memory.view()
    }

    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
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

/// A cluster of one node, which takes data.
async fn single(storage: Arc<Held>) -> (Node, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = crate::Config {
        replication: node_replication::Config {
            data_dir: dir.path().to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            advertise: "127.0.0.1:0".to_owned(),
            cluster_key: ClusterKey::new(*b"a key of thirty-two bytes at least").unwrap(),
            timing: Timing::default(),
            limits: node_replication::Limits::default(),
        },
        limits: crate::Limits::default(),
        version: "0".to_owned(),
        founding_level: node_engines::FEATURE_LEVEL_MAX,
        access: crate::access::Config::default(),
    };
    let node = Box::pin(crate::start(Host::real(), storage, config))
        .await
        .unwrap();
    let member = node.status().log.member;
    node.bootstrap(member, 1).await.unwrap();
    let opened = async {
        while !node.reader().open() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, opened).await.unwrap();
    (node, dir)
}

async fn put(node: &Node, key: &'static str) -> Position {
    let (key, value) = (Bytes::from(key), Bytes::from("value"));
    let command = Command::Kv(kv::Command::Put { key, value });
    node.write(None, vec![command]).await.unwrap().position
}

/// Begins a read, lets a write be applied in the middle of it, and gives the read's end and the write's position.
async fn overtaken<T: Send + 'static>(
    storage: &Arc<Held>,
    node: &Node,
    read: impl Future<Output = T> + Send + 'static,
) -> (T, Position) {
    storage.change(|reads| reads.held = true);
    // It blocks: on a thread that nothing else waits for.
    let here = tokio::runtime::Handle::current();
    let reading = tokio::task::spawn_blocking(move || here.block_on(read));
    let held = storage.clone();
    let at_storage = move || held.wait(|reads| reads.waiting > 0);
    tokio::task::spawn_blocking(at_storage).await.unwrap();
    let written = put(node, "list/2").await;
    storage.change(|reads| reads.held = false);
    (reading.await.unwrap(), written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_goes_on_from_the_position_of_an_answer_misses_nothing() {
    let storage = Arc::new(Held {
        memory: Memory::new(),
        reads: Mutex::default(),
        changed: Condvar::new(),
    });
    let (node, _dir) = single(storage.clone()).await;
    put(&node, "list/1").await;

    let reader = node.clone();
    let get = async move { reader.get(b"list/1", Consistency::Local).await.unwrap() };
    let ((found, position), written) = overtaken(&storage, &node, get).await;
    assert_eq!(found.unwrap().value, "value");
    assert!(
        position < written,
        "the answer at {position} was overtaken by {written}"
    );

    put(&node, "list/1").await;
    let reader = node.clone();
    let list = async move {
        let wanted = page::Wanted {
            prefix: b"list/".to_vec(),
            from: None,
            limit: 1,
        };
        let room = page::Room::default();
        page::answer(
            &reader,
            &room,
            &crate::access::Caller::Nobody,
            wanted,
            Consistency::Local,
        )
        .await
        .unwrap()
    };
    let (answer, written) = overtaken(&storage, &node, list).await;
    let header = answer.headers().get(node_api::POSITION_HEADER).unwrap();
    let position: Position = header.to_str().unwrap().parse().unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let page: ListPage = serde_json::from_slice(&body).unwrap();
    assert_eq!((page.items.len(), page.position), (1, position.to_string()));
    assert!(
        position < written,
        "the page at {position} was overtaken by {written}"
    );
    node.stop(Duration::ZERO).await;
}
