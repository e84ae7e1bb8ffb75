//! The calls.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use node_api::proto::admin_server::Admin;
use node_api::{SESSION_METADATA, proto, proves};
use node_engines::LogIndex;
use node_engines::kv::Revision;
use node_replication::{ClusterKey, MemberId};
use tonic::{Request, Response, Status};

use super::answers::{self, invalid, unauthenticated};
use super::changes::Changes;
use super::convert;
use super::sessions::{SESSION_LIFE, Sessions};
use crate::node::Node;

/// The admin interface of one node.
pub struct Service {
    /// The node.
    pub node: Node,
    /// What callers prove.
    pub cluster_key: ClusterKey,
    /// Who did.
    pub sessions: Arc<Mutex<Sessions>>,
}

type Answer<T> = Result<Response<T>, Status>;
type StatusStream = Pin<Box<dyn Stream<Item = Result<proto::NodeStatus, Status>> + Send>>;

impl Service {
    fn draw(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        self.node.host().random.fill(&mut secret);
        secret
    }

    fn now(&self) -> Duration {
        self.node.host().clock.monotonic()
    }

    fn sessions<T>(&self, with: impl FnOnce(&mut Sessions) -> T) -> T {
        with(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was asked, if the caller has a session.
    fn open<T>(&self, request: Request<T>) -> Result<T, Status> {
        let session = request.metadata().get(SESSION_METADATA);
        let session =
            session.ok_or_else(|| unauthenticated("no session: prove the cluster key first"))?;
        let session =
            unhex(session.as_bytes()).ok_or_else(|| unauthenticated("the session is malformed"))?;
        match self.sessions(|sessions| sessions.is_open(&session, self.now())) {
            true => Ok(request.into_inner()),
            false => Err(unauthenticated(
                "the session has ended: prove the cluster key again",
            )),
        }
    }
}

/// Lower-case hex of 32 bytes.
fn unhex(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[tonic::async_trait]
impl Admin for Service {
    async fn hello(&self, _request: Request<proto::HelloRequest>) -> Answer<proto::HelloReply> {
        let nonce = self.draw();
        self.sessions(|sessions| sessions.give_nonce(nonce, self.now()));
        Ok(Response::new(proto::HelloReply {
            nonce: nonce.to_vec().into(),
        }))
    }

    async fn prove(&self, request: Request<proto::ProveRequest>) -> Answer<proto::ProveReply> {
        let proto::ProveRequest { nonce, mac } = request.into_inner();
        if !self.sessions(|sessions| sessions.take_nonce(&nonce, self.now())) {
            return Err(unauthenticated("the nonce is not one that is good now"));
        }
        if !proves(self.cluster_key.as_bytes(), &nonce, &mac) {
            tracing::warn!("somebody called the admin interface with another cluster key");
            return Err(unauthenticated("this is not the key of this cluster"));
        }
        let session = self.draw();
        self.sessions(|sessions| sessions.open(session, self.now()));
        Ok(Response::new(proto::ProveReply {
            session: session.to_vec().into(),
            expires_in_seconds: SESSION_LIFE.as_secs(),
        }))
    }

    async fn status(&self, request: Request<proto::StatusRequest>) -> Answer<proto::NodeStatus> {
        let request = self.open(request)?;
        let confirmed_term = match request.confirm {
            true => self
                .node
                .confirm_leadership()
                .await
                .map_err(|e| answers::status(&e))?,
            false => 0,
        };
        let earlier_digest = request.digest_at.and_then(|index| {
            let digest = self.node.reader().digest_at(LogIndex(index))?;
            Some(convert::digest((LogIndex(index), digest)))
        });
        let status = convert::node_status(self.node.status());
        Ok(Response::new(proto::NodeStatus {
            confirmed_term,
            earlier_digest,
            ..status
        }))
    }

    type WatchStatusStream = StatusStream;

    async fn watch_status(
        &self,
        request: Request<proto::WatchStatusRequest>,
    ) -> Answer<Self::WatchStatusStream> {
        self.open(request)?;
        Ok(Response::new(Box::pin(watch(self.node.clone()))))
    }

    async fn bootstrap(
        &self,
        request: Request<proto::BootstrapRequest>,
    ) -> Answer<proto::BootstrapReply> {
        let proto::BootstrapRequest { member_id, voters } = self.open(request)?;
        let cluster = self.node.bootstrap(MemberId(member_id), voters).await;
        let cluster = cluster.map_err(|e| answers::status(&e))?;
        Ok(Response::new(proto::BootstrapReply {
            cluster_id: cluster.0.to_vec().into(),
        }))
    }

    async fn change_member(
        &self,
        request: Request<proto::ChangeMemberRequest>,
    ) -> Answer<proto::ChangeMemberReply> {
        let request = self.open(request)?;
        let log = self.node.replication().status();
        let roster = convert::Roster {
            at: log.membership_at,
            members: log.members,
        };
        let (member, wish, expected) = convert::member_wish(request, &roster).map_err(invalid)?;
        let changed = self.node.change_member(member, wish, expected).await;
        let membership = changed
            .map(convert::log_id)
            .map_err(|e| answers::status(&e))?;
        Ok(Response::new(proto::ChangeMemberReply {
            membership: Some(membership),
        }))
    }

    async fn transfer_leadership(
        &self,
        request: Request<proto::TransferLeadershipRequest>,
    ) -> Answer<proto::TransferLeadershipReply> {
        let to = self.open(request)?.to.map(MemberId);
        self.node
            .transfer_leadership(to)
            .await
            .map_err(|e| answers::status(&e))?;
        Ok(Response::new(proto::TransferLeadershipReply {}))
    }

    async fn set_fence(
        &self,
        request: Request<proto::SetFenceRequest>,
    ) -> Answer<proto::SetFenceReply> {
        let fenced = self.open(request)?.fenced;
        let set = self.node.set_fence(fenced).await;
        set.map_err(|e| answers::status(&e))?;
        Ok(Response::new(proto::SetFenceReply {}))
    }

    async fn trigger_snapshot(
        &self,
        request: Request<proto::TriggerSnapshotRequest>,
    ) -> Answer<proto::TriggerSnapshotReply> {
        self.open(request)?;
        let last = self
            .node
            .snapshot()
            .await
            .map_err(|e| answers::status(&e))?;
        Ok(Response::new(proto::TriggerSnapshotReply {
            last: Some(convert::log_id(last)),
        }))
    }

    async fn recover(
        &self,
        request: Request<proto::RecoverRequest>,
    ) -> Answer<proto::RecoverReply> {
        let (member, position, loss) = convert::recovery(self.open(request)?).map_err(invalid)?;
        let begun = self.node.recover(member, position, loss).await;
        let incarnation = begun.map_err(|e| answers::status(&e))?.0;
        Ok(Response::new(proto::RecoverReply { incarnation }))
    }

    async fn advance_revision(
        &self,
        request: Request<proto::AdvanceRevisionRequest>,
    ) -> Answer<proto::AdvanceRevisionReply> {
        let revision = Revision(self.open(request)?.revision);
        let advanced = self.node.advance_revision(revision).await;
        let Revision(revision) = advanced.map_err(|e| answers::status(&e))?;
        Ok(Response::new(proto::AdvanceRevisionReply { revision }))
    }
}

/// The status now and after each change, until the node ends.
fn watch(node: Node) -> impl Stream<Item = Result<proto::NodeStatus, Status>> + Send {
    let changes = Changes::of(&node);
    unfold(
        (node, changes, None::<proto::NodeStatus>),
        async |(node, mut changes, mut said)| {
            loop {
                if said.is_some() {
                    tokio::select! {
                        biased;
                        () = node.ending() => return None,
                        () = changes.next() => {}
                    }
                }
                changes.mark_seen();
                let status = convert::node_status(node.status());
                if said.as_ref() != Some(&status) {
                    said = Some(status.clone());
                    return Some((Ok(status), (node, changes, said)));
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_from_hex() {
        assert_eq!(unhex("ab".repeat(32).as_bytes()), Some([0xab; 32]));
        assert_eq!(unhex("ab".repeat(31).as_bytes()), None);
        assert_eq!(unhex("zz".repeat(32).as_bytes()), None);
        assert_eq!(unhex("+1".repeat(32).as_bytes()).map(|_| ()), None);
    }
}
