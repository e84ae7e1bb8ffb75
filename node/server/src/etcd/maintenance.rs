//! The service of maintenance.

mod alarms;
mod copy;
mod downgrade;
mod hashes;
mod rows;
mod snapshot;
mod users;

use futures::stream::{BoxStream, StreamExt, unfold};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::alarm_request::AlarmAction;
use node_api::etcd::etcdserverpb::maintenance_server::Maintenance;
use node_api::etcd::etcdserverpb::{
    AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, DowngradeInfo,
    DowngradeRequest, DowngradeResponse, HashKvRequest, HashKvResponse, HashRequest, HashResponse,
    MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, SnapshotResponse, StatusRequest,
    StatusResponse,
};
use node_replication::{LogId, MemberId, Role};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

pub use alarms::name as alarm_name;

use super::callers::caller;
use super::service::{Etcd, number};
use crate::errors::AdminFailure;

/// The version of etcd whose API this is.
pub const VERSION: &str = "3.7.3";
/// What all members have in common, as etcd says it.
pub const CLUSTER_VERSION: &str = "3.7.0";

/// Parts of a snapshot that wait to be sent.
const PARTS_WAITING_MAX: usize = 4;

#[tonic::async_trait]
impl Maintenance for Etcd {
    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        self.is_user(&caller(&request))?;
        let log = self.node.replication().status();
        let index = |id: Option<LogId>| id.map_or(0, |id| id.index);
        let mut errors = match (&log.fatal, log.leader) {
            (Some(fatal), _) => vec![fatal.clone()],
            (None, None) => vec![Error::NoLeader.to_string()],
            (None, Some(_)) => Vec::new(),
        };
        errors.extend(self.node.reader().alarms().into_iter().map(alarms::text));
        let bytes = number(self.node.reader().bytes());
        Ok(Response::new(StatusResponse {
            header: Some(self.header_now()),
            version: VERSION.to_owned(),
            db_size: bytes,
            // What is given up makes room by itself.
            db_size_in_use: bytes,
            db_size_quota: number(self.node.limits().quota_bytes),
            leader: log.leader.map_or(0, |leader| leader.0),
            raft_index: index(log.committed),
            raft_applied_index: index(log.applied),
            raft_term: log.term,
            errors,
            is_learner: log.role == Role::Learner,
            storage_version: CLUSTER_VERSION.to_owned(),
            downgrade_info: Some(DowngradeInfo::default()),
        }))
    }

    /// There is nothing to stop for: what is given up makes room by itself.
    async fn defragment(
        &self,
        request: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        self.is_root(&caller(&request))?;
        Ok(Response::new(DefragmentResponse { header: None }))
    }

    async fn move_leader(
        &self,
        request: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        self.is_root(&caller(&request))?;
        let to = MemberId(request.into_inner().target_id);
        if self.node.replication().status().role != Role::Leader {
            return Err(Error::NotLeader.into());
        }
        match self.node.transfer_leadership(Some(to)).await {
            Ok(()) => Ok(Response::new(MoveLeaderResponse {
                header: Some(self.header_now()),
            })),
            Err(AdminFailure::NotLeader { .. }) => Err(Error::NotLeader.into()),
            Err(AdminFailure::Guard(_) | AdminFailure::Invalid(_)) => {
                Err(Error::BadLeaderTransferee.into())
            }
            Err(_) => Err(Error::TimeoutLeaderTransfer.into()),
        }
    }

    async fn alarm(
        &self,
        request: Request<AlarmRequest>,
    ) -> Result<Response<AlarmResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        match request.action() {
            AlarmAction::Get => self.is_user(&caller)?,
            AlarmAction::Activate | AlarmAction::Deactivate => self.is_root(&caller)?,
        }
        let alarms = self.alarms(request).await?;
        Ok(Response::new(AlarmResponse {
            header: Some(self.header_now()),
            alarms,
        }))
    }

    async fn hash(&self, request: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        self.is_root(&caller(&request))?;
        self.hash_of_state().await.map(Response::new)
    }

    async fn hash_kv(
        &self,
        request: Request<HashKvRequest>,
    ) -> Result<Response<HashKvResponse>, Status> {
        self.is_root(&caller(&request))?;
        let revision = request.into_inner().revision;
        self.hash_of_keys(revision).await.map(Response::new)
    }

    type SnapshotStream = BoxStream<'static, Result<SnapshotResponse, Status>>;

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        self.is_root(&caller(&request))?;
        self.reader(true).await?;
        let (to, parts) = mpsc::channel(PARTS_WAITING_MAX);
        let (etcd, members) = (self.clone(), self.members());
        let node = self.node.clone();
        tokio::spawn(async move {
            let send = move || snapshot::send(&node, &members, &to);
            if let Err(status) = etcd.at_length(send).await {
                tracing::warn!(%status, "a snapshot for a client of etcd was not made");
            }
        });
        let next = |mut parts: mpsc::Receiver<_>| async { Some((parts.recv().await?, parts)) };
        Ok(Response::new(unfold(parts, next).boxed()))
    }

    async fn downgrade(
        &self,
        request: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        self.is_root(&caller(&request))?;
        let version = downgrade::answer(&request.into_inner())?;
        Ok(Response::new(DowngradeResponse {
            header: Some(self.header_now()),
            version: version.to_owned(),
        }))
    }
}
