//! Which of several operators acts: the one that holds a Lease.
//!
//! The scheme is client-go's (`tools/leaderelection`): writes are replacements with a resource version, so that a lost
//! race is a conflict and never two holders; another's lease has expired when *this* process has seen no change of it
//! for its duration, so that clocks need not agree. A holder that could not renew it until the deadline stops writing
//! ([`Fence`]) before anyone else may begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::time::{Instant, sleep, timeout};

use crate::config::LeaseConfig;

/// Whether this process may write, at this very moment.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Milliseconds after `start` until which it may; `u64::MAX` without an election.
    until: Arc<AtomicU64>,
    start: Instant,
}

impl Fence {
    /// A fence that is closed.
    pub fn closed() -> Fence {
        Fence {
            until: Arc::new(AtomicU64::new(0)),
            start: Instant::now(),
        }
    }

    /// A fence that never closes: there is no other operator.
    pub fn open() -> Fence {
        Fence {
            until: Arc::new(AtomicU64::new(u64::MAX)),
            start: Instant::now(),
        }
    }

    /// True while this process may write.
    pub fn holds(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        now < self.until.load(Ordering::SeqCst)
    }

    fn hold_until(&self, end: Instant) {
        let until = end.saturating_duration_since(self.start).as_millis();
        self.until
            .store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn close(&self) {
        self.until.store(0, Ordering::SeqCst);
    }
}

/// What one round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This process holds the lease.
    Leader,
    /// Another does.
    Standby,
}

/// Takes, keeps and releases the lease.
pub struct Elector {
    api: Api<Lease>,
    config: LeaseConfig,
    identity: String,
    /// The last change that was seen, and when.
    seen: Option<(String, Instant)>,
    fence: Fence,
}

impl Elector {
    /// An elector that stands by.
    pub fn new(client: Client, config: &LeaseConfig, identity: &str) -> Elector {
        Elector {
            api: Api::namespaced(client, &config.namespace),
            config: config.clone(),
            identity: identity.to_owned(),
            seen: None,
            fence: Fence::closed(),
        }
    }

    /// Tells whether this process may write.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Returns once this process holds the lease.
    pub async fn acquire(&mut self) {
        loop {
            let asked = Instant::now();
            match self.round().await {
                Ok(Role::Leader) => {
                    self.fence.hold_until(asked + self.config.renew_deadline);
                    tracing::info!(lease = self.config.name, identity = self.identity, "leads");
                    return;
                }
                Ok(Role::Standby) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to look at the lease"
                ),
            }
            sleep(self.config.retry_period).await;
        }
    }

    /// Renews the lease for as long as it can, and returns when it is lost; the fence is closed by then.
    pub async fn keep(&mut self) {
        let mut held_until = Instant::now() + self.config.renew_deadline;
        loop {
            let left = held_until.saturating_duration_since(Instant::now());
            sleep(self.config.retry_period.min(left)).await;
            let asked = Instant::now();
            match self.round().await {
                Ok(Role::Leader) => {
                    held_until = asked + self.config.renew_deadline;
                    self.fence.hold_until(held_until);
                    continue;
                }
                Ok(Role::Standby) => {
                    tracing::warn!(lease = self.config.name, "another operator leads")
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to renew the lease"
                    );
                    if Instant::now() < held_until {
                        sleep(self.config.retry_period / 5).await;
                        continue;
                    }
                }
            }
            self.fence.close();
            return;
        }
    }

    /// Gives the lease back, so that another need not wait for its end. Does nothing when it is not held.
    pub async fn release(&mut self) -> Result<(), LeaseError> {
        self.fence.close();
        let read = self.bounded(self.api.get_opt(&self.config.name)).await?;
        let Some(mut lease) = read else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(());
        }
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        self.bounded(
            self.api
                .replace(&self.config.name, &PostParams::default(), &lease),
        )
        .await
        .map(drop)
    }

    /// One round: look, and take or renew if that is possible.
    pub async fn round(&mut self) -> Result<Role, LeaseError> {
        let now = MicroTime(Timestamp::now());
        let seconds = i32::try_from(self.config.ttl.as_secs()).unwrap_or(i32::MAX);
        let Some(mut lease) = self.bounded(self.api.get_opt(&self.config.name)).await? else {
            let lease = self.first(now, seconds);
            return Self::won(
                self.bounded(self.api.create(&PostParams::default(), &lease))
                    .await,
            );
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let spec = lease.spec.get_or_insert_default();
        let mine = spec.holder_identity.as_deref() == Some(&self.identity);
        let free = spec.holder_identity.as_deref().is_none_or(str::is_empty);
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, Instant::now()));
        }
        let theirs = Duration::from_secs(
            spec.lease_duration_seconds
                .and_then(|s| u64::try_from(s).ok())
                .unwrap_or(15),
        );
        let stale = self
            .seen
            .as_ref()
            .is_some_and(|(_, since)| since.elapsed() > theirs);
        if !(mine || free || stale) {
            return Ok(Role::Standby);
        }
        if !mine {
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
            spec.acquire_time = Some(now.clone());
            spec.holder_identity = Some(self.identity.clone());
        }
        spec.renew_time = Some(now);
        spec.lease_duration_seconds = Some(seconds);
        Self::won(
            self.bounded(
                self.api
                    .replace(&self.config.name, &PostParams::default(), &lease),
            )
            .await,
        )
    }

    fn first(&self, now: MicroTime, seconds: i32) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some(self.config.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(seconds),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        }
    }

    fn won(written: Result<Lease, LeaseError>) -> Result<Role, LeaseError> {
        match written {
            Ok(_) => Ok(Role::Leader),
            Err(LeaseError::Refused(kube::Error::Api(status))) if status.code == 409 => {
                Ok(Role::Standby)
            }
            Err(error) => Err(error),
        }
    }

    async fn bounded<T>(
        &self,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, LeaseError> {
        timeout(self.config.retry_period, call)
            .await
            .map_err(|_| LeaseError::TooSlow)?
            .map_err(LeaseError::Refused)
    }
}

/// The lease could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The API server refused.
    #[error("failed to read or write the lease")]
    Refused(#[source] kube::Error),
    /// It did not answer before the next try was due.
    #[error("failed to read or write the lease in time")]
    TooSlow,
}
