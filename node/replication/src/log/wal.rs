//! The handle on the log that its callers hold.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use node_host::Host;
use tokio::sync::{oneshot, watch};

use super::errors::{LogFailed, OpenError, ReadError};
use super::limits::Limits;
use super::queue::{Done, Op, Shared};
use super::record::{Record, Recovered, Vote};
use super::stats::LogStats;
use super::{reader, recovery};
use crate::ids::LogId;

/// A log. Clones are handles on the same one; it ends when the last is dropped.
///
/// Calls take effect in memory at once and on disk in the order they were made. Once one has failed, all do: see
/// [`LogFailed`].
#[derive(Clone)]
pub struct Wal {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl Wal {
    /// Opens the log in `dir`, or makes an empty one. A tail torn by a crash is cut off, durably, before this returns;
    /// all that is left was made durable again. The caller sees to it that no other log has this folder open.
    pub async fn open(
        host: &Host,
        dir: &Path,
        limits: Limits,
    ) -> Result<(Wal, Recovered), OpenError> {
        if limits.segment_bytes > Limits::SEGMENT_BYTES_MAX {
            return Err(OpenError::Limits("a segment has at most 1 GiB"));
        }
        if limits.batch_bytes == 0 || limits.queue_bytes == 0 {
            return Err(OpenError::Limits(
                "a batch and the queue have at least one byte",
            ));
        }
        let (tell, told) = oneshot::channel();
        let (on, dir) = (host.clone(), dir.to_owned());
        let work = async move {
            match recovery::recover(on, dir, limits).await {
                Err(error) => drop(tell.send(Err(error))),
                Ok((writer, recovered)) => {
                    let handle = Arc::new(Handle {
                        shared: writer.shared(),
                    });
                    // If nobody waits any more, the handle comes back and is dropped, and the writer ends at once.
                    drop(tell.send(Ok((Wal { handle }, recovered))));
                    writer.run().await;
                }
            }
        };
        host.workers.spawn("log", Box::pin(work));
        told.await.unwrap_or(Err(OpenError::Worker))
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Waits until the log has room for more: less than [`Limits::queue_bytes`] on their way to the disk (or the log
    /// has failed). [`Wal::append`] never waits itself, so whoever appends much calls this before.
    pub async fn room(&self) {
        self.shared().room().await;
    }

    /// Appends entries, which are readable at once. `done` is called once they are durable, in the order of the
    /// calls, from the log's worker; it must be quick. With a hole before the first entry, or more than
    /// [`Limits::APPEND_BYTES_MAX`], the log fails.
    pub fn append(&self, records: Vec<Record>, done: Done) {
        let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
        let kept = records.clone();
        self.shared().submit(
            |index| {
                if bytes > Limits::APPEND_BYTES_MAX {
                    return Err(LogFailed::TooLarge {
                        bytes,
                        max: Limits::APPEND_BYTES_MAX,
                    });
                }
                kept.into_iter()
                    .try_for_each(|record| index.append(record, None))
            },
            |_| Op::Append { records, done },
        );
    }

    /// Saves a vote; durable on return.
    pub async fn save_vote(&self, vote: Vote) -> Result<(), LogFailed> {
        self.shared()
            .submit_and_wait(|_| Ok(()), |done| Op::Vote { vote, done })
            .await
    }

    /// Cuts off everything behind `after` (`None`: everything); durable on return.
    pub async fn truncate_after(&self, after: Option<LogId>) -> Result<(), LogFailed> {
        let change = |index: &mut super::index::Index| index.truncate_after(after);
        self.shared().state().figures.truncations += 1;
        self.shared()
            .submit_and_wait(change, |done| Op::Truncate { after, done })
            .await
    }

    /// Gives up everything up to `upto`; from then on it cannot be read. If `upto` is not an entry of this log (a
    /// snapshot from beyond its end was installed), the whole log is given up and goes on behind `upto`.
    ///
    /// Returns at once: until the next sync a crash may bring the entries back. Segments go when the purge is durable.
    pub async fn purge(&self, upto: LogId) -> Result<(), LogFailed> {
        self.shared().submit(
            |index| {
                index.purge(upto);
                Ok(())
            },
            |index| Op::Purge {
                upto,
                last: index.last(),
            },
        );
        self.shared().state().failed.clone().map_or(Ok(()), Err)
    }

    /// Remembers how far entries are committed. It rides along with the next batch: no sync is made for it.
    pub fn save_committed(&self, committed: LogId) {
        self.shared().ride_along(committed);
    }

    /// The entries of `range` from its start, as many as have payloads of together no more than `bytes_max`, but never
    /// none of a range that is not empty. The whole range must lie between the purge point and the end. Recent
    /// entries come from memory; older ones may wait for the disk.
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        reader::read(self.shared(), range, bytes_max)
    }

    /// The id of the entry at `index`, from the purge point to the end.
    #[cfg(test)]
    pub fn id_at(&self, index: u64) -> Option<LogId> {
        self.shared().state().index.id_at(index)
    }

    /// The last entry, durable or not; the purge point when there is none behind it.
    pub fn last(&self) -> Option<LogId> {
        self.shared().state().index.last()
    }

    /// The purge point.
    pub fn purged(&self) -> Option<LogId> {
        self.shared().state().index.purged()
    }

    /// The end of what is durable, as it moves: forward with each batch, back with a truncation.
    pub fn durable(&self) -> watch::Receiver<Option<LogId>> {
        self.shared().durable.subscribe()
    }

    /// The log and its disk, as of now.
    pub fn stats(&self) -> LogStats {
        self.shared().stats()
    }

    /// Writes what is queued, marks the log as cleanly stopped and ends its worker. Later calls fail, on every handle.
    pub async fn close(&self) -> Result<(), LogFailed> {
        self.shared()
            .submit_and_wait(|_| Ok(()), |done| Op::Close { done })
            .await
    }
}
