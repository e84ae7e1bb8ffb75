//! A writer that never stops, and the check that nothing it was promised is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use node_api::{Consistency, Data, WriteOptions};
use tokio::task::JoinHandle;

/// At most a hundred writes a second: the check reads each of them on every node.
const PACE: Duration = Duration::from_millis(10);

/// Writes numbered keys, one after the other, until it is stopped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    task: JoinHandle<Outcome>,
}

/// What became of the writes.
pub struct Outcome {
    /// The acknowledged keys.
    pub acknowledged: Vec<u64>,
    /// The failures, as text.
    pub failures: Vec<String>,
}

impl Writer {
    /// Begins to write through `node`.
    pub fn start(mut node: Data) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (stopped, count) = (stop.clone(), acknowledged.clone());
        let task = tokio::spawn(async move {
            let mut outcome = Outcome {
                acknowledged: Vec::new(),
                failures: Vec::new(),
            };
            let mut number = 0;
            let mut pace = tokio::time::interval(PACE);
            while !stopped.load(Ordering::Relaxed) {
                pace.tick().await;
                let written = node
                    .put(
                        key(number).as_bytes(),
                        value(number),
                        &WriteOptions::default(),
                    )
                    .await;
                match written {
                    Ok(_) => {
                        outcome.acknowledged.push(number);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => outcome.failures.push(error.to_string()),
                }
                number += 1;
            }
            outcome
        });
        Self {
            stop,
            acknowledged,
            task,
        }
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Ends the writing.
    pub async fn finish(self) -> Result<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("the writer panicked")
    }
}

/// Every acknowledged write is there, read through `node` (and `name` is said of a loss).
pub async fn check_all_readable(name: &str, mut node: Data, acknowledged: &[u64]) -> Result<()> {
    for number in acknowledged {
        let found = node
            .get(key(*number).as_bytes(), &Consistency::Linearizable)
            .await
            .with_context(|| format!("failed to read through {name}"))?;
        let found = found.map(|found| found.value);
        ensure!(
            found == Some(value(*number)),
            "the acknowledged write {number} reads {found:?} through {name}"
        );
    }
    Ok(())
}

fn key(number: u64) -> String {
    format!("written/{number}")
}

fn value(number: u64) -> Bytes {
    Bytes::from(format!("value of {number}"))
}
