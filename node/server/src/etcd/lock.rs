//! The service of locks.

use bytes::Bytes;
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::kv_server::Kv;
use node_api::etcd::etcdserverpb::{DeleteRangeRequest, RangeRequest};
use node_api::etcd::v3lockpb::lock_server::Lock;
use node_api::etcd::v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};
use tonic::{Request, Response, Status};

use super::callers::{caller, in_the_name_of};
use super::service::Etcd;

#[tonic::async_trait]
impl Lock for Etcd {
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        let caller = caller(&request);
        let LockRequest { name, lease } = request.into_inner();
        let claim = self.claim(&caller, &name, lease, Bytes::new()).await?;
        self.until_oldest(&caller, &name, &claim).await?;
        // The lease may have ended while it waited.
        let request = RangeRequest {
            key: claim.key.clone(),
            ..RangeRequest::default()
        };
        let held = self
            .range(in_the_name_of(&caller, request))
            .await?
            .into_inner();
        if held.kvs.is_empty() {
            return Err(Error::SessionExpired.into());
        }
        Ok(Response::new(LockResponse {
            header: held.header,
            key: claim.key,
        }))
    }

    async fn unlock(
        &self,
        request: Request<UnlockRequest>,
    ) -> Result<Response<UnlockResponse>, Status> {
        let caller = caller(&request);
        let request = DeleteRangeRequest {
            key: request.into_inner().key,
            ..DeleteRangeRequest::default()
        };
        let deleted = self.delete_range(in_the_name_of(&caller, request)).await?;
        Ok(Response::new(UnlockResponse {
            header: deleted.into_inner().header,
        }))
    }
}
