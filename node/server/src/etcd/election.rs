//! The service of elections.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::{PutRequest, ResponseHeader, request_op};
use node_api::etcd::v3electionpb::election_server::Election;
use node_api::etcd::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};
use node_engines::kv::{End, Keys, Revision};
use tonic::{Request, Response, Status};

use super::callers::caller;
use super::claims;
use super::service::Etcd;
use crate::access::Caller;
use crate::watches::Watcher;

#[tonic::async_trait]
impl Election for Etcd {
    async fn campaign(
        &self,
        request: Request<CampaignRequest>,
    ) -> Result<Response<CampaignResponse>, Status> {
        let caller = caller(&request);
        let CampaignRequest { name, lease, value } = request.into_inner();
        let claim = self.claim(&caller, &name, lease, value.clone()).await?;
        let leader = LeaderKey {
            name: name.clone(),
            key: claim.key.clone(),
            rev: claim.created,
            lease: claim.lease,
        };
        if claim
            .before
            .as_ref()
            .is_some_and(|before| before.value != value)
        {
            self.proclaimed(&caller, leader.clone(), value).await?;
        }
        self.until_oldest(&caller, &name, &claim).await?;
        Ok(Response::new(CampaignResponse {
            header: claim.header,
            leader: Some(leader),
        }))
    }

    async fn proclaim(
        &self,
        request: Request<ProclaimRequest>,
    ) -> Result<Response<ProclaimResponse>, Status> {
        let caller = caller(&request);
        let ProclaimRequest { leader, value } = request.into_inner();
        let leader = leader.ok_or(Error::MissingLeaderKey)?;
        let header = self.proclaimed(&caller, leader, value).await?;
        Ok(Response::new(ProclaimResponse { header }))
    }

    async fn leader(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<LeaderResponse>, Status> {
        let caller = caller(&request);
        let name = request.into_inner().name;
        let oldest = self.oldest(&caller, &name).await?;
        let kv = oldest.kvs.into_iter().next();
        Ok(Response::new(LeaderResponse {
            header: oldest.header,
            kv: Some(kv.ok_or(Error::ElectionNoLeader)?),
        }))
    }

    type ObserveStream = BoxStream<'static, Result<LeaderResponse, Status>>;

    async fn observe(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let caller = caller(&request);
        let observer = Observer {
            etcd: self.clone(),
            caller,
            name: request.into_inner().name,
            followed: None,
        };
        let seen = try_unfold(observer, |mut observer| async move {
            let next = observer.next().await?;
            Ok::<_, Status>(Some((next, observer)))
        });
        Ok(Response::new(seen.boxed()))
    }

    async fn resign(
        &self,
        request: Request<ResignRequest>,
    ) -> Result<Response<ResignResponse>, Status> {
        let caller = caller(&request);
        let leader = request.into_inner().leader.ok_or(Error::MissingLeaderKey)?;
        let resigned = self.give_up(&caller, leader.key, leader.rev).await?;
        Ok(Response::new(ResignResponse {
            header: resigned.header,
        }))
    }
}

impl Etcd {
    /// Gives a leader's claim another value.
    async fn proclaimed(
        &self,
        caller: &Caller,
        leader: LeaderKey,
        value: Bytes,
    ) -> Result<Option<ResponseHeader>, Status> {
        let put = PutRequest {
            key: leader.key.clone(),
            value,
            lease: leader.lease,
            ..PutRequest::default()
        };
        let put = request_op::Request::RequestPut(put);
        let done = self.if_still(caller, leader.key, leader.rev, put).await?;
        match done.succeeded {
            true => Ok(done.header),
            false => Err(Error::ElectionNotLeader.into()),
        }
    }
}

/// One who is told of each leader, and of what each one proclaims; the last of it always, and not all of it.
struct Observer {
    etcd: Etcd,
    caller: Caller,
    name: Bytes,
    /// The leader's claim that is followed, and what is known of it already.
    followed: Option<Watcher>,
}

impl Observer {
    async fn next(&mut self) -> Result<LeaderResponse, Status> {
        loop {
            let Some(watcher) = &mut self.followed else {
                let oldest = self.etcd.oldest(&self.caller, &self.name).await?;
                let revision = oldest.header.as_ref().map_or(0, |header| header.revision);
                let from = Revision(u64::try_from(revision + 1).unwrap_or(1));
                let Some(kv) = oldest.kvs.into_iter().next() else {
                    self.until_claimed(from).await?;
                    continue;
                };
                let keys = Keys::one(kv.key.clone());
                self.followed = Some(self.etcd.watching(&self.caller, keys, from).await?);
                return Ok(LeaderResponse {
                    header: oldest.header,
                    kv: Some(kv),
                });
            };
            let Some((kv, deleted)) = self.etcd.last_change(watcher).await? else {
                // Its history is given up: whoever leads now is looked up.
                self.followed = None;
                continue;
            };
            if deleted {
                self.followed = None;
                continue;
            }
            return Ok(LeaderResponse {
                header: Some(self.etcd.header_now()),
                kv: Some(kv),
            });
        }
    }

    /// Waits until somebody makes a claim.
    async fn until_claimed(&self, from: Revision) -> Result<(), Status> {
        let prefix = claims::prefix(&self.name);
        let keys = Keys {
            end: End::Before(claims::after(&prefix)),
            from: prefix,
        };
        let mut watcher = self.etcd.watching(&self.caller, keys, from).await?;
        self.etcd.last_change(&mut watcher).await.map(drop)
    }
}
