//! Keeps the history of the keys within bounds: the leader gives up the older half of one that has grown too long, and sees
//! to it that what was given up is removed while nobody writes. The last [`REVISIONS_ANSWERED`] revisions it leaves alone: to
//! give them up would make no room.
//!
//! Both are entries like every write's, so that every node forgets the same. What this does not do: it never waits for one
//! who reads an old revision; to them it is compacted, as it would be after a client's own word.

use std::time::Duration;

use node_engines::kv::{self, REVISIONS_ANSWERED};
use node_engines::{History, Proposal};
use node_replication::Role;

use crate::access::by_the_cluster;
use crate::config::Limits;
use crate::node::Node;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time between two entries that remove what was given up, where no other entries take it along.
const SWEEP_EVERY: Duration = Duration::from_millis(50);

/// Looks after the history for as long as the node lives.
pub async fn watch(node: &Node) {
    loop {
        let command = match node.replication().status().role {
            Role::Leader => next(&node.reader().history(), node.limits()),
            _ => None,
        };
        let sweeps = command == Some(kv::Command::Sweep);
        if let Some(command) = command {
            let proposal = Proposal {
                request: None,
                commands: by_the_cluster(command),
            };
            if let Err(error) = node.propose(proposal).await {
                tracing::debug!(%error, "the history was not cut; it is looked at again");
            }
        }
        tokio::time::sleep(if sweeps { SWEEP_EVERY } else { LOOK_EVERY }).await;
    }
}

/// What is to be done about a history.
fn next(history: &History, limits: &Limits) -> Option<kv::Command> {
    let revisions = history.last.0 - history.compacted.0;
    if revisions > limits.history_revisions_max || history.bytes > limits.history_bytes_max {
        let last = history.last.0.saturating_sub(REVISIONS_ANSWERED);
        let revision = kv::Revision(last.min(history.last.0 - revisions / 2));
        if revision > history.compacted {
            return Some(kv::Command::Compact { revision });
        }
    }
    (history.sweepable > 0).then_some(kv::Command::Sweep)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(compacted: u64, last: u64, bytes: u64, sweepable: usize) -> Option<kv::Command> {
        let history = History {
            compacted: kv::Revision(compacted),
            last: kv::Revision(last),
            bytes,
            sweepable,
        };
        let limits = Limits {
            history_revisions_max: 100_000,
            history_bytes_max: 1_000,
            ..Limits::default()
        };
        next(&history, &limits)
    }

    fn compact(revision: u64) -> Option<kv::Command> {
        let revision = kv::Revision(revision);
        Some(kv::Command::Compact { revision })
    }

    #[test]
    fn a_history_is_cut_in_half_when_it_is_too_long_or_too_large() {
        assert_eq!(after(0, 0, 0, 0), None);
        assert_eq!(after(7, 100_007, 1_000, 0), None);
        assert_eq!(after(7, 100_008, 0, 0), compact(50_008));
        assert_eq!(after(7, 100_008, 0, 5), compact(50_008));
        assert_eq!(after(1_000, 41_000, 1_001, 0), compact(21_000));
        assert_eq!(after(7, 9, 0, 5), Some(kv::Command::Sweep));
    }

    /// However large they are: what replaced values of them have is not given up with a compaction.
    #[test]
    fn the_last_revisions_are_left_alone() {
        let kept = REVISIONS_ANSWERED;
        assert_eq!(after(0, kept, 1_001, 0), None);
        assert_eq!(after(0, kept + 5, 1_001, 0), compact(5));
        assert_eq!(after(5, kept + 5, 1_001, 0), None);
        assert_eq!(after(5, kept + 5, 1_001, 3), Some(kv::Command::Sweep));
    }
}
