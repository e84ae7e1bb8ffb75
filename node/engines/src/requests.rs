//! Requests that were answered, by the client's name for them: a repetition gets the same answer and changes nothing.
//!
//! Replicated state: every node remembers and forgets the same names at the same entries, by stamp time alone. A name is
//! never forgotten early; where no more fit, new ones are answered [`crate::Rejection::Busy`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use bytes::Bytes;

use crate::format::state::encode_record;
use crate::kv::rows::Rows;
use crate::tables::REQUESTS;
use crate::{REQUEST_MILLIS_KEPT, REQUESTS_EVICTED_PER_ENTRY_MAX, REQUESTS_MAX, RequestId};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The digest of its commands.
    pub digest: [u8; 32],
    /// The stamp of its entry.
    pub millis: u64,
    /// Its outcome, encoded.
    pub outcome: Bytes,
}

impl Record {
    fn expired(&self, now: u64) -> bool {
        expired(self.millis, now)
    }
}

fn expired(millis: u64, now: u64) -> bool {
    millis.saturating_add(REQUEST_MILLIS_KEPT) <= now
}

/// Every request that is remembered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    records: BTreeMap<RequestId, Record>,
    by_age: BTreeSet<(u64, RequestId)>,
}

/// What becomes of request ids: a new record, or none any more.
pub(crate) type Changes = BTreeMap<RequestId, Option<Record>>;

impl Requests {
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&RequestId, &Record)> {
        self.records.iter()
    }

    /// True where every record has its place by age, and nothing else has.
    pub fn is_consistent(&self) -> bool {
        self.records.len() == self.by_age.len()
            && self
                .by_age
                .iter()
                .all(|(millis, id)| self.records.get(id).is_some_and(|r| r.millis == *millis))
    }

    /// Takes over changes that are stored.
    pub fn merge(&mut self, changes: Changes) {
        for (id, change) in changes {
            match change {
                Some(record) => self.set(id, record),
                None => self.remove(&id),
            }
        }
    }

    pub fn set(&mut self, id: RequestId, record: Record) {
        self.remove(&id);
        self.by_age.insert((record.millis, id.clone()));
        self.records.insert(id, record);
    }

    fn remove(&mut self, id: &RequestId) {
        if let Some(old) = self.records.remove(id) {
            self.by_age.remove(&(old.millis, id.clone()));
        }
    }
}

/// The table as the entries of one run see it and change it.
pub(crate) struct Overlay<'a> {
    base: &'a Requests,
    changes: Changes,
    /// Those of `changes` that are records, by age.
    added: BTreeSet<(u64, RequestId)>,
    /// Everything in `base` up to here is forgotten.
    forgotten: Option<(u64, RequestId)>,
    len: usize,
}

impl<'a> Overlay<'a> {
    pub fn new(base: &'a Requests) -> Overlay<'a> {
        Overlay {
            base,
            changes: Changes::new(),
            added: BTreeSet::new(),
            forgotten: None,
            len: base.len(),
        }
    }

    /// What became of a request, where it is remembered at the time `now`.
    pub fn get(&self, id: &RequestId, now: u64) -> Option<&Record> {
        self.present(id).filter(|record| !record.expired(now))
    }

    /// True where a new id does not fit.
    pub fn is_full(&self) -> bool {
        self.len >= REQUESTS_MAX
    }

    /// Remembers a request; its row goes to `rows`.
    pub fn insert(&mut self, id: &RequestId, record: Record, rows: &mut Rows) {
        let id = id.detached();
        rows.put(REQUESTS, id.as_bytes().clone(), encode_record(&record));
        match self.present(&id).map(|old| old.millis) {
            Some(millis) => {
                self.added.remove(&(millis, id.clone()));
            }
            None => self.len += 1,
        }
        self.added.insert((record.millis, id.clone()));
        self.changes.insert(id, Some(record));
    }

    /// Forgets the oldest requests that have expired at the time `now`, a bounded number of them; their rows go to `rows`.
    pub fn evict(&mut self, now: u64, rows: &mut Rows) {
        for _ in 0..REQUESTS_EVICTED_PER_ENTRY_MAX {
            let Some((millis, id)) = self.oldest() else {
                return;
            };
            if !expired(millis, now) {
                return;
            }
            rows.delete(REQUESTS, id.as_bytes().clone());
            let oldest = (millis, id.clone());
            if !self.added.remove(&oldest) {
                self.forgotten = Some(oldest);
            }
            self.changes.insert(id, None);
            self.len -= 1;
        }
    }

    /// What the run changed.
    pub fn finish(self) -> Changes {
        self.changes
    }

    fn present(&self, id: &RequestId) -> Option<&Record> {
        match self.changes.get(id) {
            Some(change) => change.as_ref(),
            None => self.base.records.get(id),
        }
    }

    fn oldest(&self) -> Option<(u64, RequestId)> {
        let start = self.forgotten.as_ref().map_or(Unbounded, Excluded);
        let stored = self
            .base
            .by_age
            .range((start, Unbounded))
            .find(|(_, id)| !self.changes.contains_key(id));
        let oldest = match (stored, self.added.first()) {
            (Some(stored), Some(added)) => stored.min(added),
            (stored, added) => stored.or(added)?,
        };
        Some(oldest.clone())
    }
}
