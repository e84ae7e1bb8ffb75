//! Where the leader is, and the way there.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use openraft::async_runtime::WatchReceiver;

use crate::contract::Proof;
use crate::errors::Unavailable;
use crate::ids::MemberId;
use crate::peers::{Kind, Lane, LaneKind};
use crate::raft::messages;
use crate::raft::observer::Observer;
use crate::raft::reads::Reads;

/// Where the leader is.
pub enum Leader {
    /// This member leads.
    Here,
    /// Another does, and this is the way to it.
    There(MemberId, Lane),
    /// None is known, or none that can be reached by name.
    None,
}

impl Observer {
    /// Where the leader is, for proposals and reads.
    pub fn leader(&self) -> Leader {
        self.leader_by(LaneKind::Forward)
    }

    /// Where the leader is, and the way there that is for this.
    pub fn leader_by(&self, kind: LaneKind) -> Leader {
        let leader = self.leading.borrow_watched().current_leader;
        let Some(leader) = leader else {
            return Leader::None;
        };
        if leader == *self.raft.node_id() {
            return Leader::Here;
        }
        let address = self.gate.directory(|directory| {
            directory
                .members
                .get(&leader)
                .map(|member| member.peer_address.clone())
        });
        match address {
            Some(address) => {
                let lane = self.pool.lane(MemberId(leader), &address, kind);
                Leader::There(MemberId(leader), lane)
            }
            None => Leader::None,
        }
    }
}

/// Confirms reads wherever the leader is.
pub fn confirm(
    observer: Arc<Observer>,
    leading: Reads,
) -> impl Fn(Proof) -> BoxFuture<'static, Result<u64, Unavailable>> {
    move |proof| {
        let (observer, leading) = (observer.clone(), leading.clone());
        async move {
            let within = Duration::from_millis(2 * observer.timing.election_max_ms);
            match observer.leader() {
                Leader::Here => leading.confirm(proof).await,
                Leader::None => Err(Unavailable {
                    reason: "no leader is known".to_owned(),
                    leader: None,
                }),
                Leader::There(leader, lane) => ask(leader, lane, proof, within).await,
            }
        }
        .boxed()
    }
}

async fn ask(
    leader: MemberId,
    lane: Lane,
    proof: Proof,
    within: Duration,
) -> Result<u64, Unavailable> {
    let unavailable = |reason: String| Unavailable {
        reason,
        leader: Some(leader),
    };
    let call = lane.call(Kind::ReadIndex, messages::encode_proof(proof));
    // Whoever waits for an answer keeps no stream open.
    drop(lane);
    let answer = tokio::time::timeout(within, call)
        .await
        .map_err(|_| unavailable(format!("no answer within {within:?}")))?
        .map_err(|error| unavailable(error.to_string()))?;
    let index = answer[..]
        .try_into()
        .map_err(|_| unavailable("a malformed answer".to_owned()))?;
    Ok(u64::from_be_bytes(index))
}
