//! Whether a member may begin anew. Pure: what is known goes in.

use std::collections::BTreeSet;

use crate::errors::Refusal;
use crate::ids::{ClusterId, MemberId};
use crate::membership::Roster;

/// The point in history that whoever asks for a recovery knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The incarnation it is of.
    pub incarnation: u32,
    /// The last entry up to it.
    pub index: u64,
}

/// What a member knows when it is asked to begin anew.
#[derive(Clone, Debug)]
pub struct Seen {
    pub me: MemberId,
    pub cluster: Option<ClusterId>,
    pub incarnation: u32,
    pub last_index: Option<u64>,
    /// Its own id was removed, or the cluster began anew without it.
    pub removed: bool,
    /// The leader, if it was heard of lately.
    pub leader: Option<MemberId>,
    /// The newest membership in the log.
    pub roster: Roster,
    /// Members that answer, itself among them.
    pub reached: BTreeSet<u64>,
}

/// Decides. Nothing is changed by asking.
pub fn check(asked: Asked, seen: &Seen) -> Result<(), Refusal> {
    if seen.cluster.is_none() {
        return Err(Refusal::NoCluster);
    }
    if asked.incarnation != seen.incarnation {
        return Err(Refusal::OtherIncarnation {
            given: asked.incarnation,
            current: seen.incarnation,
        });
    }
    if seen.removed {
        return Err(Refusal::Removed(seen.me));
    }
    if !seen.roster.members.contains_key(&seen.me.0) {
        return Err(Refusal::NotAMember(seen.me));
    }
    match seen.last_index {
        Some(last) if asked.index <= last => {}
        last => {
            return Err(Refusal::BeyondTheLog {
                given: asked.index,
                last: last.unwrap_or(0),
            });
        }
    }
    if let Some(leader) = seen.leader {
        return Err(Refusal::Led(leader));
    }
    let reached = |config: &BTreeSet<u64>| config.intersection(&seen.reached).count();
    let majority = |config: &BTreeSet<u64>| reached(config) > config.len() / 2;
    if seen.roster.configs.iter().all(majority) {
        let voters = seen.roster.voters();
        return Err(Refusal::MajorityReached {
            reached: reached(&voters),
            voters: voters.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::Member;

    const ASKED: Asked = Asked {
        incarnation: 4,
        index: 100,
    };

    /// Voter 1 of three, alone.
    fn alone() -> Seen {
        Seen {
            me: MemberId(1),
            cluster: Some(ClusterId([7; 16])),
            incarnation: 4,
            last_index: Some(100),
            removed: false,
            leader: None,
            roster: Roster {
                configs: vec![BTreeSet::from([1, 2, 3])],
                members: (1..=4).map(|id| (id, Member::default())).collect(),
            },
            reached: BTreeSet::from([1]),
        }
    }

    #[track_caller]
    fn refused(seen: Seen, refusal: Refusal) {
        assert_eq!(check(ASKED, &seen), Err(refusal));
    }

    #[test]
    fn a_survivor_alone_may_begin_anew_and_so_may_a_learner() {
        assert_eq!(check(ASKED, &alone()), Ok(()));
        let learner = Seen {
            me: MemberId(4),
            reached: BTreeSet::from([4, 3]),
            ..alone()
        };
        assert_eq!(check(ASKED, &learner), Ok(()));
    }

    #[test]
    fn a_position_of_another_incarnation_was_obeyed_before_or_is_not_ours() {
        for current in [3, 5] {
            let seen = Seen {
                incarnation: current,
                ..alone()
            };
            refused(seen, Refusal::OtherIncarnation { given: 4, current });
        }
    }

    #[test]
    fn a_position_beyond_the_log_asks_for_another_node() {
        for (last_index, last) in [(Some(99), 99), (None, 0)] {
            let seen = Seen {
                last_index,
                ..alone()
            };
            refused(seen, Refusal::BeyondTheLog { given: 100, last });
        }
    }

    #[test]
    fn where_a_leader_or_a_majority_is_nothing_is_lost() {
        let led = Seen {
            leader: Some(MemberId(3)),
            ..alone()
        };
        refused(led, Refusal::Led(MemberId(3)));
        let two = Seen {
            reached: BTreeSet::from([1, 3]),
            ..alone()
        };
        let (reached, voters) = (2, 3);
        refused(two, Refusal::MajorityReached { reached, voters });
        // A learner is no voter.
        let with_learner = Seen {
            reached: BTreeSet::from([1, 4]),
            ..alone()
        };
        assert_eq!(check(ASKED, &with_learner), Ok(()));
    }

    #[test]
    fn a_joint_membership_needs_a_majority_of_both() {
        let joint = |reached: &[u64]| {
            let mut seen = alone();
            seen.roster.configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([3, 4, 5])];
            seen.reached = reached.iter().copied().collect();
            seen
        };
        assert_eq!(check(ASKED, &joint(&[1, 2])), Ok(()));
        let (reached, voters) = (3, 5);
        refused(
            joint(&[1, 3, 4]),
            Refusal::MajorityReached { reached, voters },
        );
    }

    #[test]
    fn who_does_not_belong_recovers_nothing() {
        let empty = Seen {
            cluster: None,
            ..alone()
        };
        refused(empty, Refusal::NoCluster);
        let removed = Seen {
            removed: true,
            ..alone()
        };
        refused(removed, Refusal::Removed(MemberId(1)));
        let stranger = Seen {
            me: MemberId(9),
            ..alone()
        };
        refused(stranger, Refusal::NotAMember(MemberId(9)));
    }
}
