//! The service of leases.

use futures::stream::{BoxStream, StreamExt, try_unfold};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::lease_server::Lease;
use node_api::etcd::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use node_engines::auth::Right;
use node_engines::kv::{self, LeaseId};
use tonic::{Request, Response, Status, Streaming};

use super::callers::caller;
use super::errors::{another_reply, status};
use super::permits;
use super::service::{Etcd, number};
use crate::access::Caller;

/// No lease lives longer, in seconds.
const TTL_SECONDS_MAX: i64 = 9_000_000_000;
/// Nor shorter, as with etcd: a leader can be elected meanwhile.
const TTL_SECONDS_MIN: i64 = 2;
/// What a client is told of a lease that is not there.
const NO_LEASE: i64 = -1;

impl Etcd {
    async fn kept_alive(&self, caller: &Caller, id: i64) -> Result<LeaseKeepAliveResponse, Status> {
        self.may_with_keys_of(caller, Right::Write, LeaseId(id))?;
        let header = Some(self.header_now());
        let left = self.node.keep_alive(LeaseId(id)).await.map_err(status)?;
        Ok(LeaseKeepAliveResponse {
            header,
            id,
            // Nothing for a lease that is not there.
            ttl: left.map_or(0, |left| number(left.granted_seconds)),
        })
    }

    fn draw_lease(&self) -> LeaseId {
        let drawn = self.node.host().random.u64() >> 1;
        LeaseId(number(drawn.max(1)))
    }
}

#[tonic::async_trait]
impl Lease for Etcd {
    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        let caller = caller(&request);
        let LeaseGrantRequest { ttl, id } = request.into_inner();
        if ttl > TTL_SECONDS_MAX {
            return Err(Error::LeaseTtlTooLarge.into());
        }
        let ttl = ttl.max(TTL_SECONDS_MIN);
        let lease = match id {
            0 => self.draw_lease(),
            id => LeaseId(id),
        };
        let ttl_seconds = ttl.unsigned_abs();
        let command = kv::Command::Grant { lease, ttl_seconds };
        let (reply, _) = self.write(&caller, permits::any_user, command).await?;
        let kv::Reply::Granted { lease, revision } = reply else {
            return Err(another_reply());
        };
        Ok(Response::new(LeaseGrantResponse {
            header: Some(self.header(revision)),
            id: lease.0,
            ttl,
            error: String::new(),
        }))
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        let caller = caller(&request);
        let lease = LeaseId(request.into_inner().id);
        let command = kv::Command::Revoke { lease };
        // What of its keys may be written is looked at where they are deleted.
        let (reply, _) = self.write(&caller, permits::any_user, command).await?;
        let kv::Reply::Revoked { revision } = reply else {
            return Err(another_reply());
        };
        Ok(Response::new(LeaseRevokeResponse {
            header: Some(self.header(revision)),
        }))
    }

    type LeaseKeepAliveStream = BoxStream<'static, Result<LeaseKeepAliveResponse, Status>>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let caller = caller(&request);
        let requests = request.into_inner();
        let answers = try_unfold(
            (self.clone(), caller, requests),
            |(etcd, caller, mut requests)| async move {
                let next = tokio::select! {
                    biased;
                    () = etcd.node.ending() => return Err(Error::Stopped.into()),
                    next = requests.message() => next?,
                };
                let Some(LeaseKeepAliveRequest { id }) = next else {
                    return Ok(None);
                };
                let answer = etcd.kept_alive(&caller, id).await?;
                Ok(Some((answer, (etcd, caller, requests))))
            },
        );
        Ok(Response::new(answers.boxed()))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let caller = caller(&request);
        let LeaseTimeToLiveRequest { id, keys } = request.into_inner();
        let reader = self.reader(false).await?;
        match keys {
            true => self.may_with_keys_of(&caller, Right::Read, LeaseId(id))?,
            false => self.is_user(&caller)?,
        }
        let left = self.node.time_left(LeaseId(id)).await.map_err(status)?;
        let leased = reader.lease(LeaseId(id), keys);
        let (Some(left), Some(leased)) = (left, leased) else {
            return Ok(Response::new(LeaseTimeToLiveResponse {
                header: Some(self.header_now()),
                id,
                ttl: NO_LEASE,
                ..LeaseTimeToLiveResponse::default()
            }));
        };
        Ok(Response::new(LeaseTimeToLiveResponse {
            header: Some(self.header_now()),
            id,
            ttl: number(left.left.as_secs()),
            granted_ttl: number(leased.grant.ttl_seconds),
            keys: leased.keys,
        }))
    }

    async fn lease_leases(
        &self,
        request: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        let reader = self.reader(false).await?;
        let leases = reader.leases();
        let caller = caller(&request);
        self.is_user(&caller)?;
        for (lease, _) in &leases {
            self.may_with_keys_of(&caller, Right::Read, *lease)?;
        }
        let leases = leases.into_iter();
        Ok(Response::new(LeaseLeasesResponse {
            header: Some(self.header_now()),
            leases: leases.map(|(id, _)| LeaseStatus { id: id.0 }).collect(),
        }))
    }
}
