//! The cluster that keys are moved to: its API of etcd, and its admin interface.

use anyhow::{Context, Result, ensure};
use node_api::AdminClient;
use node_api::etcd::etcdserverpb::{StatusRequest, StatusResponse};

use crate::kv::etcd::{Access, Etcd, patiently, said};

/// One cluster, by both of its doors.
pub struct Target {
    pub etcd: Etcd,
    admin: AdminClient,
    quota_bytes: u64,
    used_bytes: u64,
}

impl Target {
    /// Connects to both.
    ///
    /// # Errors
    /// When they are not those of one cluster that takes data, or the cluster key is not proved.
    pub async fn reach(access: &Access, admin: &str, cluster_key: &[u8]) -> Result<Target> {
        let client = AdminClient::connect(admin, cluster_key).await;
        let client = client.with_context(|| format!("failed to speak to {admin}"))?;
        let cluster = client.status().await?.cluster_id;
        let etcd = Etcd::connect(access).await?;
        let status = patiently(async || etcd.maintenance().status(StatusRequest {}).await).await;
        let StatusResponse {
            header,
            db_size_quota,
            db_size_in_use,
            ..
        } = status.map_err(said)?;
        // Of the sixteen bytes, etcd's clients are shown eight.
        let shown = header.unwrap_or_default().cluster_id.to_be_bytes();
        ensure!(
            cluster.starts_with(&shown),
            "{} and the admin listener {admin} are not of one Kluster cluster: name both of one with --endpoints and --admin",
            etcd.endpoint()
        );
        Ok(Target {
            etcd,
            admin: client,
            quota_bytes: db_size_quota.unsigned_abs(),
            used_bytes: db_size_in_use.unsigned_abs(),
        })
    }

    /// # Errors
    /// When so many bytes more are above the quota.
    pub fn has_room(&self, more_bytes: u64) -> Result<()> {
        let needed = self.used_bytes.saturating_add(more_bytes);
        ensure!(
            needed <= self.quota_bytes,
            "the target has a quota of {} bytes, and would hold {needed}: raise `[kv] quota_bytes` (on Kubernetes, the kv engine's \
             quota in the Cluster's spec) first",
            self.quota_bytes
        );
        Ok(())
    }

    /// Has the revisions go on above this one; gives the last one after it.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn advance(&self, revision: u64) -> Result<u64> {
        let advanced = self.admin.advance_revision(revision).await;
        advanced.context("failed to have the target's revisions go on above the etcd's")
    }
}
