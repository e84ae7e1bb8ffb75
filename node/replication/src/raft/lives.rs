//! A member over its lives: a recovery ends one and begins the next, on the same disk, machine and address.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use node_host::Host;
use tokio::sync::{Mutex, watch};

use crate::config::Config;
use crate::contract::{Machine, Stamper};
use crate::errors::{AdminError, StartError};
use crate::identity::Identity;
use crate::raft::config::Runtime;
use crate::raft::machine::MachineHandle;
use crate::raft::node::Node;
use crate::raft::recovery::{Asked, Note};
use crate::raft::start;
use crate::status::Status;

/// A member over its lives.
pub struct Lives {
    host: Host,
    /// As told at the start, with the addresses that were bound then.
    config: Config,
    stamper: Arc<dyn Stamper>,
    status: watch::Sender<Status>,
    now: RwLock<Arc<Node>>,
    /// Held while one life ends.
    turning: Mutex<()>,
}

impl Lives {
    /// Begins the first life.
    pub async fn start(
        host: Host,
        mut config: Config,
        identity: Identity,
        machine: Box<dyn Machine>,
        stamper: Arc<dyn Stamper>,
    ) -> Result<Lives, StartError> {
        config.validate()?;
        let machine = MachineHandle::start(&host, machine).await?;
        let status = watch::Sender::new(Status::default());
        let node = start::start(
            host.clone(),
            config.clone(),
            identity,
            machine,
            stamper.clone(),
            status.clone(),
        )
        .await?;
        config.listen = node.local_addr().to_owned();
        config.advertise = node.observer().advertise.clone();
        Ok(Lives {
            host,
            config,
            stamper,
            status,
            now: RwLock::new(Arc::new(node)),
            turning: Mutex::default(),
        })
    }

    /// The life that is lived now.
    pub fn node(&self) -> Arc<Node> {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The status as it changes, over all lives.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The address that peers are listened for at.
    pub fn local_addr(&self) -> &str {
        &self.config.listen
    }

    /// Ends the member.
    pub async fn shutdown(&self) {
        let _turning = self.turning.lock().await;
        self.node().shutdown().await;
    }

    /// Begins anew from this member's disk alone. It goes on to its end when the caller has gone.
    pub async fn recover(
        self: &Arc<Lives>,
        asked: Asked,
        proposal: impl FnOnce(u32) -> Bytes + Send + 'static,
    ) -> Result<u32, AdminError> {
        let lives = self.clone();
        let turn = async move { lives.turn(asked, proposal).await };
        let turn = Runtime::scope(self.host.random.u64(), turn);
        let lost = |error: tokio::task::JoinError| AdminError::Unknown {
            reason: error.to_string(),
        };
        tokio::spawn(turn).await.map_err(lost)?
    }

    async fn turn(
        &self,
        asked: Asked,
        proposal: impl FnOnce(u32) -> Bytes,
    ) -> Result<u32, AdminError> {
        let _turning = self.turning.lock().await;
        let node = self.node();
        let survivor = node.changes().may_recover(asked).await?;
        let incarnation = survivor.incarnation;
        let command = self.stamper.stamp(&proposal(incarnation)).map_err(|_| {
            let reason = "this node takes no new entry now; its disk may be nearly full".to_owned();
            AdminError::Unavailable { reason }
        })?;
        tracing::warn!(incarnation, "beginning anew from this disk alone");
        node.shutdown().await;
        let wal = &node.observer().wal;
        let after = wal.last().unwrap_or_default();
        if *wal.durable().borrow() != Some(after) {
            // A disk that does not do as told decides nothing.
            self.begin_again(&node).await?;
            let reason = "failed to bring the end of the log to the disk".to_owned();
            return Err(AdminError::Unavailable { reason });
        }
        let note = Note {
            member: survivor.member,
            incarnation,
            after,
            command,
            membership: survivor.membership,
        };
        let left = note.leave(&self.host, &self.config.data_dir).await;
        // Whether the note is there after an error, the next life finds out.
        let reached = self.begin_again(&node).await?;
        match left {
            _ if reached == incarnation => Ok(incarnation),
            Err(error) => Err(AdminError::Unavailable {
                reason: format!("failed to note the recovery on disk: {error}"),
            }),
            Ok(()) => Err(AdminError::Unknown {
                reason: format!("the disk is of incarnation {reached} after it"),
            }),
        }
    }

    /// Begins the next life on what the disk holds now; gives its incarnation.
    async fn begin_again(&self, before: &Node) -> Result<u32, AdminError> {
        match self.next_life(before).await {
            Ok(node) => {
                let incarnation = node.observer().now().incarnation;
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(node);
                Ok(incarnation)
            }
            Err(error) => {
                let reason = format!("failed to go on after a recovery: {}", chain(&error));
                // The next start of the process carries it out.
                self.status
                    .send_modify(|status| status.fatal = Some(reason.clone()));
                Err(AdminError::Unknown { reason })
            }
        }
    }

    async fn next_life(&self, before: &Node) -> Result<Node, StartError> {
        let machine = before.observer().machine.renew().await?;
        let identity = before.observer().gate.identity();
        Box::pin(start::start(
            self.host.clone(),
            self.config.clone(),
            identity,
            machine,
            self.stamper.clone(),
            self.status.clone(),
        ))
        .await
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[path = "lives_tests.rs"]
mod tests;
