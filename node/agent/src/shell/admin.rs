//! The door to the node: its admin API, and the words of that in the words of this room.

use std::time::Duration;

use crds::{Membership, Role};
use futures::stream::{BoxStream, StreamExt, unfold};
use node_api::{AdminClient, CallError, proto};

use super::backoff::Backoff;
use crate::decide::{Action, Change};
use crate::ids::{MemberId, MembershipId};
use crate::node::{Disk, Member, Node};

/// First and longest wait before a node that did not answer is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// What an action led to.
pub enum Acted {
    /// It was done.
    Done,
    /// A majority confirmed the leader in this term; what the node says of itself since.
    Confirmed(Box<Node>, u64),
}

/// Carries out one action on the node; the client gives each call its time.
pub async fn act(node: AdminClient, action: Action) -> Result<Acted, CallError> {
    match action {
        Action::ReportStatus(_) => {}
        Action::Bootstrap { member, voters } => {
            node.bootstrap(member.0, voters).await?;
        }
        Action::SetFence { fenced } => node.set_fence(fenced).await?,
        Action::Recover { member, position } => {
            // The wish is made only where the loss was acknowledged in the Cluster.
            let request = proto::RecoverRequest {
                member_id: member.0,
                position,
                acknowledge_loss: true,
            };
            node.recover(request).await?;
        }
        Action::TransferLeadership { to } => node.transfer_leadership(Some(to.0)).await?,
        Action::ChangeMember(change) => {
            node.change_member(change_request(change)).await?;
        }
        Action::ConfirmLeadership { .. } => {
            let status = node.confirmed_status().await?;
            let term = status.confirmed_term;
            return Ok(Acted::Confirmed(Box::new(read(status)), term));
        }
    }
    Ok(Acted::Done)
}

/// What the node says of itself, now and after each change; a node that does not answer is asked again.
pub fn watch(node: AdminClient) -> BoxStream<'static, Node> {
    let backoff = Backoff::new(RETRY.0, RETRY.1, "");
    unfold(
        (node, None, backoff),
        async |(node, mut open, mut backoff)| {
            loop {
                let failure = match &mut open {
                    None => match node.watch_status().await {
                        Ok(stream) => {
                            open = Some(stream);
                            continue;
                        }
                        Err(error) => error.to_string(),
                    },
                    Some(stream) => match stream.message().await {
                        Ok(Some(status)) => {
                            backoff.reset();
                            return Some((read(status), (node, open, backoff)));
                        }
                        Ok(None) => "the answer ended".to_owned(),
                        Err(error) => error.message().to_owned(),
                    },
                };
                tracing::debug!(failure, "the node says nothing of itself; asking again");
                open = None;
                tokio::time::sleep(backoff.fail()).await;
            }
        },
    )
    .boxed()
}

fn change_request(change: Change) -> proto::ChangeMemberRequest {
    let membership = match change.membership {
        Membership::Voter => proto::Membership::Voter,
        Membership::Learner => proto::Membership::Learner,
        Membership::Removed => proto::Membership::Removed,
    };
    proto::ChangeMemberRequest {
        member_id: change.member.0,
        membership: membership.into(),
        peer_address: change.peer_address,
        key: change
            .key
            .map(|key| key.to_vec())
            .unwrap_or_default()
            .into(),
        epoch: change.epoch,
        expected_membership: change.expected.map(|id| proto::LogId {
            term: id.term,
            leader: id.leader.0,
            index: id.index,
        }),
    }
}

/// The node's words in ours. An empty text or list of bytes there is an absent value here.
fn read(status: proto::NodeStatus) -> Node {
    let role = role(status.role());
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    Node {
        member: MemberId(status.member_id),
        public_key: hex::encode(&status.public_key),
        cluster: filled(hex::encode(&status.cluster_id)),
        incarnation: status.incarnation.into(),
        role,
        term: status.term,
        leader: status.leader_id.map(MemberId),
        leaderless: status.leaderless,
        members: status.members.into_iter().map(member).collect(),
        membership: status.membership.map(|id| MembershipId {
            term: id.term,
            leader: MemberId(id.leader),
            index: id.index,
        }),
        last_index: status.last_log_index,
        last_term: status.last_log_term,
        committed_index: status.committed_index,
        applied_index: status.applied_index,
        position: filled(status.position),
        digest: status.digest.map(|digest| (digest.index, digest.value)),
        open: status.open,
        removed: status.removed_ids.into_iter().map(MemberId).collect(),
        not_ready: (!status.ready).then_some(status.not_ready_reason),
        fenced: status.fenced,
        commits: status.commits,
        disk: status.disk.map(|disk| Disk {
            total_bytes: disk.total_bytes,
            available_bytes: disk.available_bytes,
            refuses_writes: status.disk_full,
        }),
        version: status.version,
        feature_level: status.feature_level,
        peer_address: status.peer_address,
        fatal: filled(status.fatal),
    }
}

fn role(role: proto::Role) -> Role {
    match role {
        proto::Role::Unspecified | proto::Role::Waiting => Role::Waiting,
        proto::Role::Learner => Role::Learner,
        proto::Role::Follower => Role::Follower,
        proto::Role::Candidate => Role::Candidate,
        proto::Role::Leader => Role::Leader,
    }
}

fn member(member: proto::Member) -> Member {
    Member {
        id: MemberId(member.id),
        peer_address: member.peer_address,
        voter: member.voter,
        epoch: member.epoch,
        matched: member.matched,
        caught_up: member.caught_up,
        reached: member.reached.unwrap_or(false),
    }
}
