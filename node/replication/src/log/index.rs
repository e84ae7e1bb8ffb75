//! The log in memory: where each entry is, and the recent ones themselves.

use std::collections::VecDeque;

use super::errors::{LogFailed, ReadError};
use super::record::Record;
use crate::ids::LogId;

/// What an entry takes in the cache beside its payload.
const OVERHEAD_BYTES: usize = size_of::<Record>();

/// Where an entry is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u32,
    /// Of the whole record.
    pub(super) length: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    term: u64,
    leader: u64,
    /// `None` until it is durable.
    place: Option<Place>,
}

/// The entries behind the purge point, without holes.
#[derive(Debug)]
pub(super) struct Index {
    purged: Option<LogId>,
    /// During recovery: the last of the entries behind the purge point that segments held which are gone. A purge has
    /// still to cover them.
    lost: Option<LogId>,
    slots: VecDeque<Slot>,
    /// The newest entries; those that are not durable yet are always here.
    cache: VecDeque<Record>,
    cache_bytes: usize,
    cache_bytes_max: usize,
}

impl Index {
    pub(super) fn new(cache_bytes_max: usize) -> Index {
        Index {
            purged: None,
            lost: None,
            slots: VecDeque::new(),
            cache: VecDeque::new(),
            cache_bytes: 0,
            cache_bytes_max,
        }
    }

    /// The first segment found begins here: entries between `purged` and `last` are in segments that are gone.
    pub(super) fn begin(&mut self, purged: Option<LogId>, last: Option<LogId>) {
        self.purged = purged;
        self.lost = last.filter(|last| last.index >= self.first());
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    /// The index of the first entry there is, or would be.
    fn first(&self) -> u64 {
        self.purged.map_or(0, |purged| purged.index + 1)
    }

    /// The index of the first entry that is not lost.
    fn first_kept(&self) -> u64 {
        self.lost.map_or(self.first(), |lost| lost.index + 1)
    }

    /// The index the next entry will have.
    pub(super) fn next(&self) -> u64 {
        self.first_kept() + self.slots.len() as u64
    }

    /// The last entry, or the purge point.
    pub(super) fn last(&self) -> Option<LogId> {
        self.next().checked_sub(1).and_then(|last| self.id_at(last))
    }

    /// The id at an index from the purge point to the end, unless it is lost.
    pub(super) fn id_at(&self, index: u64) -> Option<LogId> {
        let mut ends = [self.purged, self.lost].into_iter().flatten();
        if let Some(known) = ends.find(|known| known.index == index) {
            return Some(known);
        }
        let slot = self.slot(index)?;
        Some(LogId {
            term: slot.term,
            leader: slot.leader,
            index,
        })
    }

    fn slot(&self, index: u64) -> Option<&Slot> {
        let at = index.checked_sub(self.first_kept())?;
        self.slots.get(usize::try_from(at).ok()?)
    }

    /// The first entry behind the purge point that no segment holds; meaningful once all segments were read.
    pub(super) fn missing(&self) -> Option<u64> {
        if self.lost.is_some() {
            return Some(self.first());
        }
        let missing = self.slots.iter().position(|slot| slot.place.is_none())?;
        Some(self.first() + missing as u64)
    }

    /// Adds an entry behind the last.
    pub(super) fn append(&mut self, record: Record, place: Option<Place>) -> Result<(), LogFailed> {
        let LogId {
            term,
            leader,
            index,
        } = record.id;
        if index != self.next() {
            return Err(LogFailed::OutOfOrder {
                found: record.id,
                expected: self.next(),
            });
        }
        self.slots.push_back(Slot {
            term,
            leader,
            place,
        });
        self.cache_bytes += OVERHEAD_BYTES + record.payload.len();
        self.cache.push_back(record);
        self.evict();
        Ok(())
    }

    /// Notes where an entry is on disk. An entry that was cut off meanwhile is passed over.
    pub(super) fn place(&mut self, id: LogId, place: Place) {
        let at = id
            .index
            .checked_sub(self.first_kept())
            .and_then(|at| usize::try_from(at).ok());
        if let Some(slot) = at.and_then(|at| self.slots.get_mut(at))
            && (slot.term, slot.leader) == (id.term, id.leader)
        {
            slot.place = Some(place);
        }
    }

    /// Drops the oldest cached entries beyond the bound, as far as the disk has them.
    pub(super) fn evict(&mut self) {
        while self.cache_bytes > self.cache_bytes_max
            && let Some(oldest) = self.cache.front()
            && self
                .slot(oldest.id.index)
                .is_none_or(|slot| slot.place.is_some())
        {
            self.uncache_front();
        }
    }

    fn uncache_front(&mut self) {
        if let Some(record) = self.cache.pop_front() {
            self.cache_bytes -= OVERHEAD_BYTES + record.payload.len();
        }
    }

    fn uncache_back(&mut self) {
        if let Some(record) = self.cache.pop_back() {
            self.cache_bytes -= OVERHEAD_BYTES + record.payload.len();
        }
    }

    /// Cuts off everything behind `after`; `None` cuts everything there is.
    pub(super) fn truncate_after(&mut self, after: Option<LogId>) -> Result<(), LogFailed> {
        let keep = match after {
            None if self.purged.is_none() => 0,
            None => {
                return Err(LogFailed::NoSuchEntry {
                    after: LogId::default(),
                });
            }
            Some(after) if self.is_or_may_be(after) => after.index + 1,
            Some(after) => return Err(LogFailed::NoSuchEntry { after }),
        };
        let kept = keep.saturating_sub(self.first_kept());
        self.slots
            .truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        if keep < self.first_kept() {
            self.lost = after.filter(|_| keep > self.first());
        }
        while self
            .cache
            .back()
            .is_some_and(|record| record.id.index >= keep)
        {
            self.uncache_back();
        }
        Ok(())
    }

    /// Gives up everything up to `upto`. If that is not an entry of this log (a snapshot from beyond its end), the
    /// whole log is given up and goes on behind it.
    pub(super) fn purge(&mut self, upto: LogId) {
        if self.purged.is_some_and(|purged| upto.index <= purged.index) {
            return;
        }
        if self.is_or_may_be(upto) {
            let gone = (upto.index + 1).saturating_sub(self.first_kept());
            self.slots
                .drain(..usize::try_from(gone).unwrap_or(usize::MAX));
            self.lost = self.lost.filter(|lost| lost.index > upto.index);
            while self
                .cache
                .front()
                .is_some_and(|record| record.id.index <= upto.index)
            {
                self.uncache_front();
            }
        } else {
            self.lost = None;
            self.slots.clear();
            self.cache.clear();
            self.cache_bytes = 0;
        }
        self.purged = Some(upto);
    }

    /// Whether the log has this entry, as far as its segments are there to tell.
    fn is_or_may_be(&self, id: LogId) -> bool {
        let lost = self.first()..self.first_kept();
        self.id_at(id.index)
            .map_or(lost.contains(&id.index), |found| found == id)
    }

    /// Whether `index` can be read.
    pub(super) fn check(&self, index: u64) -> Result<(), ReadError> {
        match self.purged {
            Some(purged) if index <= purged.index => Err(ReadError::Purged { index, purged }),
            _ if index >= self.next() => Err(ReadError::Beyond { index }),
            _ => Ok(()),
        }
    }

    /// The first index that is cached, or the end.
    fn cached_from(&self) -> u64 {
        self.next() - self.cache.len() as u64
    }

    /// Cached entries from `from` to `end`: as many as fit into `bytes_max`, at least one if it is cached.
    pub(super) fn cached(&self, from: u64, end: u64, bytes_max: usize) -> Vec<Record> {
        let Some(skip) = from.checked_sub(self.cached_from()) else {
            return Vec::new();
        };
        let wanted = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |record: &&Record| {
            let first = bytes == 0;
            bytes += OVERHEAD_BYTES + record.payload.len();
            first || bytes <= bytes_max
        };
        self.cache
            .iter()
            .skip(skip)
            .take(wanted)
            .take_while(fits)
            .cloned()
            .collect()
    }

    /// Where entries from `from` to `end` are, as far as they are in one segment, in the order of the file, and span
    /// no more than `bytes_max`; at least one if it is durable.
    pub(super) fn places(&self, from: u64, end: u64, bytes_max: usize) -> Vec<(LogId, Place)> {
        let mut places: Vec<(LogId, Place)> = Vec::new();
        for index in from..end.min(self.next()) {
            let (Some(id), Some(place)) = (
                self.id_at(index),
                self.slot(index).and_then(|slot| slot.place),
            ) else {
                break;
            };
            if let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) {
                let span = u64::from(place.offset) + u64::from(place.length);
                let span = span.saturating_sub(u64::from(first.offset));
                let follows = place.segment == last.segment && place.offset > last.offset;
                if !follows || span > bytes_max as u64 {
                    break;
                }
            }
            places.push((id, place));
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: u64 = u64::MAX - 1;

    fn id(index: u64) -> LogId {
        LogId {
            term: 3,
            leader: 9,
            index,
        }
    }

    /// The first segment found claims that all up to `last` stood in segments that are gone.
    fn behind(last: u64) -> Index {
        let mut index = Index::new(1024);
        index.begin(Some(id(4)), Some(id(last)));
        index
    }

    #[test]
    fn lost_entries_take_no_memory_however_many_are_claimed() {
        let mut index = behind(FAR);
        assert_eq!(index.next(), FAR + 1);
        assert_eq!(index.missing(), Some(5));
        assert_eq!(index.slots.capacity(), 0);
        index.purge(id(FAR));
        assert_eq!(
            (index.missing(), index.last(), index.next()),
            (None, Some(id(FAR)), FAR + 1)
        );
    }

    #[test]
    fn what_is_lost_may_be_cut_off_or_purged_anywhere() {
        let mut index = behind(20);
        index.truncate_after(Some(id(10))).unwrap();
        assert_eq!((index.next(), index.last()), (11, Some(id(10))));
        index.purge(id(7));
        assert_eq!((index.missing(), index.last()), (Some(8), Some(id(10))));
        let other = LogId { term: 1, ..id(10) };
        assert!(
            index.truncate_after(Some(other)).is_err(),
            "the id of the last lost entry is known"
        );
        index.truncate_after(Some(id(7))).unwrap();
        assert_eq!((index.missing(), index.last()), (None, Some(id(7))));
    }
}
