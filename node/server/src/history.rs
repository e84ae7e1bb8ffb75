//! Keeps the history of the keys within bounds: the leader gives up the older half of one that has grown too long, and sees
//! to it that what was given up is removed while nobody writes.
//!
//! Both are entries like every write's, so that every node forgets the same. What this does not do: it never waits for one
//! who reads an old revision; to them it is compacted, as it would be after a client's own word.

use std::time::Duration;

use node_engines::{Command, History, Proposal, kv};
use node_replication::Role;

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
                commands: vec![Command::Kv(command)],
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
    if revisions > limits.history_revisions_max
        || (history.bytes > limits.history_bytes_max && revisions > 1)
    {
        let revision = kv::Revision(history.last.0 - revisions / 2);
        return Some(kv::Command::Compact { revision });
    }
    (history.sweepable > 0).then_some(kv::Command::Sweep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_cut_in_half_when_it_is_too_long_or_too_large() {
        let limits = Limits {
            history_revisions_max: 100,
            history_bytes_max: 1000,
            ..Limits::default()
        };
        let after = |compacted, last, bytes, sweepable| {
            let history = History {
                compacted: kv::Revision(compacted),
                last: kv::Revision(last),
                bytes,
                sweepable,
            };
            next(&history, &limits)
        };
        let compact = |revision| {
            let revision = kv::Revision(revision);
            Some(kv::Command::Compact { revision })
        };
        assert_eq!(after(0, 0, 0, 0), None);
        assert_eq!(after(7, 107, 1000, 0), None);
        assert_eq!(after(7, 108, 0, 0), compact(58));
        assert_eq!(after(7, 108, 0, 5), compact(58));
        assert_eq!(after(100, 104, 1001, 0), compact(102));
        // What is left is what the keys have now.
        assert_eq!(after(104, 105, 1001, 0), None);
        assert_eq!(after(7, 9, 0, 5), Some(kv::Command::Sweep));
    }
}
