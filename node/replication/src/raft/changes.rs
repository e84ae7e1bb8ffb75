//! What an administrator asks of a member: to found a cluster, to change its members, to hand over, to take a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{Fatal, RaftError};
use openraft::{RaftMetrics, ServerState};
use tokio::sync::Mutex;

use crate::errors::{AdminError, Refusal};
use crate::identity::IdentityError;
use crate::ids::{ClusterId, LogId, MemberId};
use crate::membership::Member;
use crate::raft::config::{C, Raft};
use crate::raft::observer::Observer;

/// The longest a snapshot is waited for.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(300);

/// One that is being built already may have less than is wanted: so often it is asked for again.
const SNAPSHOT_ASKED_EVERY: Duration = Duration::from_secs(1);

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

/// Whether the core was told to stop.
pub fn stopped<E>(error: &RaftError<C, E>) -> bool {
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

    /// The core's metrics, if this member leads.
    pub fn leading(&self) -> Result<RaftMetrics<C>, AdminError> {
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
        let _asked = self.observer.snapshot_counts.asked();
        let mut metrics = self.raft.metrics();
        let built = || {
            let last = self.observer.snapshots.last();
            last.map(|file| file.applied().last)
                .filter(|at| *at >= applied)
        };
        let build = async {
            // Not at each news of the core, which has some whenever it is asked.
            let mut ask = tokio::time::interval(SNAPSHOT_ASKED_EVERY);
            loop {
                if let Some(at) = built() {
                    return Ok(at);
                }
                tokio::select! {
                    biased;
                    _ = ask.tick() => {
                        let asked = self.raft.trigger().snapshot().await;
                        asked.map_err(|_| AdminError::Stopped)?;
                    }
                    changed = metrics.changed() => changed.map_err(|_| AdminError::Stopped)?,
                }
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
