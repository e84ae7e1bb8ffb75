//! The history as a whole, as of one revision: what is hashed, and what a copy of the keys holds.

use std::ops::Bound::{Excluded, Unbounded};

use bytes::Bytes;
use node_storage::{Row, StorageError, View};

use crate::auth::Auth;
use crate::changes::change;
use crate::format::kv::{decode_alarm, decode_lease};
use crate::kv::rows::{decode_row, lease_of_key, whole_value};
use crate::kv::{Alarm, End, Grant, Keys, LeaseId, Place, Revision};
use crate::tables::{KV, KV_ALARMS, KV_LEASES};
use crate::{DecodeError, History, KeyChange, LogId, ReadError, Reader, Rejection};

/// The changes that lead to what there is at a revision: those since the history begins, and of earlier ones those that set
/// what the keys have at that revision. (Where no key has anything at it: what they had when the history begins.) The same at
/// every node, however much of what was given up is removed there.
///
/// It is of one moment: nothing that is applied later changes it.
pub struct Kept {
    /// Where the history begins.
    pub compacted: Revision,
    /// The revision up to which it goes.
    pub revision: Revision,
    /// The last revision at that moment.
    pub last: Revision,
    /// The last entry that was applied at that moment.
    pub applied: Option<LogId>,
    /// The users and roles at that moment.
    pub auth: Auth,
    view: Box<dyn View>,
    /// In order: the changes up to `compacted` that count.
    early: Vec<Place>,
}

impl Reader {
    /// The history as of a revision, or of the last one. It takes 16 bytes of memory for each key.
    ///
    /// # Errors
    /// [`Rejection::Compacted`] and [`Rejection::FutureRevision`] where there is none of that revision.
    pub fn kept(&self, revision: Option<Revision>) -> Result<Result<Kept, Rejection>, ReadError> {
        let (
            view,
            History {
                compacted, last, ..
            },
            applied,
            auth,
        ) = {
            // While nothing moves, memory and storage are in step.
            let _still = self.shared.moving();
            let view = self.shared.storage.view()?;
            let auth = self.auth(Auth::clone);
            (view, self.history(), self.applied(), auth)
        };
        let revision = revision.unwrap_or(last);
        if revision < compacted {
            return Ok(Err(Rejection::Compacted));
        }
        if revision > last {
            return Ok(Err(Rejection::FutureRevision));
        }
        let mut places = self.places_at(revision)?;
        if compacted > Revision(0) && places.as_ref().is_some_and(Vec::is_empty) {
            places = self.places_at(compacted)?;
        }
        let Some(mut early) = places else {
            return Ok(Err(Rejection::Compacted));
        };
        early.retain(|place| place.revision <= compacted);
        early.sort_unstable();
        Ok(Ok(Kept {
            compacted,
            revision,
            last,
            applied: applied.map(|applied| applied.last),
            auth,
            view,
            early,
        }))
    }

    /// Where the values lie that the keys have at a revision. Nothing where that was given up meanwhile.
    fn places_at(&self, revision: Revision) -> Result<Option<Vec<Place>>, ReadError> {
        let mut places = Vec::new();
        let mut keys = Keys {
            from: Bytes::new(),
            end: End::Open,
        };
        loop {
            let (found, next) = self.look(&keys, Place::before(revision.next()));
            places.extend(found.into_iter().map(|(_, place, _)| place));
            match next {
                Some(next) => keys.from = next,
                None => break,
            }
        }
        self.still_kept(revision, Ok(places))
    }

    /// Every row of the state at one moment, and the last revision of that moment.
    pub fn state(&self) -> Result<(Revision, State), ReadError> {
        let _still = self.shared.moving();
        let view = self.shared.storage.view()?;
        Ok((self.revision(), State { view }))
    }
}

impl Kept {
    /// The changes in their order. The deletions of the revision with which the history begins are among them: whoever watches
    /// from it is told of them.
    pub fn changes(&self) -> impl Iterator<Item = Result<KeyChange, ReadError>> + '_ {
        let end = Excluded(Place::before(self.revision.next()).key());
        let rows = self.view.scan(KV, (Unbounded, end));
        rows.filter_map(|row| self.counted(row).transpose())
    }

    /// Every lease of that moment, and how it was granted.
    pub fn leases(&self) -> impl Iterator<Item = Result<(LeaseId, Grant), ReadError>> + '_ {
        let rows = self.view.scan(KV_LEASES, (Unbounded, Unbounded));
        rows.map(|row| {
            let (id, row) = row?;
            let read = |source| self.unreadable(source);
            Ok((
                lease_of_key(&id).map_err(read)?,
                decode_lease(&row).map_err(read)?,
            ))
        })
    }

    /// Every alarm that was active at that moment.
    pub fn alarms(&self) -> impl Iterator<Item = Result<Alarm, ReadError>> + '_ {
        let rows = self.view.scan(KV_ALARMS, (Unbounded, Unbounded));
        rows.map(|row| {
            let (key, row) = row?;
            decode_alarm(&key, &row).map_err(|source| self.unreadable(source))
        })
    }

    fn unreadable(&self, source: DecodeError) -> ReadError {
        ReadError::Row {
            revision: self.last.0,
            source,
        }
    }

    fn counted(
        &self,
        row: Result<(Bytes, Bytes), StorageError>,
    ) -> Result<Option<KeyChange>, ReadError> {
        let (place, row) = row?;
        let read = decode_row(&place, &row);
        let (key, version, value) = read.map_err(|source| self.unreadable(source))?;
        let place = version.place();
        let counts = place.revision > self.compacted
            || (place.revision == self.compacted && !version.is_alive())
            || self.early.binary_search(&place).is_ok();
        if !counts {
            return Ok(None);
        }
        let value = whole_value(self.view.as_ref(), version, value)?;
        Ok(Some(change(key, version, value)))
    }
}

/// Every row of a state.
pub struct State {
    view: Box<dyn View>,
}

impl State {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Result<Row, ReadError>> + '_ {
        self.view.rows().map(|row| Ok(row?))
    }
}
