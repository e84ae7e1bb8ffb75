//! What whoever administers the node asks of it. The log guards membership; what is guarded here is what the log cannot know.

use node_engines::kv::{self, Revision};
use node_engines::{ADVANCED_REVISION_MAX, ClusterId, Command, Proposal, Reply, system};
use node_replication::{LogId, Member, MemberChange, MemberId, MemberRole, Proof, VOTERS_MAX};

use super::{Consistency, Node};
use crate::access::by_the_cluster;
use crate::errors::{AdminFailure, Failure};
use crate::founding;

/// What one member shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberWish {
    /// It follows and does not vote.
    Learner(Member),
    /// It votes.
    Voter(Member),
    /// It is gone for good.
    Removed,
}

impl Node {
    /// Founds a cluster with this node as its first voter, if it is the member named and its disk is empty. The cluster takes
    /// data once `voters` have joined. Gives the id that was drawn for it.
    pub async fn bootstrap(
        &self,
        member: MemberId,
        voters: u32,
    ) -> Result<ClusterId, AdminFailure> {
        let own = self.inner.replication.status().member;
        if own != member {
            return Err(AdminFailure::OtherMember { own, named: member });
        }
        if voters == 0 || voters as usize > VOTERS_MAX {
            let message = format!("a cluster begins with 1 to {VOTERS_MAX} voters, not {voters}");
            return Err(AdminFailure::Invalid(message));
        }
        let inner = &self.inner;
        let _one = inner.bootstrapping.lock().await;
        if inner.replication.status().cluster.is_some() {
            return Err(AdminFailure::Guard(
                node_replication::Refusal::AlreadyBootstrapped,
            ));
        }
        let mut id = [0; 16];
        inner.host.random.fill(&mut id);
        let disk = |error: std::io::Error| AdminFailure::Unavailable {
            reason: format!("failed to note on disk that a cluster is founded: {error}"),
        };
        founding::begin(&inner.host, &inner.dir, voters)
            .await
            .map_err(disk)?;
        inner.founding.send_replace(Some(voters));
        inner
            .replication
            .bootstrap(node_replication::ClusterId(id))
            .await?;
        self.write_genesis(voters).await?;
        Ok(ClusterId(id))
    }

    /// Puts the cluster's first entry into the log, unless it is there.
    pub(super) async fn write_genesis(&self, voters: u32) -> Result<(), AdminFailure> {
        let Some(cluster) = self.inner.replication.status().cluster else {
            return Err(AdminFailure::Unavailable {
                reason: "no cluster is being founded".to_owned(),
            });
        };
        let genesis = system::Command::Genesis {
            cluster_id: ClusterId(cluster.0),
            voters,
        };
        let proposal = Proposal {
            request: None,
            commands: [
                genesis,
                system::Command::Raise {
                    feature_level: self.inner.founding_level,
                },
            ]
            .map(Command::System)
            .to_vec(),
        };
        match self.propose(proposal).await {
            Ok(_) => Ok(()),
            Err(Failure::Unknown { reason }) => Err(AdminFailure::Unknown { reason }),
            // The cluster id is on disk: the keeper goes on until the entry is in the log.
            Err(other) => Err(AdminFailure::Unknown {
                reason: other.to_string(),
            }),
        }
    }

    /// Makes one member what it shall be, on the leader; with `expected` only if that entry is the membership in force.
    pub async fn change_member(
        &self,
        member: MemberId,
        wish: MemberWish,
        expected: Option<LogId>,
    ) -> Result<LogId, AdminFailure> {
        if self.inner.reader.cluster_id().is_none() {
            let status = self.inner.replication.status();
            let elsewhere = status.leader.filter(|leader| *leader != status.member);
            return Err(match elsewhere {
                Some(leader) => AdminFailure::NotLeader {
                    leader: Some(leader),
                },
                None => AdminFailure::Forming,
            });
        }
        let mut change = MemberChange::default();
        match wish {
            MemberWish::Learner(info) => {
                change.set.insert(member, (info, MemberRole::Learner));
            }
            MemberWish::Voter(info) => {
                change.set.insert(member, (info, MemberRole::Voter));
            }
            MemberWish::Removed => {
                change.remove.insert(member);
            }
        }
        Ok(self
            .inner
            .replication
            .change_members(expected, change)
            .await?)
    }

    /// Hands leadership over, to this member or to the most advanced one.
    pub async fn transfer_leadership(&self, to: Option<MemberId>) -> Result<(), AdminFailure> {
        Ok(self.inner.replication.transfer_leadership(to).await?)
    }

    /// Fences the node off from its clients, or lets it serve again; durable on return.
    pub async fn set_fence(&self, up: bool) -> Result<(), AdminFailure> {
        let noted = self.inner.fence.set(up).await;
        noted.map_err(|error| AdminFailure::Unknown {
            reason: format!("failed to note on disk whether the node is fenced: {error}"),
        })
    }

    /// Builds a snapshot; gives the last entry in it.
    pub async fn snapshot(&self) -> Result<LogId, AdminFailure> {
        Ok(self.inner.replication.snapshot().await?)
    }

    /// Has the revisions of the keys go on above this one, and gives up the history up to it. Gives the last revision after it,
    /// which this node shows by then.
    pub async fn advance_revision(&self, revision: Revision) -> Result<Revision, AdminFailure> {
        if revision.0 > ADVANCED_REVISION_MAX {
            let message = format!(
                "revision {revision} is above {ADVANCED_REVISION_MAX}, and too few would be left"
            );
            return Err(AdminFailure::Invalid(message));
        }
        let commands = by_the_cluster(kv::Command::Advance { revision });
        let written = self.write(None, commands).await?;
        let lost = |failure: Failure| AdminFailure::Unknown {
            reason: failure.to_string(),
        };
        let read = self.read(Consistency::Session(written.position)).await;
        read.map_err(lost)?;
        match written.replies.as_slice() {
            [Reply::Kv(kv::Reply::Compacted { revision })] => Ok(*revision),
            _ => Err(AdminFailure::Unknown {
                reason: "the reply is to another command".to_owned(),
            }),
        }
    }

    /// Makes sure, with a majority, that this node leads; gives the term.
    pub async fn confirm_leadership(&self) -> Result<u64, AdminFailure> {
        let before = self.leading()?;
        self.inner
            .replication
            .linearize(Proof::Majority)
            .await
            .map_err(|error| AdminFailure::Unavailable {
                reason: error.reason,
            })?;
        let after = self.leading()?;
        match before == after {
            true => Ok(after),
            false => Err(AdminFailure::Unavailable {
                reason: "leadership moved meanwhile".to_owned(),
            }),
        }
    }

    fn leading(&self) -> Result<u64, AdminFailure> {
        let status = self.inner.replication.status();
        match status.role {
            node_replication::Role::Leader => Ok(status.term),
            _ => Err(AdminFailure::NotLeader {
                leader: status.leader,
            }),
        }
    }
}
