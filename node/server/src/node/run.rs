//! The life of a node: what runs beside requests, and how it ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use node_engines::Reader;
use node_host::Host;
use node_replication::{MemberId, Replication, Role};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Inner, Node};
use crate::access::Access;
use crate::aside::{self, Why};
use crate::commits::Commits;
use crate::config::Limits;
use crate::errors::AdminFailure;
use crate::fence::Fence;
use crate::keeper;
use crate::leases::Leases;
use crate::levels::Levels;
use crate::reserve::Reserve;
use crate::watches::Watches;

impl Node {
    /// Starts what runs beside requests.
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, with the parts a node is made of"
    )]
    pub(crate) fn run(
        host: Host,
        dir: PathBuf,
        replication: Replication,
        reader: Reader,
        watches: Watches,
        leases: Arc<Leases>,
        levels: Arc<Levels>,
        reserve: Arc<Reserve>,
        fence: Fence,
        limits: Limits,
        version: String,
        founding: Option<u32>,
        founding_level: u32,
        access: Arc<Access>,
    ) -> Node {
        let node = Node {
            inner: Arc::new(Inner {
                host,
                dir,
                replication,
                reader,
                watches,
                leases,
                levels,
                founding_level,
                access,
                reserve,
                fence,
                commits: Commits::default(),
                limits,
                version,
                traffic: crate::traffic::Traffic::default(),
                caught_up_once: AtomicBool::new(false),
                stopping: watch::Sender::new(false),
                failure: watch::Sender::new(None),
                founding: watch::Sender::new(founding),
                bootstrapping: tokio::sync::Mutex::new(()),
                raising: tokio::sync::Mutex::new(()),
            }),
        };
        keeper::run(&node);
        node
    }

    /// Hands leadership to another voter if this node leads, so that the cluster does not miss it. Gives up after `within`.
    pub async fn hand_over(&self, within: Duration) {
        let hand_over = async {
            while self.inner.replication.status().role == Role::Leader {
                match self.transfer_leadership(None).await {
                    Ok(()) | Err(AdminFailure::NotLeader { .. }) => return,
                    // Alone, or nobody is near enough yet.
                    Err(error) => {
                        tracing::debug!(%error, "leadership was not handed over");
                        tokio::time::sleep(HAND_OVER_AGAIN).await;
                    }
                }
            }
        };
        let others = |member: &node_replication::MemberStatus| {
            member.voter && member.id != self.inner.replication.status().member
        };
        if self.inner.replication.status().members.iter().any(others)
            && timeout(within, hand_over).await.is_err()
        {
            tracing::warn!("leadership could not be handed over in time");
        }
    }

    /// Hands leadership over, if this node leads and another voter can take it; says whether it did.
    pub(crate) async fn give_way(&self) -> bool {
        if self.inner.replication.status().role != Role::Leader {
            return false;
        }
        let handed_over = self.transfer_leadership(None).await;
        match &handed_over {
            Ok(()) => tracing::warn!("the disk is nearly full: leadership was handed over"),
            Err(error) => tracing::debug!(%error, "leadership was not handed over"),
        }
        handed_over.is_ok()
    }

    /// Says that the node is about to stop: it is not ready any more. Requests go on.
    pub fn announce_stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    /// Hands leadership over if need be, for at most `within`, and stops the node; its log is closed on return.
    pub async fn stop(&self, within: Duration) {
        self.announce_stop();
        if !within.is_zero() {
            self.hand_over(within).await;
        }
        self.inner.replication.shutdown().await;
    }

    /// Waits for the failure that ends this node, and says why.
    pub async fn failed(&self) -> String {
        let mut failure = self.inner.failure.subscribe();
        loop {
            if let Some(reason) = failure.borrow_and_update().clone() {
                return reason;
            }
            if failure.changed().await.is_err() {
                return "the node is gone".to_owned();
            }
        }
    }

    /// Whether the node was told to stop or has failed.
    pub(crate) fn is_ending(&self) -> bool {
        *self.inner.stopping.borrow() || self.inner.failure.borrow().is_some()
    }

    /// Resolves when the node was told to stop or has failed.
    pub(crate) async fn ending(&self) {
        let told = async {
            let mut stopping = self.inner.stopping.subscribe();
            // The sender lives as long as this handle.
            stopping.wait_for(|stopping| *stopping).await.ok();
        };
        tokio::select! {
            biased;
            _ = self.failed() => {}
            () = told => {}
        }
    }

    /// The node can not go on. The first reason stays.
    pub(crate) fn fail(&self, reason: String) {
        self.inner.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            if first {
                tracing::error!(reason, "the node stops");
                *failure = Some(reason);
            }
            first
        });
    }
}

/// Time between two attempts to hand leadership over.
const HAND_OVER_AGAIN: Duration = Duration::from_millis(100);

/// What the keeper needs of a node.
impl Node {
    pub(crate) fn replication(&self) -> &Replication {
        &self.inner.replication
    }

    pub(crate) fn reserve(&self) -> &Reserve {
        &self.inner.reserve
    }

    pub(crate) fn watches(&self) -> &Watches {
        &self.inner.watches
    }

    pub(crate) fn leases(&self) -> &Leases {
        &self.inner.leases
    }

    pub(crate) fn access(&self) -> &Access {
        &self.inner.access
    }

    pub(crate) fn levels(&self) -> &Levels {
        &self.inner.levels
    }

    pub(crate) fn commits(&self) -> &Commits {
        &self.inner.commits
    }

    pub(crate) fn founding(&self) -> watch::Receiver<Option<u32>> {
        self.inner.founding.subscribe()
    }

    /// The cluster's first entry is in the log, or is to be written now.
    pub(crate) async fn go_on_founding(&self, voters: u32) {
        let inner = &self.inner;
        if inner.reader.cluster_id().is_some() {
            match crate::founding::finish(&inner.host, &inner.dir).await {
                Ok(()) => {
                    inner.founding.send_replace(None);
                }
                Err(error) => tracing::warn!(%error, "failed to forget a founding that is done"),
            }
        } else if inner.replication.status().role == Role::Leader
            && let Err(error) = self.write_genesis(voters).await
        {
            tracing::warn!(%error, "failed to write the cluster's first entry; it is tried again");
        }
    }

    pub(crate) fn caught_up(&self) {
        self.inner
            .caught_up_once
            .store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// This disk's member was removed: it is set aside at the next start. A node that never got to serve stops at once, so
    /// that whoever keeps it running starts it under a new id.
    pub(crate) async fn removed(&self, member: MemberId) {
        let inner = &self.inner;
        let marked = aside::mark(&inner.host, &inner.dir, member, Why::Removed).await;
        if let Err(error) = marked {
            return self.fail(format!(
                "failed to note that member {member} was removed: {error}"
            ));
        }
        if !inner
            .caught_up_once
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            self.fail(format!(
                "member {member} of this disk was removed from its cluster; start again to join under a new id"
            ));
        }
    }

    /// This disk lost what its member acknowledged: it is set aside at the next start, and the node stops at once, so that
    /// whoever keeps it running starts it under a new id.
    pub(crate) async fn log_lost(&self, member: MemberId) {
        let inner = &self.inner;
        let marked = aside::mark(&inner.host, &inner.dir, member, Why::LogLost).await;
        self.fail(match marked {
            Ok(()) => format!(
                "the log of member {member} on this disk ends before what it once acknowledged; start again to join under a new id"
            ),
            Err(error) => format!("failed to note that member {member} lost its log: {error}"),
        });
    }
}
