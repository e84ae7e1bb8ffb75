//! The handle that everything else holds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node_host::Host;
use tokio::sync::watch;

use crate::config::Config;
use crate::contract::{Machine, Proof, Stamper};
use crate::errors::{AdminError, ProposeError, StartError, Unavailable};
use crate::identity::Identity;
use crate::ids::{ClusterId, LogId, MemberId};
use crate::membership::MemberChange;
use crate::raft::{Asked, Lives};
use crate::status::Status;

/// A running node of the log. Clones are handles to the same node; it runs until [`Replication::shutdown`].
#[derive(Clone)]
pub struct Replication {
    lives: Arc<Lives>,
}

/// Starts the node on what its disk holds: on return its machine has everything that the disk knows to be committed.
/// Must be called on a tokio runtime. On an empty disk the node waits, for a bootstrap or for a leader's call.
pub async fn start(
    host: Host,
    config: Config,
    identity: Identity,
    machine: Box<dyn Machine>,
    stamper: Arc<dyn Stamper>,
) -> Result<Replication, StartError> {
    let lives = Box::pin(Lives::start(host, config, identity, machine, stamper)).await?;
    Ok(Replication {
        lives: Arc::new(lives),
    })
}

impl Replication {
    /// The address that peers are listened for at, with the port that was bound.
    pub fn local_addr(&self) -> &str {
        self.lives.local_addr()
    }

    /// Puts a proposal into the log, from any node: a follower passes it on to the leader. Returns the entry's place
    /// and the leader's reply to it.
    ///
    /// What was surely not done (no leader, a leader that just changed) is tried again for a few election timeouts
    /// before it is [`ProposeError::Unavailable`]. What may have been done is never repeated.
    pub async fn propose(&self, proposal: Bytes) -> Result<(LogId, Bytes), ProposeError> {
        self.lives.node().propose(proposal).await
    }

    /// The index, applied on this node, that covers every write acknowledged anywhere before the call, as far as `proof`
    /// goes. All calls that wait share one confirmation.
    pub async fn linearize(&self, proof: Proof) -> Result<u64, Unavailable> {
        self.lives.node().linearize(proof).await
    }

    /// Asks the leader's owner something ([`Stamper::answer`]). While none leads it is tried again for a few election timeouts,
    /// so that a question may be answered more than once.
    pub async fn ask_leader(&self, question: Bytes) -> Result<Bytes, Unavailable> {
        self.lives.node().ask_leader(question).await
    }

    /// Waits until this node has applied `index`.
    pub async fn wait_applied(&self, index: u64, within: Duration) -> Result<(), Unavailable> {
        self.lives.node().wait_applied(index, within).await
    }

    /// This member, and the term that it is in: what every reply may say, where a whole status takes long to make.
    pub fn place(&self) -> (MemberId, u64) {
        self.lives.node().place()
    }

    /// The status, made now.
    pub fn status(&self) -> Status {
        self.lives.node().observer().now()
    }

    /// The status as it changes, made anew at most every few milliseconds.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.lives.watch()
    }

    /// Founds a cluster with this node as its only voter. Only on a node that has neither a cluster id nor a log,
    /// so that it happens once at most; the cluster id is on disk before the log begins.
    pub async fn bootstrap(&self, cluster: ClusterId) -> Result<(), AdminError> {
        self.lives.node().changes().bootstrap(cluster).await
    }

    /// Carries out one change of membership as one joint change, on the leader, if the guard allows it; with
    /// `expected` only if that entry is the membership in force. Returns the entry of the new membership.
    ///
    /// The guard: at most [`crate::VOTERS_MAX`] voters; a new voter was a learner and has caught up; a majority of
    /// the voters after the change is reached and has caught up; epochs rise; removed ids never return.
    pub async fn change_members(
        &self,
        expected: Option<LogId>,
        change: MemberChange,
    ) -> Result<LogId, AdminError> {
        self.lives
            .node()
            .changes()
            .change_members(expected, change)
            .await
    }

    /// Hands leadership to a voter that has caught up: the one named, or the one with most of the log.
    pub async fn transfer_leadership(&self, to: Option<MemberId>) -> Result<(), AdminError> {
        self.lives.node().changes().transfer_leadership(to).await
    }

    /// Builds a snapshot that has at least what is applied now; the last entry in it.
    pub async fn snapshot(&self) -> Result<LogId, AdminError> {
        self.lives.node().changes().snapshot().await
    }

    /// Begins anew from this member's disk alone, after a majority of the voters was lost: everything in its log is
    /// committed, it is the only member, all others are removed for ever, and the incarnation is one higher. The entry that
    /// `proposal` makes for that incarnation is the first of it. Gives the incarnation; all is durable on return.
    ///
    /// Whatever only the lost members had is gone: that is for the caller to have accepted. The guard: `incarnation` is
    /// that of this disk (so that a call is obeyed once), its log reaches `index`, no leader was heard of lately, and too
    /// few voters answer to elect one.
    pub async fn recover(
        &self,
        incarnation: u32,
        index: u64,
        proposal: impl FnOnce(u32) -> Bytes + Send + 'static,
    ) -> Result<u32, AdminError> {
        let asked = Asked { incarnation, index };
        self.lives.recover(asked, proposal).await
    }

    /// Stops the node and closes its log; what was asked of it and not done yet fails. Handing leadership over first
    /// is the caller's business. Later calls fail as stopped.
    pub async fn shutdown(&self) {
        self.lives.shutdown().await;
    }
}
