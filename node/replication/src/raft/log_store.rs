//! openraft's view of the write-ahead log.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use openraft::OptionalSend;
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};

use crate::ids::LogId;
use crate::log::{LogFailed, Recovered, Wal};
use crate::raft::config::C;
use crate::raft::convert;
use crate::raft::machine::MachineHandle;

/// Bytes that are read at a time on the way to the machine.
const APPLY_READ_BYTES: usize = 1 << 20;

/// The write-ahead log as openraft sees it. A clone is the same log.
#[derive(Clone)]
pub struct LogStore {
    wal: Wal,
    machine: MachineHandle,
    vote: Arc<Mutex<Option<VoteOf<C>>>>,
    committed: Option<LogId>,
    append_bytes_max: usize,
}

impl LogStore {
    pub fn new(
        wal: Wal,
        recovered: &Recovered,
        machine: MachineHandle,
        append_bytes_max: usize,
    ) -> LogStore {
        let vote = Arc::new(Mutex::new(recovered.vote.map(convert::raft_vote)));
        LogStore {
            wal,
            machine,
            vote,
            committed: recovered.committed,
            append_bytes_max,
        }
    }

    fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<EntryOf<C>>> {
        let records = self
            .wal
            .read(start..end, bytes_max)
            .map_err(io::Error::other)?;
        records
            .into_iter()
            .map(|r| convert::entry(r).map_err(io::Error::other))
            .collect()
    }

    /// The range as it lies in the log: what is purged or not there yet is left out.
    fn present(&self, range: &impl RangeBounds<u64>) -> (u64, u64) {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let first = self.wal.purged().map_or(0, |id| id.index + 1);
        let next = self.wal.last().map_or(first, |id| id.index + 1);
        (start.max(first), end.min(next))
    }
}

impl RaftLogReader<C> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<EntryOf<C>>, io::Error> {
        let (start, end) = self.present(&range);
        if start >= end {
            return Ok(Vec::new());
        }
        self.read(start, end, usize::MAX)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<EntryOf<C>>, io::Error> {
        self.read(start, end, self.append_bytes_max)
    }

    async fn entries_stream<R>(
        &mut self,
        range: R,
    ) -> impl Stream<Item = Result<EntryOf<C>, io::Error>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = self.present(&range);
        let chunks = Chunks {
            store: self.clone(),
            next: start,
            end,
        };
        futures::stream::iter(chunks.flat_map(|chunk| match chunk {
            Ok(entries) => entries.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }))
    }

    // `get_key_log_ids` stays the default one: its documentation speaks of the first id of each leader, and its callers
    // want the last (alpha.37). A member that gets this wrong after a restart leads and never replicates.
    async fn read_vote(&mut self) -> Result<Option<VoteOf<C>>, io::Error> {
        Ok(*self.vote.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads a range a bounded piece at a time.
struct Chunks {
    store: LogStore,
    next: u64,
    end: u64,
}

impl Iterator for Chunks {
    type Item = io::Result<Vec<EntryOf<C>>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let read = self.store.read(self.next, self.end, APPLY_READ_BYTES);
        match &read {
            Ok(entries) if !entries.is_empty() => self.next += entries.len() as u64,
            _ => self.next = self.end,
        }
        Some(read)
    }
}

impl RaftLogStorage<C> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        let purged = self.wal.purged();
        Ok(LogState {
            last_purged_log_id: purged.map(convert::raft_log_id),
            last_log_id: self.wal.last().or(purged).map(convert::raft_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<C>) -> Result<(), io::Error> {
        self.wal
            .save_vote(convert::vote(vote))
            .await
            .map_err(io::Error::other)?;
        *self.vote.lock().unwrap_or_else(PoisonError::into_inner) = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<C>>) -> Result<(), io::Error> {
        if let Some(committed) = committed {
            self.wal.save_committed(convert::log_id(&committed));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogIdOf<C>>, io::Error> {
        // A mark may be ahead of a tail that was cut; what is not there cannot be applied.
        let last = self.wal.last().or(self.wal.purged());
        Ok(self.committed.min(last).map(convert::raft_log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<C>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.wal.room().await;
        let records = entries.into_iter().map(convert::record).collect();
        let done = move |result: Result<(), LogFailed>| {
            callback.io_completed(result.map_err(io::Error::other));
        };
        self.wal.append(records, Box::new(done));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<C>>) -> Result<(), io::Error> {
        let last = last.as_ref().map(convert::log_id);
        self.wal
            .truncate_after(last)
            .await
            .map_err(io::Error::other)
    }

    async fn purge(&mut self, upto: LogIdOf<C>) -> Result<(), io::Error> {
        let upto = convert::log_id(&upto);
        // State is a cache of the log only as long as the log has what the state may lose.
        self.machine.persist(upto).await.map_err(io::Error::other)?;
        self.wal.purge(upto).await.map_err(io::Error::other)
    }
}
