//! What is in a snapshot: the last state of every key, and all that goes with it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use node_api::etcd::authpb::{Role, User};
use node_api::etcd::mvccpb::KeyValue;
use prost::Message;

use super::Snapshot;
use super::rows::{Change, StoredLease};
use crate::kv::bolt::{At, Bolt, Bucket, Pair};

/// The last change of a key that is there.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    /// The lease that it is attached to, 0 for none.
    pub lease: i64,
    /// Bytes of its key and its value.
    pub bytes: u64,
    at: At,
}

/// An etcd as of one moment. The values stay in the snapshot; in memory are the keys, some 100 bytes more each.
pub struct Source {
    /// The revision of the last change.
    pub revision: u64,
    /// The keys in order.
    pub keys: BTreeMap<Box<[u8]>, Last>,
    /// How many of them name a lease that there is not: they come without one.
    pub keys_without_their_lease: u64,
    /// The leases, with their time to live in seconds.
    pub leases: BTreeMap<i64, i64>,
    /// The users, with the hashes of their passwords.
    pub users: Vec<User>,
    /// The roles, with their permissions.
    pub roles: Vec<Role>,
    /// Whether users are asked who they are.
    pub asks_users: bool,
    /// How many alarms were active.
    pub alarms: u64,
    bolt: Bolt,
    history: Bucket,
}

impl Source {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// When it is none of an etcd from 3.0 on, or is garbled.
    pub fn read(snapshot: Snapshot) -> Result<Source> {
        let Snapshot { file, bytes, name } = snapshot;
        let bolt = Bolt::open(file, bytes, name.clone())?;
        let history = bolt.bucket(b"key")?;
        let history =
            history.with_context(|| format!("{name} is of no etcd: it has no bucket `key`"))?;
        let leases = read(&bolt, b"lease", |pair| {
            let lease = StoredLease::decode(pair.value.clone())?;
            ensure!(lease.id != 0, "it has no id");
            Ok((lease.id, lease.ttl))
        })?;
        let asks_users = read(&bolt, b"auth", |pair| {
            Ok(pair.key == b"authEnabled".as_slice() && pair.value == [1].as_slice())
        })?;
        let mut source = Source {
            revision: compacted(&bolt)?,
            keys: BTreeMap::new(),
            keys_without_their_lease: 0,
            leases: leases.into_iter().collect(),
            users: read(&bolt, b"authUsers", |pair| {
                Ok(User::decode(pair.value.clone())?)
            })?,
            roles: read(&bolt, b"authRoles", |pair| {
                Ok(Role::decode(pair.value.clone())?)
            })?,
            asks_users: asks_users.contains(&true),
            alarms: read(&bolt, b"alarm", |_| Ok(()))?.len() as u64,
            bolt,
            history,
        };
        source.read_keys()?;
        Ok(source)
    }

    fn read_keys(&mut self) -> Result<()> {
        for found in self.bolt.pairs(&self.history)? {
            let (at, pair) = found?;
            let (change, now) = change(&pair).map_err(|why| {
                self.bolt
                    .garbled(at.page, format!("row {}: {why:#}", at.item))
            })?;
            self.revision = self.revision.max(change.revision);
            if change.is_deletion {
                self.keys.remove(now.key.as_ref());
                continue;
            }
            let last = Last {
                lease: now.lease,
                bytes: (now.key.len() + now.value.len()) as u64,
                at,
            };
            self.keys.insert(now.key.as_ref().into(), last);
        }
        for last in self.keys.values_mut() {
            if last.lease != 0 && !self.leases.contains_key(&last.lease) {
                last.lease = 0;
                self.keys_without_their_lease += 1;
            }
        }
        Ok(())
    }

    /// A key with its value.
    ///
    /// # Errors
    /// When the snapshot cannot be read any more.
    pub fn key_value(&self, last: &Last) -> Result<KeyValue> {
        self.whole(last, &self.bolt.pair(&self.history, last.at)?)
    }

    /// The keys with their values, those that were changed first before the others.
    ///
    /// # Errors
    /// When the snapshot cannot be read any more.
    pub fn by_revision(&self) -> Result<impl Iterator<Item = Result<KeyValue>> + '_> {
        let pairs = self.bolt.pairs(&self.history)?;
        Ok(pairs.filter_map(|found| self.if_last(found).transpose()))
    }

    fn if_last(&self, found: Result<(At, Pair)>) -> Result<Option<KeyValue>> {
        let (at, pair) = found?;
        let (_, now) = change(&pair).map_err(|why| self.bolt.garbled(at.page, why))?;
        match self.keys.get(now.key.as_ref()) {
            Some(last) if last.at == at => self.whole(last, &pair).map(Some),
            _ => Ok(None),
        }
    }

    fn whole(&self, last: &Last, pair: &Pair) -> Result<KeyValue> {
        let (_, now) = change(pair).map_err(|why| self.bolt.garbled(last.at.page, why))?;
        Ok(KeyValue {
            lease: last.lease,
            ..now
        })
    }
}

/// A row of the history.
fn change(pair: &Pair) -> Result<(Change, KeyValue)> {
    let change = Change::of(&pair.key)?;
    let now = KeyValue::decode(pair.value.clone())?;
    ensure!(!now.key.is_empty(), "it has no key");
    Ok((change, now))
}

/// Where the history begins: the last revision, where all that is above it is gone.
fn compacted(bolt: &Bolt) -> Result<u64> {
    let compactions = read(bolt, b"meta", |pair| {
        let names: [&[u8]; 2] = [b"finishedCompactRev", b"scheduledCompactRev"];
        match names.contains(&pair.key.as_ref()) {
            true => Ok(Change::of(&pair.value)?.revision),
            false => Ok(0),
        }
    })?;
    Ok(compactions.into_iter().max().unwrap_or_default())
}

/// Reads every row of a bucket; none where there is no such bucket.
fn read<T>(bolt: &Bolt, bucket: &[u8], row: impl Fn(&Pair) -> Result<T>) -> Result<Vec<T>> {
    let Some(found) = bolt.bucket(bucket)? else {
        return Ok(Vec::new());
    };
    let read = |found: Result<(At, Pair)>| {
        let (at, pair) = found?;
        row(&pair).map_err(|why| {
            let bucket = String::from_utf8_lossy(bucket);
            bolt.garbled(at.page, format!("row {} of `{bucket}`: {why:#}", at.item))
        })
    };
    bolt.pairs(&found)?.map(read).collect()
}
