//! The engines as one: they apply what the log has committed.

use std::sync::Arc;

use node_storage::{Row, Storage, StorageError};

use crate::open::load;
use crate::reader::Reader;
use crate::requests::Requests;
use crate::run::Run;
use crate::state::Shared;
use crate::{Change, Fatal, LogId, OpenError, Outcome, invariants};

/// The state machine of the log: kv and the cluster's own state, over one storage.
///
/// One caller applies entries in the order of the log; [`Engines::reader`] gives any number of readers beside it.
/// The same entries give the same state, outcomes and digest on every node, however they are cut into runs.
pub struct Engines {
    shared: Arc<Shared>,
    requests: Requests,
    stopped: bool,
}

impl Engines {
    /// Opens the state in `storage`, which may be empty, and rebuilds the indexes that are kept in memory.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Engines, OpenError> {
        let (visible, requests) = load(storage.as_ref())?;
        let shared = Arc::new(Shared::new(storage, visible));
        Ok(Engines {
            shared,
            requests,
            stopped: false,
        })
    }

    /// Applies committed entries, in order and without a gap after the last ones, and gives one outcome for each.
    ///
    /// All their effects, and how far they came, are committed to the storage as one batch (visible, not yet durable);
    /// memory, and so what readers see, follows after that. An error is final: the node stops, and no outcome of the run may
    /// be told to anyone.
    pub fn apply(&mut self, run: Vec<(LogId, Change)>) -> Result<Vec<Outcome>, Fatal> {
        if self.stopped {
            return Err(Fatal::Stopped);
        }
        let Some((last, _)) = run.last() else {
            return Ok(Vec::new());
        };
        let last = last.index;
        self.stopped = true;
        let outcomes = self.apply_all(run, last)?;
        self.stopped = false;
        Ok(outcomes)
    }

    fn apply_all(&mut self, run: Vec<(LogId, Change)>, last: u64) -> Result<Vec<Outcome>, Fatal> {
        // Only this caller ever writes: holding the read side meanwhile keeps no reader out.
        let visible = self.shared.read();
        let mut work = Run::new(self.shared.storage.as_ref(), &visible, &self.requests);
        let mut outcomes = Vec::with_capacity(run.len());
        for (id, change) in run {
            outcomes.push(work.apply(id, change)?);
        }
        let (batch, effects) = work.finish();
        drop(visible);
        let moving = self.shared.moving();
        let committed = self.shared.storage.commit(batch);
        committed.map_err(|source| Fatal::Storage {
            index: last,
            source,
        })?;
        let requests = effects.merge_into(&mut self.shared.write());
        drop(moving);
        self.requests.merge(requests);
        Ok(outcomes)
    }

    /// A handle for reads. It stays valid, and follows what is applied, for as long as it is held.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Reads the state anew, after the storage's content was replaced by other means than [`Engines::replace`]. A read of a
    /// value between that replacement and this call may fail.
    pub fn reload(&mut self) -> Result<(), OpenError> {
        self.stopped = true;
        let moving = self.shared.moving();
        let (visible, requests) = load(self.shared.storage.as_ref())?;
        *self.shared.write() = visible;
        drop(moving);
        self.requests = requests;
        self.stopped = false;
        Ok(())
    }

    /// Replaces the whole state, atomically and durably, by the rows of another node's (see [`Storage::replace`]). Reads that
    /// come meanwhile see the old state or wait for the new one.
    pub fn replace(
        &mut self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), OpenError> {
        let shared = Arc::clone(&self.shared);
        let moving = shared.moving();
        shared.storage.replace(rows)?;
        self.stopped = true;
        let (visible, requests) = load(shared.storage.as_ref())?;
        *shared.write() = visible;
        drop(moving);
        self.requests = requests;
        self.stopped = false;
        Ok(())
    }

    /// Compares memory with storage and both with what must always hold; says what is wrong. It reads the whole state.
    pub fn check_invariants(&self) -> Result<(), String> {
        invariants::check(&self.shared, &self.requests)
    }
}
