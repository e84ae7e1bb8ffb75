//! The rows of etcd's buckets.

use anyhow::{Context, Result, ensure};
use prost::Message;

/// A lease as etcd stores it (`leasepb.Lease`; what remains of its time is left aside: it begins anew).
#[derive(Message)]
pub struct StoredLease {
    #[prost(int64, tag = "1")]
    pub id: i64,
    #[prost(int64, tag = "2")]
    pub ttl: i64,
}

/// The place of a change in etcd's history: its revision, and its number within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub revision: u64,
    pub is_deletion: bool,
}

impl Change {
    /// The change that a row of the bucket `key` is named for: revision (8 bytes, big endian), `_`, number within it (8 bytes, big
    /// endian), and `t` if it is a deletion.
    pub fn of(name: &[u8]) -> Result<Change> {
        let (revision, rest) = name.split_first_chunk().context("its name is too short")?;
        let is_deletion = match rest {
            [b'_', _, _, _, _, _, _, _, _] => false,
            [b'_', _, _, _, _, _, _, _, _, b't'] => true,
            _ => anyhow::bail!("its name is no revision"),
        };
        let revision = u64::from_be_bytes(*revision);
        ensure!(i64::try_from(revision).is_ok(), "its revision is too large");
        Ok(Change {
            revision,
            is_deletion,
        })
    }
}
