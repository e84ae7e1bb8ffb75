//! Changes of membership: one at a time, guarded, and brought to their end.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::raft::Precondition;
use openraft::{ChangeMembers, RaftMetrics, ServerState};

use crate::errors::{AdminError, Refusal};
use crate::ids::{LogId, MemberId};
use crate::membership::{self, Goal, Member, MemberChange};
use crate::raft::changes::{Changes, stopped};
use crate::raft::config::C;
use crate::raft::convert;

/// The longest a change of membership is waited for; it may be carried out later.
const CHANGE_WITHIN: Duration = Duration::from_secs(30);

impl Changes {
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
            false => BTreeSet::new(),
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
}
