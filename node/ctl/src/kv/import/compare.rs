//! The target's keys beside the source's.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use anyhow::{Context, Result};
use bytes::Bytes;
use node_api::etcd::etcdserverpb::{RangeRequest, RangeResponse};
use node_api::etcd::mvccpb::KeyValue;

use crate::kv::etcd::{Etcd, said};
use crate::kv::source::{Last, Source};

/// Keys that are named where something is wrong with them.
const NAMED_MAX: usize = 3;

/// Some keys: how many, and the first of them.
#[derive(Debug, Default)]
pub struct Keys {
    pub count: u64,
    first: Vec<String>,
}

impl Keys {
    fn add(&mut self, key: &[u8]) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first
                .push(format!("{:?}", String::from_utf8_lossy(key)));
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.count > NAMED_MAX as u64 {
            ", ..."
        } else {
            ""
        };
        write!(to, "{} keys ({}{more})", self.count, self.first.join(", "))
    }
}

/// What the target has of what the source has.
#[derive(Debug, Default)]
pub struct Compared {
    /// Keys that both have, with the same value and the same lease.
    pub equal: HashSet<Box<[u8]>>,
    /// Keys that both have, with another value or another lease.
    pub differing: Keys,
    /// Keys that the target alone has.
    pub foreign: Keys,
    /// Keys that the source alone has, by the lease that they are attached to, 0 for none.
    pub missing: BTreeMap<i64, Keys>,
    /// The last revision of the target.
    pub revision: u64,
    /// The last revision that changed a key.
    pub modified: u64,
}

/// Reads all keys of the target, as of one moment, and compares.
///
/// # Errors
/// When one side cannot be read.
pub async fn compare(target: &Etcd, source: &Source) -> Result<Compared> {
    let everything = RangeRequest {
        key: Bytes::from_static(&[0]),
        range_end: Bytes::from_static(&[0]),
        ..RangeRequest::default()
    };
    let reading = target.kv().range_stream(everything).await;
    let mut parts = reading.map_err(said)?.into_inner();
    let mut compared = Compared::default();
    let mut keys = source.keys.iter().peekable();
    while let Some(part) = parts.message().await.map_err(said)? {
        let RangeResponse { header, kvs, .. } = part.range_response.unwrap_or_default();
        for found in kvs {
            while let Some((key, last)) = keys.next_if(|(key, _)| ***key < *found.key) {
                compared.lacks(key, last);
            }
            let last = keys.next_if(|(key, _)| ***key == *found.key);
            compared.has(&found, last.map(|(_, last)| last), source)?;
        }
        if let Some(header) = header {
            compared.revision = header.revision.unsigned_abs();
        }
    }
    keys.for_each(|(key, last)| compared.lacks(key, last));
    Ok(compared)
}

impl Compared {
    fn lacks(&mut self, key: &[u8], last: &Last) {
        self.missing.entry(last.lease).or_default().add(key);
    }

    fn has(&mut self, found: &KeyValue, last: Option<&Last>, source: &Source) -> Result<()> {
        self.modified = self.modified.max(found.mod_revision.unsigned_abs());
        let Some(last) = last else {
            self.foreign.add(&found.key);
            return Ok(());
        };
        let wanted = source.key_value(last);
        let wanted = wanted.context("the snapshot changed while it was read")?;
        match (&wanted.value, wanted.lease) == (&found.value, found.lease) {
            true => drop(self.equal.insert(found.key.as_ref().into())),
            false => self.differing.add(&found.key),
        }
        Ok(())
    }

    /// The keys that are missing and not attached to any of these leases that have ended.
    pub fn lost(&self, ended: &HashSet<i64>) -> Option<&Keys> {
        let mut lost = self
            .missing
            .iter()
            .filter(|(lease, _)| !ended.contains(lease));
        lost.next().map(|(_, keys)| keys)
    }

    /// How many keys are missing.
    pub fn missing(&self) -> u64 {
        self.missing.values().map(|keys| keys.count).sum()
    }
}
