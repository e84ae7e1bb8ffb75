//! The service of watches: a stream of requests and a stream of what happened.

mod events;
mod stream;

use futures::stream::{BoxStream, Stream, StreamExt, unfold};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::watch_server::Watch;
use node_api::etcd::etcdserverpb::{WatchRequest, WatchResponse};
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::callers::caller;
use super::service::Etcd;
use crate::access::Caller;
use stream::WatchStream;

/// Responses that wait to be sent; beyond it nothing more is looked up for the stream.
const RESPONSES_WAITING_MAX: usize = 16;

#[tonic::async_trait]
impl Watch for Etcd {
    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let caller = caller(&request);
        let needs_leader = needs_leader(request.metadata());
        let responses = self.watches(caller, request.into_inner(), needs_leader)?;
        Ok(Response::new(responses))
    }
}

impl Etcd {
    /// A caller's stream of watches: what it is asked, and what it answers.
    ///
    /// # Errors
    /// Where a leader is needed and there is none.
    pub fn watches(
        &self,
        caller: Caller,
        requests: impl Stream<Item = Result<WatchRequest, Status>> + Send + Unpin + 'static,
        needs_leader: bool,
    ) -> Result<BoxStream<'static, Result<WatchResponse, Status>>, Status> {
        let status = self.node.replication().status();
        if needs_leader && status.leader.is_none() {
            return Err(Error::NoLeader.into());
        }
        let (sender, receiver) = mpsc::channel(RESPONSES_WAITING_MAX);
        let stream = WatchStream::new(self.clone(), caller, sender, needs_leader);
        tokio::spawn(stream.run(requests));
        let responses = unfold(receiver, |mut receiver| async move {
            let response = receiver.recv().await?;
            Some((response, receiver))
        });
        Ok(responses.boxed())
    }
}

/// Whether a client wants to be told when there is no leader.
fn needs_leader(metadata: &MetadataMap) -> bool {
    metadata
        .get("hasleader")
        .is_some_and(|value| value == "true")
}
