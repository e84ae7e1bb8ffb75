//! A copy of the keys in the file that etcd keeps them in: `etcdutl snapshot restore` makes a cluster of etcd's of it.
//!
//! The buckets are those of etcd's `server/storage/schema`.

use std::io::{self, Seek, Write};

use node_api::etcd::etcdserverpb::Member;
use node_engines::kv::{Grant, LeaseId, Revision};
use node_engines::{Kept, ReadError};
use prost::Message;

use super::CLUSTER_VERSION;
use super::alarms::member;
use super::rows::{BUCKET, row, row_name};
use super::users;
use crate::bolt::Writer;

/// How many pairs are written between two looks at whether the copy is still wanted.
const PAIRS_PER_LOOK: usize = 256;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The state could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The copy could not be written.
    #[error("failed to write the copy")]
    Write(#[from] io::Error),
    /// Nobody wants it any more, or the disk has too little room.
    #[error("the copy was given up")]
    GivenUp,
}

/// A name in a bucket, and what it has.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A lease as etcd stores it.
#[derive(Message)]
struct StoredLease {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "2")]
    ttl: i64,
    #[prost(int64, tag = "3")]
    remaining: i64,
}

/// Writes the copy; gives its length. `is_wanted` is asked now and then.
pub fn write(
    kept: &Kept,
    members: &[Member],
    out: impl Write + Seek,
    is_wanted: impl Fn() -> bool,
) -> Result<u64, CopyError> {
    let mut writer = Writer::new(out)?;
    let alarms = kept
        .alarms()
        .map(|alarm| Ok((member(alarm?).encode_to_vec(), Vec::new())));
    bucket(&mut writer, b"alarm", alarms)?;
    for (name, pairs) in [
        (&b"auth"[..], users::state(&kept.auth)),
        (b"authRoles", users::roles(&kept.auth)),
        (b"authUsers", users::users(&kept.auth)),
    ] {
        bucket(&mut writer, name, pairs.into_iter().map(Ok))?;
    }
    let version = pair(b"clusterVersion", CLUSTER_VERSION.as_bytes());
    bucket(&mut writer, b"cluster", [Ok(version)].into_iter())?;
    let keys = kept.changes().enumerate().map(|(number, change)| {
        if number.is_multiple_of(PAIRS_PER_LOOK) && !is_wanted() {
            return Err(CopyError::GivenUp);
        }
        Ok(row(change?))
    });
    bucket(&mut writer, BUCKET, keys)?;
    bucket(&mut writer, b"lease", leases(kept)?.into_iter().map(Ok))?;
    bucket(
        &mut writer,
        b"members",
        of_members(members).into_iter().map(Ok),
    )?;
    bucket(&mut writer, b"members_removed", [].into_iter())?;
    bucket(
        &mut writer,
        b"meta",
        meta(kept, members).into_iter().map(Ok),
    )?;
    Ok(writer.finish()?)
}

fn bucket<W: Write + Seek>(
    writer: &mut Writer<W>,
    name: &[u8],
    pairs: impl Iterator<Item = Result<Pair, CopyError>>,
) -> Result<(), CopyError> {
    writer.bucket(name, pairs)
}

/// One of them.
pub fn pair(key: &[u8], value: &[u8]) -> Pair {
    (key.to_vec(), value.to_vec())
}

fn leases(kept: &Kept) -> Result<Vec<Pair>, CopyError> {
    let stored = |lease: Result<(LeaseId, Grant), ReadError>| {
        let (LeaseId(id), grant) = lease?;
        let lease = StoredLease {
            id,
            ttl: i64::try_from(grant.ttl_seconds).unwrap_or(i64::MAX),
            remaining: 0,
        };
        Ok((id.to_be_bytes().to_vec(), lease.encode_to_vec()))
    };
    kept.leases().map(stored).collect()
}

/// The members by their ids, which are in hexadecimal digits there. Whoever restores the copy names others.
fn of_members(members: &[Member]) -> Vec<Pair> {
    let stored = |member: &Member| {
        let shown = serde_json::json!({
            "id": member.id,
            "peerURLs": member.peer_ur_ls,
            "isLearner": member.is_learner,
            "name": member.name,
            "clientURLs": member.client_ur_ls,
        });
        (
            format!("{:x}", member.id).into_bytes(),
            shown.to_string().into_bytes(),
        )
    };
    let mut members: Vec<Pair> = members.iter().map(stored).collect();
    members.sort_unstable();
    members
}

fn meta(kept: &Kept, members: &[Member]) -> Vec<Pair> {
    let (index, term) = kept.applied.map_or((0, 0), |last| (last.index, last.term));
    let ids = |learner: bool| -> Vec<u64> {
        let those = members.iter().filter(|member| member.is_learner == learner);
        those.map(|member| member.id).collect()
    };
    let voting =
        serde_json::json!({"voters": ids(false), "learners": ids(true), "auto_leave": false});
    let mut meta = vec![
        pair(b"confState", voting.to_string().as_bytes()),
        pair(b"consistent_index", &index.to_be_bytes()),
    ];
    let compacted = row_name(kept.compacted, 0);
    if kept.compacted > Revision(0) {
        meta.push(pair(b"finishedCompactRev", &compacted));
        meta.push(pair(b"scheduledCompactRev", &compacted));
    }
    meta.push(pair(b"storageVersion", CLUSTER_VERSION.as_bytes()));
    meta.push(pair(b"term", &term.to_be_bytes()));
    meta
}
