//! What a transaction sees: the state, the run, its own entry; and which branches it takes.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use bytes::Bytes;

use super::command::{Compare, Step, Target, Txn};
use super::transaction::{Stop, Transaction};
use super::{End, Grant, Keys, LeaseId, Version, rows};

/// The branches that a step takes, chosen before the first change.
#[derive(Debug, Default)]
pub(crate) struct Path {
    pub succeeded: bool,
    pub within: Vec<Path>,
}

impl Transaction<'_> {
    /// Chooses the branches of a step, and of the transactions within it.
    pub fn path(&self, step: &Step) -> Result<Path, Stop> {
        match step {
            Step::Txn(txn) => self.txn_path(txn),
            Step::Range(..) | Step::Put(_) | Step::Delete(_) => Ok(Path::default()),
        }
    }

    fn txn_path(&self, txn: &Txn) -> Result<Path, Stop> {
        let mut succeeded = true;
        for compare in &txn.compare {
            if !self.holds(compare)? {
                succeeded = false;
                break;
            }
        }
        let steps = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        let within = steps.iter().map(|step| self.path(step));
        Ok(Path {
            succeeded,
            within: within.collect::<Result<_, _>>()?,
        })
    }

    fn holds(&self, compare: &Compare) -> Result<bool, Stop> {
        let found = self.in_range(&compare.keys);
        if found.is_empty() {
            return self.key_holds(compare, None);
        }
        for (key, version) in &found {
            if !self.key_holds(compare, Some((key, *version)))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn key_holds(&self, compare: &Compare, key: Option<(&Bytes, Version)>) -> Result<bool, Stop> {
        let number = |found: fn(Version) -> u64, given: i64| {
            let found = key.map_or(0, |(_, version)| found(version));
            i64::try_from(found).unwrap_or(i64::MAX).cmp(&given)
        };
        let order: Ordering = match &compare.target {
            Target::Version(given) => number(|version| version.count, *given),
            Target::Created(given) => number(|version| version.created.0, *given),
            Target::Modified(given) => number(|version| version.modified.0, *given),
            Target::Lease(given) => {
                let found = key.map_or(LeaseId::NONE, |(_, version)| version.lease);
                found.0.cmp(given)
            }
            Target::Value(given) => {
                let Some((key, version)) = key else {
                    return Ok(false);
                };
                let value = self.value(key, version)?;
                value.as_ref().cmp(given.as_ref())
            }
        };
        Ok(compare.relation.holds(order))
    }

    /// The last version of a key, a deletion too.
    pub(super) fn last(&self, key: &[u8]) -> Option<Version> {
        let changed = self.own.keys.get(key).or_else(|| self.run.keys.get(key));
        match changed {
            Some(change) => Some(change.version),
            None => self.base.index.last(key),
        }
    }

    /// The version of a key that has a value.
    pub(super) fn alive(&self, key: &[u8]) -> Option<Version> {
        self.last(key).filter(Version::is_alive)
    }

    /// The value of a key's last version.
    pub(super) fn value(&self, key: &[u8], version: Version) -> Result<Bytes, Stop> {
        let changed = self.own.keys.get(key).or_else(|| self.run.keys.get(key));
        match changed {
            Some(change) => Ok(change.value.clone()),
            None => rows::read_value(self.storage, version).map_err(Stop::Read),
        }
    }

    /// The keys of a range that have a value, in order.
    pub(super) fn in_range(&self, keys: &Keys) -> Vec<(Bytes, Version)> {
        if keys.end == End::Same {
            let version = self.alive(&keys.from);
            return version
                .map(|version| (keys.from.clone(), version))
                .into_iter()
                .collect();
        }
        let stored = self.base.index.range(keys);
        let stored = stored.map(|(key, _)| Bytes::copy_from_slice(key));
        let changed = |changes: &super::Changes| {
            let bounds = keys.bounds();
            let found = bounds
                .map(|bounds| changes.range::<[u8], _>(bounds).map(|(key, _)| key.clone()))
                .into_iter()
                .flatten();
            found.collect::<Vec<_>>()
        };
        let all: BTreeSet<Bytes> = stored
            .chain(changed(&self.run.keys))
            .chain(changed(&self.own.keys))
            .collect();
        self.only_alive(all)
    }

    /// The keys that are attached to a lease, in order.
    pub(crate) fn attached(&self, lease: LeaseId) -> Vec<Bytes> {
        let stored = self.base.leases.get(lease).into_iter();
        let stored =
            stored.flat_map(|lease| lease.keys.iter().map(|key| Bytes::copy_from_slice(key)));
        let put = [&self.run.leased, &self.own.leased].into_iter();
        let changed = put
            .filter_map(|leased| leased.get(&lease))
            .flatten()
            .cloned();
        let all: BTreeSet<Bytes> = stored.chain(changed).collect();
        let alive = self.only_alive(all).into_iter();
        alive
            .filter(|(_, version)| version.lease == lease)
            .map(|(key, _)| key)
            .collect()
    }

    fn only_alive(&self, keys: BTreeSet<Bytes>) -> Vec<(Bytes, Version)> {
        keys.into_iter()
            .filter_map(|key| self.alive(&key).map(|version| (key, version)))
            .collect()
    }

    pub(super) fn lease_lives(&self, lease: LeaseId) -> bool {
        self.granted(lease).is_some()
    }

    /// How a lease was granted that lives.
    pub(super) fn granted(&self, lease: LeaseId) -> Option<Grant> {
        let changed = self
            .own
            .leases
            .get(&lease)
            .or_else(|| self.run.leases.get(&lease));
        match changed {
            Some(change) => *change,
            None => self.base.leases.get(lease).map(|lease| lease.grant),
        }
    }
}
