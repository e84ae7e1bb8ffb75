//! What follows when others turn this member down for good: it votes no more.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use crate::ids::MemberId;
use crate::peers::Denial;
use crate::raft::observer::{Metrics, Observer};

impl Observer {
    /// A member that lost what it acknowledged stops standing for election: its word counts no more.
    pub fn notice_lost_log(&self, metrics: &Metrics) {
        if self.log_lost.load(Ordering::Relaxed) {
            return;
        }
        if self.is_turned_down(metrics, Denial::LogBehindAcknowledged) {
            self.log_lost.store(true, Ordering::Relaxed);
            self.raft.runtime_config().elect(false);
            tracing::warn!(
                "the log of this member ends before what it once acknowledged; it votes no more"
            );
        }
    }

    /// Whether this member is turned down for this reason, by those whose word is enough.
    pub fn is_turned_down(&self, metrics: &Metrics, denial: Denial) -> bool {
        let me = self.raft.node_id();
        let members = metrics.membership_config.nodes();
        let others = members.filter(|(id, _)| *id != me).count();
        let (_, _, denied_by) = self.gate.counts();
        let leader = metrics.current_leader.map(MemberId);
        counts_as_turned_down(&denied_by, leader, others, denial)
    }
}

/// What follows from a denial cannot be taken back. Whoever says that a member was removed has it from a committed entry of
/// the same history, and its word is enough: the others that the member knows may have been removed as well. Otherwise it
/// takes the leader that this member follows, or most of the others.
fn counts_as_turned_down(
    denied_by: &BTreeMap<MemberId, Denial>,
    leader: Option<MemberId>,
    others: usize,
    denial: Denial,
) -> bool {
    let by_leader = leader.and_then(|leader| denied_by.get(&leader)) == Some(&denial);
    let count = denied_by.values().filter(|found| **found == denial).count();
    let enough = match denial {
        Denial::Removed => 0,
        _ => others / 2,
    };
    by_leader || count > enough
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_alone_turns_nobody_down_unless_it_leads_or_tells_of_a_removal() {
        let (behind, other) = (Denial::LogBehindAcknowledged, Denial::OtherCluster);
        let by = |denials: &[(u64, Denial)]| -> BTreeMap<MemberId, Denial> {
            denials
                .iter()
                .map(|(id, why)| (MemberId(*id), *why))
                .collect()
        };
        let leader = Some(MemberId(1));
        for (denied_by, leader, others, expected) in [
            (by(&[]), leader, 2, false),
            (by(&[(2, behind)]), leader, 2, false),
            (by(&[(2, behind)]), None, 2, false),
            (by(&[(1, behind)]), leader, 4, true),
            (by(&[(1, other), (2, behind)]), leader, 2, false),
            (by(&[(2, behind), (3, behind)]), leader, 3, true),
            (by(&[(2, behind), (3, behind)]), leader, 4, false),
            // It knows nobody: whoever calls it must be right.
            (by(&[(2, behind)]), None, 0, true),
        ] {
            let found = counts_as_turned_down(&denied_by, leader, others, behind);
            assert_eq!(found, expected, "{denied_by:?} {leader:?} {others}");
        }
        let removed = Denial::Removed;
        for (denied_by, expected) in [(by(&[(2, removed)]), true), (by(&[(2, other)]), false)] {
            let found = counts_as_turned_down(&denied_by, leader, 6, removed);
            assert_eq!(found, expected, "{denied_by:?}");
        }
    }
}
