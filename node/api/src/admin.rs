//! The typed client of the admin protocol.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::proto::admin_client::AdminClient as Raw;
use crate::proto::{
    AdvanceRevisionRequest, BootstrapRequest, ChangeMemberRequest, HelloRequest, LogId, NodeStatus,
    ProveRequest, RecoverRequest, SetFenceRequest, StatusRequest, TransferLeadershipRequest,
    TriggerSnapshotRequest, WatchStatusRequest,
};
use crate::{CallError, SESSION_METADATA, prove};

/// Time for a connection to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Time for questions.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// Time for changes.
const CHANGE_WITHIN: Duration = Duration::from_secs(30);

type Session = MetadataValue<Ascii>;

/// A client of one node's admin interface. It connects again when the connection is lost and opens a new session when the
/// old one ended; it never repeats a call whose outcome is unknown. Clones share connection and session.
#[derive(Clone)]
pub struct AdminClient {
    raw: Raw<Channel>,
    cluster_key: Arc<[u8]>,
    session: Arc<Mutex<Option<Session>>>,
}

impl AdminClient {
    /// Connects to `endpoint` ("host:port", or with "http://" before it) and proves the cluster key.
    pub async fn connect(endpoint: &str, cluster_key: &[u8]) -> Result<AdminClient, CallError> {
        let client = AdminClient::lazy(endpoint, cluster_key)?;
        client.session().await?;
        Ok(client)
    }

    /// Like [`AdminClient::connect`], but connects with the first call.
    pub fn lazy(endpoint: &str, cluster_key: &[u8]) -> Result<AdminClient, CallError> {
        let address = match endpoint.contains("://") {
            true => endpoint.to_owned(),
            false => format!("http://{endpoint}"),
        };
        let channel = Endpoint::from_shared(address)
            .map_err(|error| CallError::Endpoint {
                endpoint: endpoint.to_owned(),
                reason: error.to_string(),
            })?
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(AdminClient {
            raw: Raw::new(channel),
            cluster_key: cluster_key.into(),
            session: Arc::default(),
        })
    }

    /// What the node knows of itself.
    pub async fn status(&self) -> Result<NodeStatus, CallError> {
        self.ask_status(StatusRequest::default()).await
    }

    /// The leader's status, after a majority confirmed that it leads; refused by every other node.
    pub async fn confirmed_status(&self) -> Result<NodeStatus, CallError> {
        self.ask_status(StatusRequest {
            confirm: true,
            ..StatusRequest::default()
        })
        .await
    }

    /// The status, as asked for.
    pub async fn ask_status(&self, request: StatusRequest) -> Result<NodeStatus, CallError> {
        self.call(ASK_WITHIN, request, async |mut raw, request| {
            raw.status(request).await
        })
        .await
    }

    /// The status now and after each change.
    pub async fn watch_status(&self) -> Result<Streaming<NodeStatus>, CallError> {
        let request = WatchStatusRequest {};
        // A stream ends with its owner, not after a time.
        self.call_without_limit(request, async |mut raw, request| {
            raw.watch_status(request).await
        })
        .await
    }

    /// Forms a cluster of the node alone, if it is this member. Gives the cluster id.
    pub async fn bootstrap(&self, member_id: u64, voters: u32) -> Result<[u8; 16], CallError> {
        let request = BootstrapRequest { member_id, voters };
        let reply = self
            .call(CHANGE_WITHIN, request, async |mut raw, request| {
                raw.bootstrap(request).await
            })
            .await?;
        reply
            .cluster_id
            .as_ref()
            .try_into()
            .map_err(|_| CallError::Unknown {
                message: "the node answered without a cluster id".to_owned(),
            })
    }

    /// Adds, changes or removes a member. Gives the membership after it.
    pub async fn change_member(&self, request: ChangeMemberRequest) -> Result<LogId, CallError> {
        let reply = self
            .call(CHANGE_WITHIN, request, async |mut raw, request| {
                raw.change_member(request).await
            })
            .await?;
        Ok(reply.membership.unwrap_or_default())
    }

    /// Hands leadership over, to this member or to the most advanced one.
    pub async fn transfer_leadership(&self, to: Option<u64>) -> Result<(), CallError> {
        let request = TransferLeadershipRequest { to };
        self.call(CHANGE_WITHIN, request, async |mut raw, request| {
            raw.transfer_leadership(request).await
        })
        .await
        .map(|_| ())
    }

    /// Builds a snapshot; gives the last entry in it.
    pub async fn trigger_snapshot(&self) -> Result<LogId, CallError> {
        let request = TriggerSnapshotRequest {};
        let reply = self
            .call(CHANGE_WITHIN, request, async |mut raw, request| {
                raw.trigger_snapshot(request).await
            })
            .await?;
        Ok(reply.last.unwrap_or_default())
    }

    /// Fences the node off from its clients, or lets it serve again; on disk when this returns.
    pub async fn set_fence(&self, fenced: bool) -> Result<(), CallError> {
        let request = SetFenceRequest { fenced };
        self.call(CHANGE_WITHIN, request, async |mut raw, request| {
            raw.set_fence(request).await
        })
        .await
        .map(|_| ())
    }

    /// Begins anew from the node's disk alone, if it is this member, its log reaches the position, and too few others are
    /// there to go on with; only where the loss is acknowledged. Gives the incarnation that began.
    pub async fn recover(&self, request: RecoverRequest) -> Result<u32, CallError> {
        let reply = self
            .call(CHANGE_WITHIN, request, async |mut raw, request| {
                raw.recover(request).await
            })
            .await?;
        Ok(reply.incarnation)
    }

    /// Has the revisions of the keys go on above this one, which is at most 2^62, and gives up the history up to it. It never
    /// lowers them. Gives the last revision after it. May be repeated.
    pub async fn advance_revision(&self, revision: u64) -> Result<u64, CallError> {
        let request = AdvanceRevisionRequest { revision };
        let reply = self
            .call(CHANGE_WITHIN, request, async |mut raw, request| {
                raw.advance_revision(request).await
            })
            .await?;
        Ok(reply.revision)
    }

    async fn call<Q: Clone, A>(
        &self,
        within: Duration,
        request: Q,
        call: impl AsyncFn(Raw<Channel>, Request<Q>) -> Result<tonic::Response<A>, Status>,
    ) -> Result<A, CallError> {
        match tokio::time::timeout(within, self.call_without_limit(request, call)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unknown {
                message: format!("no answer within {} s", within.as_secs()),
            }),
        }
    }

    async fn call_without_limit<Q: Clone, A>(
        &self,
        request: Q,
        call: impl AsyncFn(Raw<Channel>, Request<Q>) -> Result<tonic::Response<A>, Status>,
    ) -> Result<A, CallError> {
        let session = self.session().await?;
        let carried = |session: &Session| {
            let mut carried = Request::new(request.clone());
            carried
                .metadata_mut()
                .insert(SESSION_METADATA, session.clone());
            carried
        };
        match call(self.raw.clone(), carried(&session)).await {
            Ok(answer) => Ok(answer.into_inner()),
            // Refused before anything was done, as the session ended: once more with a new one.
            Err(status) if status.code() == Code::Unauthenticated => {
                self.forget(&session).await;
                let session = self.session().await?;
                let answer = call(self.raw.clone(), carried(&session)).await;
                answer
                    .map(|answer| answer.into_inner())
                    .map_err(|s| CallError::from_status(&s))
            }
            Err(status) => Err(CallError::from_status(&status)),
        }
    }

    async fn forget(&self, ended: &Session) {
        let mut session = self.session.lock().await;
        if session.as_ref() == Some(ended) {
            *session = None;
        }
    }

    /// The session, opened if there is none.
    async fn session(&self) -> Result<Session, CallError> {
        let mut session = self.session.lock().await;
        if let Some(session) = session.as_ref() {
            return Ok(session.clone());
        }
        let opened = tokio::time::timeout(ASK_WITHIN, self.open_session()).await;
        let opened = opened.map_err(|_| CallError::Unavailable {
            message: "no session within 5 s".to_owned(),
        })??;
        Ok(session.insert(opened).clone())
    }

    async fn open_session(&self) -> Result<Session, CallError> {
        // Whatever goes wrong here: nothing was changed.
        let harmless = |status: Status| match CallError::from_status(&status) {
            CallError::Unknown { message } => CallError::Unavailable { message },
            other => other,
        };
        let mut raw = self.raw.clone();
        let nonce = raw
            .hello(HelloRequest {})
            .await
            .map_err(harmless)?
            .into_inner()
            .nonce;
        let mac = prove(&self.cluster_key, &nonce).to_vec().into();
        let proved = raw
            .prove(ProveRequest { nonce, mac })
            .await
            .map_err(harmless)?
            .into_inner();
        let mut text = String::with_capacity(2 * proved.session.len());
        for byte in proved.session.iter() {
            text.push_str(&format!("{byte:02x}"));
        }
        text.parse().map_err(|_| CallError::Unavailable {
            message: "the node answered with a session that is none".to_owned(),
        })
    }
}
