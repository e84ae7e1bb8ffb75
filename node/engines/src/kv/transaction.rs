//! From a command to mutations, or a rejection.

use bytes::Bytes;
use node_storage::Storage;

use super::command::{Put, Step, Txn};
use super::compare::Path;
use super::history::Link;
use super::index::Change;
use super::progress::Progress;
use super::rows::{self, Rows};
use super::sweep::{SWEPT_PER_COMMAND, SWEPT_WITH_ENTRY};
use super::{
    Alarm, Alarms, Changes, Command, Done, Grant, Keyspace, KeyspaceChanges, LeaseChanges, LeaseId,
    LeasedKeys, Place, Reply, Revision, Version,
};
use crate::tables::{COMPACTED, KV_ALARMS, KV_LEASES, SYSTEM};
use crate::{
    ADVANCED_REVISION_MAX, ALARMS_MAX, KEY_BYTES_MAX, LogId, ReadError, Rejection, VALUE_BYTES_MAX,
    format,
};

/// How a command ends that is not accepted.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The state does not allow it.
    Rejected(Rejection),
    /// A value that is compared could not be read.
    Read(ReadError),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Stop {
        Stop::Rejected(rejection)
    }
}

/// What one entry does to the keys: it sees the state, what earlier entries of the run did, and its own commands so far.
/// Dropping it leaves no trace.
pub(crate) struct Transaction<'a> {
    pub(super) base: &'a Keyspace,
    pub(super) run: &'a KeyspaceChanges,
    pub(super) storage: &'a dyn Storage,
    pub(super) own: Own,
    feature_level: u32,
    id: LogId,
    progress: Progress,
}

/// What the entry changed so far.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub keys: Changes,
    pub links: Vec<Link>,
    pub deleted: Vec<(Place, Bytes)>,
    pub leases: LeaseChanges,
    pub leased: LeasedKeys,
    /// What the alarms are now, if some changed.
    pub alarms: Option<Alarms>,
    /// How many more rows are to be swept than the entry wrote.
    pub sweep: usize,
}

impl<'a> Transaction<'a> {
    /// Begins the entry `id`, after `run`, which had come as far as `progress`.
    pub fn new(
        base: &'a Keyspace,
        run: &'a KeyspaceChanges,
        storage: &'a dyn Storage,
        feature_level: u32,
        id: LogId,
        progress: Progress,
    ) -> Transaction<'a> {
        Transaction {
            base,
            run,
            storage,
            feature_level,
            id,
            progress,
            own: Own::default(),
        }
    }

    /// Carries out one command: what it writes goes to `rows`.
    pub fn execute(&mut self, command: Command, rows: &mut Rows) -> Result<Reply, Stop> {
        self.alarms().check(&command)?;
        match command {
            Command::Put { key, value } => Ok(self.single_put(key, value, rows)?),
            Command::Delete { key } => Ok(self.single_delete(key, rows)?),
            Command::Step(step) => self.whole_step(step, rows),
            Command::Compact { revision } => Ok(self.compact(revision, rows)?),
            Command::Advance { revision } => Ok(self.advance(revision, rows)?),
            Command::Grant { lease, ttl_seconds } => Ok(self.grant(lease, ttl_seconds, rows)?),
            Command::Revoke { lease } => Ok(self.revoke(lease, rows)?),
            Command::Expire {
                lease,
                granted,
                term,
            } => {
                let is_it = |grant: Grant| grant.index == granted;
                if term == self.id.term && self.granted(lease).is_some_and(is_it) {
                    return Ok(self.revoke(lease, rows)?);
                }
                let revision = self.progress.revision;
                Ok(Reply::Revoked { revision })
            }
            Command::Sweep => {
                self.own.sweep += SWEPT_PER_COMMAND;
                let revision = self.progress.revision;
                Ok(Reply::Compacted { revision })
            }
            Command::Activate(alarm) => Ok(self.alarm(alarm, true, rows)?),
            Command::Deactivate(alarm) => Ok(self.alarm(alarm, false, rows)?),
        }
    }

    /// What the entry changed, and how far the keys have come.
    pub fn finish(mut self) -> (Own, Progress) {
        let changes = self.own.links.len();
        if changes > 0 {
            self.own.sweep += changes + SWEPT_WITH_ENTRY;
        }
        (self.own, self.progress)
    }

    fn single_put(
        &mut self,
        key: Bytes,
        value: Bytes,
        rows: &mut Rows,
    ) -> Result<Reply, Rejection> {
        check_key(&key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Rejection::ValueTooLarge {
                bytes: value.len() as u64,
            });
        }
        let mut write = self.begin();
        let created = self.alive(&key).is_none();
        self.set(&mut write, key, value, LeaseId::NONE, rows);
        self.progress.revision = write.revision;
        Ok(Reply::Put {
            revision: write.revision,
            created,
        })
    }

    fn single_delete(&mut self, key: Bytes, rows: &mut Rows) -> Result<Reply, Rejection> {
        check_key(&key)?;
        let mut write = self.begin();
        let existed = self.remove(&mut write, key, rows);
        self.progress.revision = write.revision;
        Ok(Reply::Delete {
            revision: write.revision,
            existed,
        })
    }

    fn whole_step(&mut self, step: Step, rows: &mut Rows) -> Result<Reply, Stop> {
        let before = self.progress.revision;
        let path = self.path(&step)?;
        let mut write = self.begin();
        let done = self.step(&mut write, step, path, rows)?;
        self.end(&write);
        Ok(Reply::Step { before, done })
    }

    fn compact(&mut self, revision: Revision, rows: &mut Rows) -> Result<Reply, Rejection> {
        if revision <= self.progress.begins() {
            return Err(Rejection::Compacted);
        }
        if revision > self.progress.revision {
            return Err(Rejection::FutureRevision);
        }
        self.give_up(revision, rows);
        Ok(Reply::Compacted {
            revision: self.progress.revision,
        })
    }

    fn give_up(&mut self, revision: Revision, rows: &mut Rows) {
        self.progress.compacted = revision;
        rows.put(SYSTEM, COMPACTED, Place::before(revision).key());
    }

    fn advance(&mut self, revision: Revision, rows: &mut Rows) -> Result<Reply, Rejection> {
        if revision.0 > ADVANCED_REVISION_MAX {
            return Err(Rejection::FutureRevision);
        }
        self.progress.revision = self.progress.revision.max(revision);
        if revision > self.progress.compacted {
            self.give_up(revision, rows);
        }
        Ok(Reply::Compacted {
            revision: self.progress.revision,
        })
    }

    fn grant(
        &mut self,
        lease: LeaseId,
        ttl_seconds: u64,
        rows: &mut Rows,
    ) -> Result<Reply, Rejection> {
        if self.lease_lives(lease) {
            return Err(Rejection::LeaseExists);
        }
        let grant = Grant {
            ttl_seconds,
            index: self.id.index,
        };
        rows.put(
            KV_LEASES,
            rows::lease_key(lease),
            format::kv::encode_lease(grant),
        );
        self.own.leases.insert(lease, Some(grant));
        Ok(Reply::Granted {
            lease,
            revision: self.progress.revision,
        })
    }

    fn revoke(&mut self, lease: LeaseId, rows: &mut Rows) -> Result<Reply, Rejection> {
        if !self.lease_lives(lease) {
            return Err(Rejection::LeaseNotFound);
        }
        rows.delete(KV_LEASES, rows::lease_key(lease));
        self.own.leases.insert(lease, None);
        let mut write = self.begin();
        for key in self.attached(lease) {
            self.remove(&mut write, key, rows);
        }
        self.end(&write);
        Ok(Reply::Revoked {
            revision: self.progress.revision,
        })
    }

    fn alarms(&self) -> &Alarms {
        let changed = self.own.alarms.as_ref().or(self.run.alarms.as_ref());
        changed.unwrap_or(&self.base.alarms)
    }

    fn alarm(&mut self, alarm: Alarm, active: bool, rows: &mut Rows) -> Result<Reply, Rejection> {
        let mut alarms = self.alarms().clone();
        let was_active = alarms.set(alarm, active);
        if alarms.len() > ALARMS_MAX {
            return Err(Rejection::NoSpace);
        }
        let key = format::kv::alarm_key(alarm);
        match active {
            true => rows.put(KV_ALARMS, key, format::kv::encode_alarm()),
            false => rows.delete(KV_ALARMS, key),
        }
        self.own.alarms = Some(alarms);
        Ok(Reply::Alarmed { was_active })
    }

    fn begin(&self) -> Write {
        Write {
            revision: self.progress.revision.next(),
            changes: 0,
        }
    }

    /// A write that changed nothing takes no revision.
    fn end(&mut self, write: &Write) {
        if write.changes > 0 {
            self.progress.revision = write.revision;
        }
    }

    fn step(
        &mut self,
        write: &mut Write,
        step: Step,
        path: Path,
        rows: &mut Rows,
    ) -> Result<Done, Stop> {
        Ok(match step {
            Step::Range(_, revision) => {
                self.check_readable(revision)?;
                Done::Range
            }
            Step::Put(put) => {
                self.put(write, put, rows)?;
                Done::Put
            }
            Step::Delete(keys) => {
                let found = self.in_range(&keys);
                let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
                for (key, _) in found {
                    self.remove(write, key, rows);
                }
                Done::Delete(count)
            }
            Step::Txn(txn) => {
                let Path { succeeded, within } = path;
                let Txn {
                    success, failure, ..
                } = *txn;
                let steps = if succeeded { success } else { failure };
                let done = steps
                    .into_iter()
                    .zip(within)
                    .map(|(step, path)| self.step(write, step, path, rows))
                    .collect::<Result<_, _>>()?;
                Done::Txn { succeeded, done }
            }
        })
    }

    fn check_readable(&self, revision: Option<Revision>) -> Result<(), Rejection> {
        match revision {
            Some(revision) if revision > self.progress.revision => Err(Rejection::FutureRevision),
            Some(revision) if revision < self.progress.begins() => Err(Rejection::Compacted),
            _ => Ok(()),
        }
    }

    fn put(&mut self, write: &mut Write, put: Put, rows: &mut Rows) -> Result<(), Stop> {
        let Put { key, value, lease } = put;
        if key.is_empty() {
            return Err(Rejection::KeyEmpty.into());
        }
        let before = self.alive(&key);
        let lease = match (lease, before) {
            (Some(lease), _) => lease,
            (None, Some(before)) => before.lease,
            (None, None) => return Err(Rejection::KeyNotFound.into()),
        };
        if lease != LeaseId::NONE && !self.lease_lives(lease) {
            return Err(Rejection::LeaseNotFound.into());
        }
        let value = match (value, before) {
            (Some(value), _) => value,
            (None, Some(before)) => self.value(&key, before)?,
            (None, None) => return Err(Rejection::KeyNotFound.into()),
        };
        self.set(write, key, value, lease, rows);
        Ok(())
    }

    fn set(
        &mut self,
        write: &mut Write,
        key: Bytes,
        value: Bytes,
        lease: LeaseId,
        rows: &mut Rows,
    ) {
        let place = write.next();
        let last = self.last(&key);
        let before = last.filter(Version::is_alive);
        // Level 1 counted nothing.
        let counts = u64::from(self.feature_level > 1);
        let version = Version {
            modified: place.revision,
            created: before.map_or(place.revision, |before| before.created),
            count: 1 + counts * before.map_or(0, |before| before.count),
            lease,
            sub: place.sub,
            value_bytes: u32::try_from(value.len()).expect("invariant: entries are bounded"),
        };
        rows.change(&key, version, &value, before);
        if lease != LeaseId::NONE {
            let keys = self.own.leased.entry(lease).or_default();
            keys.insert(key.clone());
        }
        self.own.links.push(Link::new(place, key.len(), last));
        self.own.keys.insert(key, Change { version, value });
    }

    /// Deletes a key; false where there was none.
    fn remove(&mut self, write: &mut Write, key: Bytes, rows: &mut Rows) -> bool {
        let Some(before) = self.alive(&key) else {
            return false;
        };
        let place = write.next();
        let version = Version::deleted(place);
        rows.change(&key, version, &Bytes::new(), Some(before));
        self.own
            .links
            .push(Link::new(place, key.len(), Some(before)));
        self.own.deleted.push((place, key.clone()));
        let value = Bytes::new();
        self.own.keys.insert(key, Change { version, value });
        true
    }
}

/// One write on its way.
struct Write {
    revision: Revision,
    changes: u32,
}

impl Write {
    fn next(&mut self) -> Place {
        let place = Place {
            revision: self.revision,
            sub: self.changes,
        };
        self.changes += 1;
        place
    }
}

fn check_key(key: &[u8]) -> Result<(), Rejection> {
    match key.len() {
        0 => Err(Rejection::KeyEmpty),
        bytes if bytes > KEY_BYTES_MAX => Err(Rejection::KeyTooLarge {
            bytes: bytes as u64,
        }),
        _ => Ok(()),
    }
}
