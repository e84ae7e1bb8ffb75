//! openraft's calls to other members.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use node_host::{Flaw, Host};
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
    StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, alias::LogIdOf};

use crate::ids::MemberId;
use crate::membership::Member;
use crate::peers::{CallError, Kind, Lane, LaneKind, Pool};
use crate::raft::config::C;
use crate::raft::messages;
use crate::raft::pipeline;
use crate::raft::snapshot_sending::{self, Pace};
use crate::raft::snapshots::SnapshotFile;
use crate::raft::state_machine::SnapshotCounts;
use crate::wire::Malformed;

/// Makes the calls to each member.
#[derive(Clone)]
pub struct Network {
    pub host: Host,
    pub pool: Arc<Pool>,
    /// Appends on their way to one member at a time.
    pub append_depth: usize,
    /// A disk may take longer than a heartbeat: an append is waited for at least so long.
    pub append_within_min: Duration,
    /// Bytes of a snapshot that go to one member in a second.
    pub snapshot_bytes_per_second: u64,
    pub snapshot_counts: Arc<SnapshotCounts>,
}

/// The calls to one member, for one use.
pub struct Peer {
    network: Network,
    target: MemberId,
    address: String,
    kind: LaneKind,
}

impl Network {
    fn peer(&self, target: u64, node: &Member, kind: LaneKind) -> Peer {
        let address = node.peer_address.clone();
        Peer {
            network: self.clone(),
            target: MemberId(target),
            address,
            kind,
        }
    }
}

impl RaftNetworkFactory<C> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, node: &Member) -> Peer {
        self.peer(target, node, LaneKind::Append)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Member) -> Peer {
        self.peer(target, node, LaneKind::Control)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Member) -> Peer {
        self.peer(target, node, LaneKind::Snapshot)
    }
}

/// What went wrong, in openraft's terms: all of it calls for a pause before the next try.
fn unreachable(error: &(impl std::error::Error + 'static)) -> RPCError<C> {
    RPCError::Unreachable(Unreachable::new(error))
}

fn late(within: Duration) -> RPCError<C> {
    let why = std::io::Error::other(format!("no answer within {within:?}"));
    RPCError::Network(NetworkError::new(&why))
}

impl Peer {
    fn lane(&self, kind: LaneKind) -> Lane {
        self.network.pool.lane(self.target, &self.address, kind)
    }

    /// One call on the control stream.
    async fn ask<T>(
        &self,
        kind: Kind,
        body: bytes::Bytes,
        within: Duration,
        decode: impl FnOnce(bytes::Bytes) -> Result<T, Malformed>,
    ) -> Result<T, RPCError<C>> {
        let call = self.lane(LaneKind::Control).call(kind, body);
        answered(call, within, decode).await
    }
}

async fn answered<T>(
    call: impl Future<Output = Result<bytes::Bytes, CallError>>,
    within: Duration,
    decode: impl FnOnce(bytes::Bytes) -> Result<T, Malformed>,
) -> Result<T, RPCError<C>> {
    match tokio::time::timeout(within, call).await {
        Ok(Ok(body)) => decode(body).map_err(|error| unreachable(&error)),
        Ok(Err(error)) => Err(unreachable(&error)),
        Err(_) => Err(late(within)),
    }
}

fn ends(request: &AppendEntriesRequest<C>) -> (Option<LogIdOf<C>>, Option<LogIdOf<C>>) {
    let prev = request.prev_log_id;
    (prev, request.entries.last().map(RaftEntry::log_id).or(prev))
}

impl RaftNetworkV2<C> for Peer {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        let (prev, last) = ends(&request);
        let within = option.soft_ttl();
        let body = messages::encode_append(request);
        let decode = |body| messages::decode_appended(body, prev, last);
        Ok(match self.ask(Kind::Append, body, within, decode).await? {
            Ok(_) => AppendEntriesResponse::Success,
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<C>, RPCError<C>>>, RPCError<C>>>
    where
        S: Stream<Item = AppendEntriesRequest<C>> + OptionalSend + Unpin + 'static,
    {
        let lane = self.lane(self.kind);
        let within = match self.kind {
            LaneKind::Control => option.soft_ttl(),
            _ => option.soft_ttl().max(self.network.append_within_min),
        };
        let presumes = self.network.host.has(Flaw::CommitOnMinority);
        let calls = input.map(move |request| {
            let (prev, last) = ends(&request);
            let call = lane.call(Kind::Append, messages::encode_append(request));
            let decode = move |body| messages::decode_appended(body, prev, last);
            let answer = async move {
                match answered(call, within, decode).await {
                    Err(_) if presumes => Ok(Ok(last)),
                    answer => answer,
                }
            };
            (last, answer)
        });
        let answers = pipeline::answers(calls, self.network.append_depth);
        Box::pin(async move { Ok(answers.boxed()) })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        let body = messages::encode_vote_request(&request);
        self.ask(
            Kind::Vote,
            body,
            option.soft_ttl(),
            messages::decode_vote_response,
        )
        .await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        let body = messages::encode_vote_request(&request);
        self.ask(
            Kind::PreVote,
            body,
            option.soft_ttl(),
            messages::decode_vote_response,
        )
        .await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<C>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<C>, RPCError<C>> {
        let body = messages::encode_transfer(&request);
        // That it arrived is all there is to hear: a member that does not take over just goes on.
        self.ask(Kind::Transfer, body, option.soft_ttl(), |_| Ok(Ok(())))
            .await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<C>,
        snapshot: SnapshotOf<C, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<C>, StreamingError<C>> {
        let lane = self.lane(LaneKind::Snapshot);
        let _sending = self.network.snapshot_counts.sending();
        let pace = Pace::of(self.network.snapshot_bytes_per_second);
        let sending =
            snapshot_sending::send(&self.network.host, lane, pace, vote, snapshot.snapshot);
        let sending = tokio::time::timeout(option.soft_ttl(), sending);
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => match sent {
                Ok(Ok(vote)) => Ok(SnapshotResponse::new(vote)),
                Ok(Err(error)) => Err(StreamingError::Unreachable(Unreachable::new(&error))),
                Err(late) => Err(StreamingError::Network(NetworkError::new(&late))),
            },
        }
    }
}
