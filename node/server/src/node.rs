//! A node below its codecs: what requests, administration and health ask of it.

mod administration;
mod mistakes;
mod recovery;
mod requests;
mod run;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use node_engines::{Position, Reader};
use node_host::Host;
use node_replication::Replication;
use tokio::sync::watch;

pub use administration::MemberWish;
pub use recovery::Loss;
pub use requests::{Consistency, Listed, Written};

use crate::access::Access;
use crate::commits::Commits;
use crate::config::Limits;
use crate::fence::Fence;
use crate::leases::Leases;
use crate::levels::Levels;
use crate::readiness;
use crate::reserve::Reserve;
use crate::stamper::ahead_millis;
use crate::status::{Canaries, NodeStatus};
use crate::traffic::Traffic;
use crate::watches::Watches;

/// A running node. Clones are handles to the same one; it runs until [`Node::stop`] or a fatal failure.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    host: Host,
    dir: PathBuf,
    replication: Replication,
    reader: Reader,
    watches: Watches,
    leases: Arc<Leases>,
    levels: Arc<Levels>,
    /// The feature level of a cluster that this node founds.
    founding_level: u32,
    access: Arc<Access>,
    reserve: Arc<Reserve>,
    fence: Fence,
    commits: Commits,
    limits: Limits,
    version: String,
    traffic: Traffic,
    /// It has shown every write acknowledged before some moment since its start.
    caught_up_once: AtomicBool,
    stopping: watch::Sender<bool>,
    /// Why the node can not go on.
    failure: watch::Sender<Option<String>>,
    /// Voters of the cluster that this node is founding.
    founding: watch::Sender<Option<u32>>,
    /// Held by the one bootstrap under way.
    bootstrapping: tokio::sync::Mutex<()>,
    /// Held while this node's alarm is being raised.
    raising: tokio::sync::Mutex<()>,
}

impl Node {
    /// What the node says of itself, made now.
    pub fn status(&self) -> NodeStatus {
        let inner = &self.inner;
        let log = inner.replication.status();
        let reader = &inner.reader;
        let (made, failed) = inner.commits.canaries();
        NodeStatus {
            ready: self.judge(&log),
            failure: self.failure().or_else(|| log.fatal.clone()),
            position: reader.applied().map(|_| self.position()),
            digest: reader.digest(),
            open: reader.open(),
            intended_voters: reader.intended_voters(),
            removed: reader.removed().into_iter().collect(),
            fenced: inner.fence.is_up(),
            commits: inner.commits.verdict(),
            canaries: Canaries { made, failed },
            space: inner.reserve.space(),
            disk_full: inner.reserve.is_full(),
            stamp_ahead_millis: ahead_millis(reader.stamp().millis, inner.host.clock.wall().0),
            keys: reader.keys(),
            version: inner.version.clone(),
            log,
        }
    }

    /// Resolves when the status may have changed; whoever waits asks [`Node::status`] then.
    pub fn watch(&self) -> watch::Receiver<node_replication::Status> {
        self.inner.replication.watch()
    }

    /// Resolves when [`NodeStatus::fenced`] may have changed.
    pub fn watch_fence(&self) -> watch::Receiver<bool> {
        self.inner.fence.watch()
    }

    /// Resolves when [`NodeStatus::commits`] may have changed.
    pub fn watch_commits(&self) -> watch::Receiver<Option<bool>> {
        self.inner.commits.watch()
    }

    /// Whether the node may be sent requests.
    pub fn ready(&self) -> Result<(), readiness::NotReady> {
        self.judge(&self.inner.replication.status())
    }

    fn judge(&self, log: &node_replication::Status) -> Result<(), readiness::NotReady> {
        let inner = &self.inner;
        if let Some(failure) = inner.failure.borrow().clone() {
            return Err(readiness::NotReady::Fatal(failure));
        }
        if inner.fence.is_up() {
            return Err(readiness::NotReady::Fenced);
        }
        let caught_up = inner
            .caught_up_once
            .load(std::sync::atomic::Ordering::Relaxed);
        let stopping = *inner.stopping.borrow();
        readiness::judge(log, caught_up, stopping, inner.limits.lag_entries_max)
    }

    /// The state, as far as it is applied on this node.
    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    /// The position of that state.
    pub fn position(&self) -> Position {
        self.inner.reader.position()
    }

    /// Why the node can not go on, if it can not.
    pub fn failure(&self) -> Option<String> {
        self.inner.failure.borrow().clone()
    }

    /// The bounds that the node keeps to.
    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn raising(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.raising
    }

    /// What was asked of the node so far.
    pub fn traffic(&self) -> &Traffic {
        &self.inner.traffic
    }

    /// The node's own folder.
    pub(crate) fn dir(&self) -> &std::path::Path {
        &self.inner.dir
    }

    /// The machine this node runs on.
    pub fn host(&self) -> &Host {
        &self.inner.host
    }

    /// The address that peers are listened for at.
    pub fn peer_listen_address(&self) -> &str {
        self.inner.replication.local_addr()
    }
}
