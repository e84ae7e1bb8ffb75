//! Answers the calls of other members.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use node_host::Host;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::AppendEntriesResponse;

use crate::contract::Stamper;
use crate::ids::MemberId;
use crate::peers::{Gate, Handler, Kind};
use crate::raft::abstention::Abstention;
use crate::raft::config::{Raft, Runtime};
use crate::raft::heard::Heard;
use crate::raft::incoming::Incoming;
use crate::raft::proposals::Proposals;
use crate::raft::questions::Questions;
use crate::raft::{convert, messages, outcome};

/// What the answers need.
pub struct Service {
    pub host: Host,
    pub raft: Raft,
    pub proposals: Proposals,
    pub questions: Questions,
    pub incoming: Incoming,
    pub stamper: Arc<dyn Stamper>,
    pub gate: Arc<Gate>,
    /// As long as it applies this member neither votes nor promises to.
    pub abstention: Arc<Abstention>,
    pub heard: Arc<Heard>,
}

type Answer = Result<Bytes, String>;

/// What a leader hears of a member whose disk is nearly full.
pub const NO_ROOM: &str = "the disk of this member is nearly full";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Service {
    /// The service as a handler of calls.
    pub fn handler(self: Arc<Service>) -> Handler {
        Arc::new(move |from, kind, body| {
            let seed = self.host.random.u64();
            let answer = self.clone().answer(from, kind, body);
            Runtime::scope(seed, answer).boxed()
        })
    }

    fn answer(
        self: Arc<Service>,
        from: MemberId,
        kind: Kind,
        body: Bytes,
    ) -> BoxFuture<'static, Answer> {
        match kind {
            Kind::Append => async move { self.append(body).await }.boxed(),
            Kind::Vote => async move { self.vote(body, false).await }.boxed(),
            Kind::PreVote => async move { self.vote(body, true).await }.boxed(),
            Kind::Transfer => async move { self.transfer(body).await }.boxed(),
            Kind::Propose => async move { self.propose(body).await }.boxed(),
            Kind::ReadIndex => async move { self.read_index(body).await }.boxed(),
            Kind::Ask => async move { self.questions.answer(&body).await.map_err(text) }.boxed(),
            Kind::SnapshotBegin => async move { self.begin_snapshot(from, body).await }.boxed(),
            Kind::SnapshotPiece => {
                async move { self.incoming.piece(from, body).await.map_err(text) }.boxed()
            }
            Kind::SnapshotEnd => {
                async move { self.incoming.end(from, &self.raft).await.map_err(text) }.boxed()
            }
            Kind::Hello | Kind::Ping | Kind::Pong | Kind::Reply | Kind::Failed => {
                futures::future::ready(Err("this is no call".to_owned())).boxed()
            }
        }
    }

    async fn append(&self, body: Bytes) -> Answer {
        let bytes = body.len() as u64;
        let request = messages::decode_append(body).map_err(text)?;
        // A log that meets the end of its disk can only stop; one that lags catches up when there is room again. What the
        // log needs for itself is small, and without it no new leader could serve reads. A new leader begins by sending
        // what may be here already: that takes no room.
        let last = self.raft.metrics().borrow_watched().last_log_index;
        let mut entries = request.entries.iter();
        let commands = entries.any(|entry| {
            Some(convert::log_id(&entry.log_id).index) > last && convert::is_command(entry)
        });
        if commands && !self.stamper.has_room(bytes) {
            return Err(NO_ROOM.to_owned());
        }
        let response = self.raft.append_entries(request).await.map_err(text)?;
        if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
            self.heard.note();
        }
        Ok(messages::encode_appended(&response))
    }

    async fn begin_snapshot(&self, from: MemberId, body: Bytes) -> Answer {
        let begin = messages::SnapshotBegin::decode(body).map_err(text)?;
        let has_room = |bytes| self.stamper.has_room(bytes);
        let begun = self.incoming.begin(from, begin, has_room).await;
        begun.map_err(text)
    }

    async fn vote(&self, body: Bytes, only_promise: bool) -> Answer {
        if self.abstention.applies() || self.gate.is_left_behind() {
            return Err("this member does not vote, or not yet".to_owned());
        }
        let request = messages::decode_vote_request(body).map_err(text)?;
        let response = match only_promise {
            true => self.raft.pre_vote(request).await,
            false => self.raft.vote(request).await,
        };
        Ok(messages::encode_vote_response(&response.map_err(text)?))
    }

    async fn transfer(&self, body: Bytes) -> Answer {
        let request = messages::decode_transfer(body).map_err(text)?;
        let response = self
            .raft
            .handle_transfer_leader(request)
            .await
            .map_err(text)?;
        response.map_err(text)?;
        Ok(Bytes::new())
    }

    async fn propose(&self, body: Bytes) -> Answer {
        Ok(outcome::encode(&self.proposals.submit(body).await))
    }

    async fn read_index(&self, body: Bytes) -> Answer {
        let proof = messages::decode_proof(body).map_err(text)?;
        let confirmed = self.questions.leading_reads.confirm(proof).await;
        let index = confirmed.map_err(text)?;
        Ok(Bytes::copy_from_slice(&index.to_be_bytes()))
    }
}
