//! The leases at the target.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::{LeaseGrantRequest, LeaseLeasesRequest};

use super::write::UNDER_WAY;
use crate::kv::etcd::{Etcd, is, patiently, said};

/// The source's leases, and which of them were granted at the target.
pub struct Leases<'a> {
    target: &'a Etcd,
    /// Their times in seconds, by their ids.
    wanted: &'a BTreeMap<i64, i64>,
    granted: Mutex<HashSet<i64>>,
}

/// The leases that a server has.
///
/// # Errors
/// When it does not tell.
pub async fn list(etcd: &Etcd) -> Result<HashSet<i64>> {
    let listed = patiently(async || etcd.lease().lease_leases(LeaseLeasesRequest {}).await).await;
    let leases = listed.map_err(said)?.leases;
    Ok(leases.into_iter().map(|lease| lease.id).collect())
}

impl<'a> Leases<'a> {
    /// The leases that the target shall have; `there` it has already.
    pub fn new(
        target: &'a Etcd,
        wanted: &'a BTreeMap<i64, i64>,
        there: HashSet<i64>,
    ) -> Leases<'a> {
        Leases {
            target,
            wanted,
            granted: Mutex::new(there),
        }
    }

    /// Grants those of these leases that were not granted yet. One that is there is left as it is.
    ///
    /// # Errors
    /// When the target refuses.
    pub async fn grant(&self, ids: impl IntoIterator<Item = i64>) -> Result<()> {
        for id in ids {
            let Some(ttl) = self.wanted.get(&id).copied() else {
                continue;
            };
            if self.granted().contains(&id) {
                continue;
            }
            let request = LeaseGrantRequest { ttl, id };
            let granting = patiently(async || self.target.lease().lease_grant(request).await);
            match granting.await {
                Err(status) if !is(&status, Error::LeaseExist) => return Err(said(status)),
                _ => drop(self.granted().insert(id)),
            }
        }
        Ok(())
    }

    /// Grants every lease.
    ///
    /// # Errors
    /// When the target refuses.
    pub async fn grant_all(&self) -> Result<()> {
        let granting = stream::iter(self.wanted.keys()).map(|id| self.grant([*id]));
        granting.buffer_unordered(UNDER_WAY).try_collect().await
    }

    /// These leases have ended at the target: they are granted anew when they are asked for.
    pub fn forget(&self, ids: impl IntoIterator<Item = i64>) {
        for id in ids {
            self.granted().remove(&id);
        }
    }

    fn granted(&self) -> MutexGuard<'_, HashSet<i64>> {
        // Nothing panics between two changes that belong together.
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
