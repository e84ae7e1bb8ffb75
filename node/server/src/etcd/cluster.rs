//! The service of members. They are shown as etcd would; they are changed by whoever administers the cluster, which knows
//! what a change is safe to do.

use std::collections::BTreeSet;

use node_api::etcd::etcdserverpb::cluster_server::Cluster;
use node_api::etcd::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse,
};
use node_engines::kv::Revision;
use node_replication::MemberStatus;
use tonic::{Request, Response, Status};

use super::callers::caller;
use super::service::Etcd;

fn elsewhere() -> Status {
    Status::unimplemented(
        "members are changed by editing the Cluster's replicas, or with klusterctl add, promote and remove",
    )
}

#[tonic::async_trait]
impl Cluster for Etcd {
    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        let caller = caller(&request);
        self.reader(!request.into_inner().linearizable).await?;
        self.is_user(&caller)?;
        Ok(Response::new(MemberListResponse {
            header: Some(self.header(Revision(0))),
            members: self.members(),
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

impl Etcd {
    /// The members as etcd shows them. Where they serve clients is not in the log: each on a host of its own, as pods are, they
    /// do at the port that this one does; of several on one host, only this one's is known.
    pub fn members(&self) -> Vec<Member> {
        let status = self.node.replication().status();
        let hosts: BTreeSet<&str> = status.members.iter().map(host).collect();
        let apart = hosts.len() == status.members.len();
        let member = |member: &MemberStatus| {
            let url = format!("{}://{}:{}", self.scheme, host(member), self.port);
            let known = apart || member.id == status.member;
            Member {
                id: member.id.0,
                name: match apart {
                    true => host(member).to_owned(),
                    false => member.member.peer_address.clone(),
                },
                peer_ur_ls: vec![format!("http://{}", member.member.peer_address)],
                client_ur_ls: known.then_some(url).into_iter().collect(),
                is_learner: !member.voter,
            }
        };
        status.members.iter().map(member).collect()
    }
}

fn host(member: &MemberStatus) -> &str {
    let address = &member.member.peer_address;
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}
