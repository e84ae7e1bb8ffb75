//! The service of members. They are shown as etcd would; they are changed by whoever administers the cluster, which knows
//! what a change is safe to do.

use node_api::etcd::etcdserverpb::cluster_server::Cluster;
use node_api::etcd::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse,
};
use node_replication::MemberStatus;
use tonic::{Request, Response, Status};

use super::service::Etcd;

fn elsewhere() -> Status {
    Status::unimplemented(
        "members are changed by editing the Cluster's replicas, or with klusterctl member",
    )
}

#[tonic::async_trait]
impl Cluster for Etcd {
    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        self.reader(!request.into_inner().linearizable).await?;
        let status = self.node.replication().status();
        Ok(Response::new(MemberListResponse {
            header: Some(self.header_now()),
            members: status.members.into_iter().map(member).collect(),
        }))
    }

    async fn member_add(
        &self,
        _: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        Err(elsewhere())
    }

    async fn member_remove(
        &self,
        _: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        Err(elsewhere())
    }

    async fn member_update(
        &self,
        _: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        Err(elsewhere())
    }

    async fn member_promote(
        &self,
        _: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        Err(elsewhere())
    }
}

/// A member as etcd shows it. Where it serves clients is not known to the log: clients have a Service for that.
fn member(status: MemberStatus) -> Member {
    let address = status.member.peer_address;
    let host = address.rsplit_once(':').map_or(&*address, |(host, _)| host);
    Member {
        id: status.id.0,
        name: host.to_owned(),
        peer_ur_ls: vec![format!("http://{address}")],
        client_ur_ls: Vec::new(),
        is_learner: !status.voter,
    }
}
