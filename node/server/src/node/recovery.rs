//! To begin anew from this node's disk alone, after a majority of the voters was lost.

use std::time::Duration;

use node_engines::{Command, Incarnation, LogNumber, Position, Proposal, system};
use node_replication::{MemberId, Proof};
use tokio::time::timeout;

use super::Node;
use crate::errors::AdminFailure;

/// Time for the survivor to elect itself and to show that writes commit.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// Whether whoever asks for a recovery knows that what only the lost members had is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It was said so.
    Acknowledged,
    /// Nothing was said.
    NotAcknowledged,
}

impl Node {
    /// Begins anew from this node's disk alone, if it is the member named, `position` is of its incarnation and its log
    /// reaches it, and too few others are there to go on with. Everything in its log is kept; the cluster takes writes with
    /// this node as its only voter; all other members are removed for ever. Gives the incarnation that began, which is
    /// durable by then.
    pub async fn recover(
        &self,
        member: MemberId,
        position: Position,
        loss: Loss,
    ) -> Result<Incarnation, AdminFailure> {
        let inner = &self.inner;
        let status = inner.replication.status();
        if status.member != member {
            return Err(AdminFailure::OtherMember {
                own: status.member,
                named: member,
            });
        }
        if loss == Loss::NotAcknowledged {
            return Err(AdminFailure::LossNotAcknowledged);
        }
        if position.log != LogNumber(0) {
            let message = "the position is of a log that this cluster does not have".to_owned();
            return Err(AdminFailure::Invalid(message));
        }
        if status.cluster.is_some() && inner.reader.cluster_id().is_none() {
            return Err(AdminFailure::Forming);
        }
        if inner.reserve.is_full() {
            let reason = "the disk is nearly full".to_owned();
            return Err(AdminFailure::Unavailable { reason });
        }
        let entry = |incarnation| {
            let recover = system::Command::Recover {
                incarnation: Incarnation(incarnation),
            };
            let proposal = Proposal {
                request: None,
                commands: vec![Command::System(recover)],
            };
            proposal.encode()
        };
        let (of, index) = (position.incarnation.0, position.index.0);
        let begun = inner.replication.recover(of, index, entry).await?;
        // It is done whatever comes of this: whoever asked just finds the cluster open.
        if timeout(OPEN_WITHIN, inner.replication.linearize(Proof::Majority))
            .await
            .is_err()
        {
            tracing::warn!("the cluster began anew and does not take writes yet");
        }
        Ok(Incarnation(begun))
    }
}
