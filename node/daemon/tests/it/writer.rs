//! A client that never stops writing, and remembers what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use node_api::{Consistency, Data, DataError, WriteOptions};
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::deadline::eventually;

/// A writer at work.
pub struct Writer {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<BTreeMap<String, String>>,
}

impl Writer {
    /// Writes one new key after another under `prefix`, through whichever node takes it.
    pub fn start(cluster: &Cluster, prefix: &str) -> Writer {
        let nodes = cluster
            .nodes
            .iter()
            .map(|node| node.data().with_timeout(Duration::from_secs(8)));
        let (mut nodes, prefix) = (nodes.collect::<Vec<Data>>(), prefix.to_owned());
        let (acknowledged, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, stopped) = (acknowledged.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let (mut written, mut number, mut turn) = (BTreeMap::new(), 0_u64, 0_usize);
            while !stopped.load(Ordering::Relaxed) {
                let (key, value) = (format!("{prefix}{number:08}"), format!("value {number}"));
                let place = turn % nodes.len();
                let body = Bytes::from(value.clone());
                match nodes[place]
                    .put(key.as_bytes(), body, &WriteOptions::default())
                    .await
                {
                    Ok(_) => {
                        written.insert(key, value);
                        number += 1;
                        count.fetch_add(1, Ordering::Relaxed);
                        // Now and then another node, so that every one takes writes.
                        turn += usize::from(number % 16 == 0);
                    }
                    Err(DataError::Unavailable { .. }) => turn += 1,
                    // It may be there, or come to be there: this key says nothing.
                    Err(DataError::Unknown { .. }) => {
                        turn += 1;
                        number += 1;
                    }
                    Err(refused) => panic!("a good write was refused: {refused}"),
                }
            }
            written
        });
        Writer {
            acknowledged,
            stop,
            task,
        }
    }

    /// Waits until so many more writes are acknowledged.
    pub async fn until_more(&self, more: u64) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        eventually("more acknowledged writes", async || {
            let acknowledged = self.acknowledged.load(Ordering::Relaxed);
            assert!(!self.task.is_finished(), "the writer has ended");
            crate::deadline::check(acknowledged >= goal, || format!("{acknowledged} of {goal}"))
        })
        .await;
    }

    /// Stops, and gives every write that was acknowledged.
    pub async fn stop(self) -> BTreeMap<String, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// Reads every key of `written` on one node, and finds its value.
pub async fn assert_all_there(data: &mut Data, written: &BTreeMap<String, String>) {
    for (key, value) in written {
        let found = data.get(key.as_bytes(), &Consistency::Local).await;
        let found = found.unwrap_or_else(|error| panic!("{key}: {error}"));
        let found = found.unwrap_or_else(|| panic!("{key} was acknowledged and is lost"));
        assert_eq!(found.value, value.as_bytes(), "{key}");
    }
}
