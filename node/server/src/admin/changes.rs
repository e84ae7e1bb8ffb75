//! When a watcher looks again.

use std::time::Duration;

use node_replication::Status;
use tokio::sync::watch::Receiver;

use crate::node::Node;

/// A watcher hears of changes at most so often.
const PAUSE: Duration = Duration::from_millis(100);
/// What nobody announces (the disk, readiness) is looked for so often.
const LOOK: Duration = Duration::from_secs(1);

/// What announces changes of a node's status.
pub struct Changes {
    log: Receiver<Status>,
    fence: Receiver<bool>,
    commits: Receiver<Option<bool>>,
}

impl Changes {
    /// The changes from now on.
    pub fn of(node: &Node) -> Changes {
        Changes {
            log: node.watch(),
            fence: node.watch_fence(),
            commits: node.watch_commits(),
        }
    }

    /// Waits for a moment to look.
    pub async fn next(&mut self) {
        tokio::time::sleep(PAUSE).await;
        // A log that has ended changes no more; the pause is then all there is.
        tokio::select! {
            biased;
            _ = self.log.changed() => {}
            _ = self.fence.changed() => {}
            _ = self.commits.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }

    /// What changed so far is seen by the look that follows.
    pub fn mark_seen(&mut self) {
        self.log.mark_unchanged();
        self.fence.mark_unchanged();
        self.commits.mark_unchanged();
    }
}
