//! What an administrator asks of a member: to found a cluster, to change its members, to hand over, to take a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, Fatal, RaftError};
use openraft::raft::Precondition;
use openraft::{ChangeMembers, RaftMetrics, ServerState};
use tokio::sync::Mutex;

use crate::errors::{AdminError, Refusal};
use crate::identity::IdentityError;
use crate::ids::{ClusterId, LogId, MemberId};
use crate::membership::{self, Goal, Member, MemberChange};
use crate::raft::config::{C, Raft};
use crate::raft::convert;
use crate::raft::observer::Observer;

/// The longest a change of membership is waited for; it may be carried out later.
const CHANGE_WITHIN: Duration = Duration::from_secs(30);
/// The longest a snapshot is waited for.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(300);

/// The administrative calls of a member. A clone is the same member.
#[derive(Clone)]
pub struct Changes {
    pub raft: Raft,
    pub observer: Arc<Observer>,
    /// One change at a time.
    pub one: Arc<Mutex<()>>,
}

impl From<IdentityError> for AdminError {
    fn from(error: IdentityError) -> AdminError {
        AdminError::Unknown {
            reason: error.to_string(),
        }
    }
}

fn stopped<E>(error: &RaftError<C, E>) -> bool {
    matches!(error, RaftError::Fatal(Fatal::Stopped))
}

impl Changes {
    /// Founds a cluster of this member alone. The identity is durable before the log begins; a crash in between is
    /// made good at the next start.
    pub async fn bootstrap(&self, cluster: ClusterId) -> Result<(), AdminError> {
        let observer = &self.observer;
        if observer.wal.last().is_some() || observer.machine.applied().borrow().is_some() {
            return Err(AdminError::Refused(Refusal::AlreadyBootstrapped));
        }
        let found = observer.gate.change_identity::<AdminError>(|identity| {
            if identity.cluster.is_some() {
                return Err(AdminError::Refused(Refusal::AlreadyBootstrapped));
            }
            identity.cluster = Some(cluster);
            identity.founding = true;
            Ok(())
        });
        found.await?;
        self.found().await
    }

    /// Writes the first membership, unless the log has one already.
    pub async fn found(&self) -> Result<(), AdminError> {
        let identity = self.observer.gate.identity();
        if self.observer.wal.last().is_none() {
            let peer_address = self.observer.advertise.clone();
            let me = Member {
                peer_address,
                key: identity.public_key(),
                epoch: 0,
            };
            let members = BTreeMap::from([(identity.member.0, me)]);
            match self.raft.initialize(members).await {
                Ok(()) => {}
                Err(error) if stopped(&error) => return Err(AdminError::Stopped),
                Err(error) => {
                    return Err(AdminError::Unknown {
                        reason: error.to_string(),
                    });
                }
            }
        }
        let done = self
            .observer
            .gate
            .change_identity::<AdminError>(|identity| {
                identity.founding = false;
                Ok(())
            });
        done.await
    }

    fn leading(&self) -> Result<RaftMetrics<C>, AdminError> {
        let metrics = self.observer.metrics();
        if metrics.running_state.is_err() {
            return Err(AdminError::Stopped);
        }
        match metrics.state {
            ServerState::Leader => Ok(metrics),
            _ => Err(AdminError::NotLeader {
                leader: metrics.current_leader.map(MemberId),
            }),
        }
    }

    /// Carries out one change of membership, if the guard allows it.
    pub async fn change_members(
        &self,
        expected: Option<LogId>,
        change: MemberChange,
    ) -> Result<LogId, AdminError> {
        let under_way = |_| AdminError::Refused(Refusal::ChangeUnderWay);
        let _one = self.one.try_lock().map_err(under_way)?;
        self.leading()?;
        // What a new leader inherits is committed in a moment.
        self.until_settled().await;
        let known = self.observer.known(&self.leading()?);
        let goal = membership::check(&known, expected, &change).map_err(AdminError::Refused)?;
        let voters_before = known.roster.voters();
        // Voters that leave go with the joint change itself; it can keep all of them or none.
        let retain = !goal.demoted.is_empty();
        let leaving_later = match retain {
            true => goal.removed.intersection(&voters_before).copied().collect(),
            false => std::collections::BTreeSet::new(),
        };
        let learners_leaving = goal.removed.difference(&voters_before).copied().collect();
        let Goal {
            touched, voters, ..
        } = goal;
        let batch = ChangeMembers::Batch(vec![
            ChangeMembers::SetNodes(touched),
            ChangeMembers::RemoveNodes(learners_leaving),
            ChangeMembers::ReplaceAllVoters(voters),
        ]);
        let at = self.carry_out(batch, retain, known.at).await?;
        let at = match leaving_later.is_empty() {
            true => at,
            false => {
                let later = ChangeMembers::RemoveNodes(leaving_later);
                self.carry_out(later, true, Some(at)).await?
            }
        };
        // Whoever looks now sees the change.
        self.until_settled().await;
        Ok(at)
    }

    /// Waits a moment for the core to report that the membership in force is committed and not joint.
    async fn until_settled(&self) {
        let mut metrics = self.raft.metrics();
        let settled = async {
            loop {
                let now = metrics.borrow_watched().clone();
                let effective = &now.membership_config;
                let committed = now.committed_membership_config.log_id();
                if effective.get_joint_config().len() == 1 && effective.log_id() == committed {
                    return;
                }
                if metrics.changed().await.is_err() {
                    return;
                }
            }
        };
        let within = Duration::from_millis(self.observer.timing.election_max_ms);
        // What is still unsettled then is for the guard to refuse.
        let _ = tokio::time::timeout(within, settled).await;
    }

    async fn carry_out(
        &self,
        change: ChangeMembers<u64, Member>,
        retain: bool,
        expected: Option<LogId>,
    ) -> Result<LogId, AdminError> {
        let last_membership_log_id = expected.map(convert::raft_log_id);
        let precondition = Precondition::LastMembershipLogId {
            last_membership_log_id,
        };
        let changing = self
            .raft
            .change_membership_if(change, retain, [precondition]);
        match tokio::time::timeout(CHANGE_WITHIN, Box::pin(changing)).await {
            Ok(Ok(written)) => Ok(convert::log_id(&written.log_id)),
            Ok(Err(error)) => Err(self.not_changed(error, expected)),
            Err(_) => {
                let reason = format!("no majority confirmed it within {CHANGE_WITHIN:?}");
                Err(AdminError::Unknown { reason })
            }
        }
    }

    fn not_changed(
        &self,
        error: RaftError<C, ClientWriteError<C>>,
        expected: Option<LogId>,
    ) -> AdminError {
        let now = self
            .observer
            .metrics()
            .membership_config
            .log_id()
            .as_ref()
            .map(convert::log_id);
        let unknown = || AdminError::Unknown {
            reason: error.to_string(),
        };
        if stopped(&error) {
            return unknown();
        }
        match &error {
            RaftError::APIError(ClientWriteError::PreconditionFailed(_)) => {
                AdminError::Refused(Refusal::MembershipMoved { at: now })
            }
            // The second step of a change may fail after the first one was written.
            _ if now != expected => unknown(),
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                AdminError::NotLeader {
                    leader: forward.leader_id.map(MemberId),
                }
            }
            RaftError::APIError(ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_),
            )) => AdminError::Refused(Refusal::ChangeUnderWay),
            RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
                AdminError::Unavailable {
                    reason: error.to_string(),
                }
            }
            _ => unknown(),
        }
    }

    /// A joint change that an earlier leader began is brought to its end. Voters that were to leave stay learners:
    /// which of them were to go for good is the business of whoever asked.
    pub fn finish_joint(&self, metrics: &RaftMetrics<C>) {
        let effective = &metrics.membership_config;
        let joint = effective.get_joint_config().len() > 1;
        let committed = effective.log_id() == metrics.committed_membership_config.log_id();
        if metrics.state != ServerState::Leader || !joint || !committed {
            return;
        }
        let Ok(one) = self.one.clone().try_lock_owned() else {
            return;
        };
        let (changes, at) = (
            self.clone(),
            effective.log_id().as_ref().map(convert::log_id),
        );
        // Ends with the change or with its deadline.
        tokio::spawn(async move {
            let _one = one;
            let nobody = ChangeMembers::AddVoterIds(Default::default());
            if let Err(error) = changes.carry_out(nobody, true, at).await {
                tracing::warn!(%error, "failed to finish a joint change of membership");
            }
        });
    }

    /// Hands leadership to a voter in good health: the one named, or the one with most of the log.
    pub async fn transfer_leadership(&self, to: Option<MemberId>) -> Result<(), AdminError> {
        let metrics = self.leading()?;
        let me = *self.raft.node_id();
        let members = self.observer.now().members;
        let able = members
            .iter()
            .filter(|m| m.voter && m.caught_up && m.id.0 != me);
        let target = match to {
            Some(to) if to.0 == me => return Ok(()),
            Some(to) => able
                .map(|member| member.id)
                .find(|id| *id == to)
                .ok_or(AdminError::Refused(Refusal::CannotLead(to)))?,
            None => able
                .max_by_key(|member| member.matched)
                .map(|member| member.id)
                .ok_or_else(|| AdminError::Unavailable {
                    reason: "no other voter is caught up".to_owned(),
                })?,
        };
        let term = metrics.current_term;
        self.raft
            .trigger()
            .transfer_leader(target.0)
            .await
            .map_err(|_| AdminError::Stopped)?;
        let within = Duration::from_millis(3 * self.observer.timing.election_max_ms);
        match tokio::time::timeout(within, self.led_by_another(term)).await {
            Ok(handed_over) => handed_over,
            Err(_) => Err(AdminError::Unknown {
                reason: format!("member {target} did not take over yet"),
            }),
        }
    }

    async fn led_by_another(&self, term: u64) -> Result<(), AdminError> {
        let me = *self.raft.node_id();
        let mut metrics = self.raft.metrics();
        loop {
            let (now, leader) = {
                let metrics = metrics.borrow_watched();
                (metrics.current_term, metrics.current_leader)
            };
            if now > term && leader.is_some_and(|leader| leader != me) {
                return Ok(());
            }
            metrics.changed().await.map_err(|_| AdminError::Stopped)?;
        }
    }

    /// Builds a snapshot that has at least what is applied now.
    pub async fn snapshot(&self) -> Result<LogId, AdminError> {
        let applied = *self.observer.machine.applied().borrow();
        let Some(applied) = applied else {
            return Err(AdminError::Unavailable {
                reason: "nothing is applied yet".to_owned(),
            });
        };
        let mut metrics = self.raft.metrics();
        let built = || {
            self.observer
                .snapshots
                .last()
                .map(|file| file.applied().last)
        };
        let build = async {
            loop {
                if let Some(at) = built().filter(|at| *at >= applied) {
                    return Ok(at);
                }
                self.raft
                    .trigger()
                    .snapshot()
                    .await
                    .map_err(|_| AdminError::Stopped)?;
                metrics.changed().await.map_err(|_| AdminError::Stopped)?;
            }
        };
        let late = |_| AdminError::Unknown {
            reason: "the snapshot takes its time".to_owned(),
        };
        tokio::time::timeout(SNAPSHOT_WITHIN, build)
            .await
            .map_err(late)?
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
