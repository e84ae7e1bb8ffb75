//! The service of maintenance.

use futures::stream::BoxStream;
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::maintenance_server::Maintenance;
use node_api::etcd::etcdserverpb::{
    AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, DowngradeInfo,
    DowngradeRequest, DowngradeResponse, HashKvRequest, HashKvResponse, HashRequest, HashResponse,
    MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, SnapshotResponse, StatusRequest,
    StatusResponse,
};
use node_replication::{LogId, MemberId, Role};
use tonic::{Request, Response, Status};

use super::service::{Etcd, number};
use crate::errors::AdminFailure;

/// The version of etcd whose API this is.
pub const VERSION: &str = "3.7.3";
/// What all members have in common, as etcd says it.
pub const CLUSTER_VERSION: &str = "3.7.0";

#[tonic::async_trait]
impl Maintenance for Etcd {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let log = self.node.replication().status();
        let bytes = self.node.reader().bytes_used();
        let bytes = bytes.map_err(|error| self.read_failed(&error))?;
        let index = |id: Option<LogId>| id.map_or(0, |id| id.index);
        let errors = match (&log.fatal, log.leader) {
            (Some(fatal), _) => vec![fatal.clone()],
            (None, None) => vec![Error::NoLeader.to_string()],
            (None, Some(_)) => Vec::new(),
        };
        let bytes = number(bytes);
        Ok(Response::new(StatusResponse {
            header: Some(self.header_now()),
            version: VERSION.to_owned(),
            db_size: bytes,
            // What is given up makes room by itself.
            db_size_in_use: bytes,
            leader: log.leader.map_or(0, |leader| leader.0),
            raft_index: index(log.committed),
            raft_applied_index: index(log.applied),
            raft_term: log.term,
            errors,
            is_learner: log.role == Role::Learner,
            storage_version: CLUSTER_VERSION.to_owned(),
            downgrade_info: Some(DowngradeInfo::default()),
            ..StatusResponse::default()
        }))
    }

    /// There is nothing to stop for: what is given up makes room by itself.
    async fn defragment(
        &self,
        _: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        Ok(Response::new(DefragmentResponse { header: None }))
    }

    async fn move_leader(
        &self,
        request: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
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

    /// There are no alarms: a full disk refuses writes for as long as it is full.
    async fn alarm(&self, _: Request<AlarmRequest>) -> Result<Response<AlarmResponse>, Status> {
        self.reader(false).await?;
        Ok(Response::new(AlarmResponse {
            header: Some(self.header_now()),
            alarms: Vec::new(),
        }))
    }

    async fn hash(&self, _: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        Err(not_yet("Hash"))
    }

    async fn hash_kv(&self, _: Request<HashKvRequest>) -> Result<Response<HashKvResponse>, Status> {
        Err(not_yet("HashKV"))
    }

    type SnapshotStream = BoxStream<'static, Result<SnapshotResponse, Status>>;

    async fn snapshot(
        &self,
        _: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(not_yet("Snapshot"))
    }

    async fn downgrade(
        &self,
        _: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        Err(not_yet("Downgrade"))
    }
}

fn not_yet(method: &str) -> Status {
    Status::unimplemented(format!("Maintenance.{method} is not here yet"))
}
