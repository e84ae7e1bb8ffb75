//! Reads of ranges, each as of one moment of the history.

use bytes::Bytes;

use crate::kv::rows::{read_change, read_value};
use crate::kv::{KeyValue, Keys, Keyspace, Place, Queried, Query, Revision, Version};
use crate::{ReadError, Reader, Rejection};

/// How many keys are looked at while the state's lock is held.
const KEYS_PER_LOOK: usize = 4096;
/// How often a read of the last revision begins anew, where so much is written meanwhile that its history is given up.
const ATTEMPTS_MAX: usize = 4;

/// A key, where its value lies, and what the index knows of it if that is its last version.
type Seen = (Bytes, Place, Option<Version>);

/// Of the last revision, with what was found; or why it can not be read.
pub type Answer = Result<(Revision, Queried), Rejection>;

impl Reader {
    /// Reads a range of keys as of one revision, and gives the last revision beside what was found.
    ///
    /// The state's lock is held for a few thousand keys at a time. How long the answer gets is for the caller to bound. Of
    /// a cluster of feature level 1, which keeps no history, it may miss what is written meanwhile.
    pub fn query(&self, query: &Query) -> Result<Answer, ReadError> {
        for _ in 0..ATTEMPTS_MAX {
            let now = self.shared.read().head.kv;
            let revision = query.revision.unwrap_or(now.revision);
            if revision > now.revision {
                return Ok(Err(Rejection::FutureRevision));
            }
            if revision < now.begins() {
                return Ok(Err(Rejection::Compacted));
            }
            let found = self.query_before(query, Place::before(revision.next()));
            match self.still_kept(revision, found)? {
                Some(found) => return Ok(Ok((now.revision, found))),
                None if query.revision.is_some() => break,
                None => {}
            }
        }
        Ok(Err(Rejection::Compacted))
    }

    /// Reads a range of keys as it was after the first `changes` of the write that followed revision `before`: what that
    /// write's next step saw. Nothing where that history is given up already.
    pub fn query_within(
        &self,
        query: &Query,
        before: Revision,
        changes: u32,
    ) -> Result<Option<Queried>, ReadError> {
        let place = Place {
            revision: before.next(),
            sub: changes,
        };
        let found = self.query_before(query, place);
        self.still_kept(before, found)
    }

    /// What was found, if everything was there that the keys had at `revision`. A row that was missing may have been given up
    /// in the storage and not in memory yet: while nothing moves the two are in step.
    pub(crate) fn still_kept<T>(
        &self,
        revision: Revision,
        found: Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let _still = matches!(found, Err(ReadError::Lost { .. })).then(|| self.shared.moving());
        match self.shared.read().head.kv.swept.revision <= revision {
            true => found.map(Some),
            false => Ok(None),
        }
    }

    /// Reads a range of keys as it was before the change at `place`.
    fn query_before(&self, query: &Query, place: Place) -> Result<Queried, ReadError> {
        let mut found = Queried::default();
        let limit = query.looks_at();
        let mut keys = query.keys.clone();
        loop {
            let (places, next) = self.look(&keys, place);
            found.count += places.len() as u64;
            if !query.count_only {
                let room = limit - found.items.len();
                found.more |= places.len() > room;
                for (key, place, version) in places.into_iter().take(room) {
                    let item = self.item(key, place, version, query.reads_values())?;
                    found.items.push(item);
                }
            }
            match next {
                Some(next) => keys.from = next,
                None => break,
            }
        }
        query.arrange(&mut found);
        Ok(found)
    }

    /// The places of the next keys of a range as of `bound`, and the key to go on with.
    pub(crate) fn look(&self, keys: &Keys, bound: Place) -> (Vec<Seen>, Option<Bytes>) {
        let visible = self.shared.read();
        let Keyspace { index, history, .. } = &visible.keys;
        let mut places = Vec::new();
        let mut range = index.range(keys);
        for (key, last) in range.by_ref().take(KEYS_PER_LOOK) {
            let seen = match last.place() < bound {
                true => last.is_alive().then_some((last.place(), Some(last))),
                false => history.before(last, bound).map(|place| (place, None)),
            };
            if let Some((place, version)) = seen {
                places.push((Bytes::copy_from_slice(key), place, version));
            }
        }
        let next = range.next().map(|(key, _)| Bytes::copy_from_slice(key));
        (places, next)
    }

    fn item(
        &self,
        key: Bytes,
        place: Place,
        version: Option<Version>,
        value: bool,
    ) -> Result<KeyValue, ReadError> {
        let storage = self.shared.storage.as_ref();
        Ok(match version {
            Some(version) if !value => KeyValue::new(key, version, Bytes::new()),
            Some(version) => {
                let value = read_value(storage, version)?;
                KeyValue::new(key, version, value)
            }
            None => {
                let (key, version, value) = read_change(storage, place)?;
                KeyValue::new(key, version, value)
            }
        })
    }
}
