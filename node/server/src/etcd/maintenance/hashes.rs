//! Hashes by which members compare what they have.
//!
//! Of the keys it is the very hash that etcd makes of the same history (`server/storage/mvcc/hash.go`): a CRC-32C over the name
//! of etcd's bucket and over each change as etcd stores it.

use node_api::etcd::etcdserverpb::{HashKvResponse, HashResponse};
use node_engines::kv::Revision;
use node_engines::{Kept, ReadError, Rejection};
use tonic::Status;

use super::rows::{BUCKET, row};
use crate::etcd::errors::refused;
use crate::etcd::service::{Etcd, number};

/// What etcd says of a history of which nothing was given up.
const NOT_COMPACTED: i64 = -1;

impl Etcd {
    /// The hash of the keys and their history as of a revision; 0 is the last one.
    pub(super) async fn hash_of_keys(&self, revision: i64) -> Result<HashKvResponse, Status> {
        let revision = u64::try_from(revision)
            .ok()
            .filter(|revision| *revision > 0);
        let reader = self.reader(true).await?;
        let work = move || -> Result<Result<(Kept, u32), Rejection>, ReadError> {
            let kept = match reader.kept(revision.map(Revision))? {
                Ok(kept) => kept,
                Err(rejection) => return Ok(Err(rejection)),
            };
            let hash = of_keys(&kept)?;
            Ok(Ok((kept, hash)))
        };
        let (kept, hash) = self.at_length(work).await?.map_err(refused)?;
        let compact_revision = match kept.compacted {
            Revision(0) => NOT_COMPACTED,
            Revision(compacted) => number(compacted),
        };
        Ok(HashKvResponse {
            header: Some(self.header(kept.last)),
            hash,
            compact_revision,
            hash_revision: number(kept.revision.0),
        })
    }

    /// The hash of the whole state, which is equal on members that have applied the same.
    pub(super) async fn hash_of_state(&self) -> Result<HashResponse, Status> {
        let reader = self.reader(true).await?;
        let work = move || -> Result<(Revision, u32), ReadError> {
            let (revision, state) = reader.state()?;
            let mut hash = 0;
            for row in state.rows() {
                let row = row?;
                for part in [row.table.as_bytes(), &row.key, &row.value] {
                    hash = crc32c::crc32c_append(hash, part);
                }
            }
            Ok((revision, hash))
        };
        let (revision, hash) = self.at_length(work).await?;
        Ok(HashResponse {
            header: Some(self.header(revision)),
            hash,
        })
    }
}

fn of_keys(kept: &Kept) -> Result<u32, ReadError> {
    let mut hash = crc32c::crc32c(BUCKET);
    for change in kept.changes() {
        let change = change?;
        // Older etcds have no such row.
        if change.deleted && change.revision() == kept.compacted {
            continue;
        }
        let (key, value) = row(change);
        hash = crc32c::crc32c_append(hash, &key);
        hash = crc32c::crc32c_append(hash, &value);
    }
    Ok(hash)
}
