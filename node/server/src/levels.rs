//! The feature level: it rises when every member's program knows the next one, so that a roll from one program to another ends
//! with what the new one can do, and no member meets what it does not know.
//!
//! Each member tells the leader what it knows; the leader raises the level when it has heard of all of them, learners too. A
//! program of before that says nothing, and so holds the level where it is. What this does not do: it never lowers a level.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use node_engines::{Command, FEATURE_LEVEL_MAX, Proposal, system};
use node_replication::{MemberId, Role};
use tokio::time::Instant;

use crate::node::Node;
use crate::questions::Question;

/// Time between two words to the leader, while there is something to say.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// So long a word counts.
const WORD_COUNTS: Duration = Duration::from_secs(6);

/// On the leader: which levels the members know.
#[derive(Default)]
pub struct Levels {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The term that it was told in.
    term: u64,
    /// With the time of each word: later, a member may have been rolled back to an older program.
    up_to: BTreeMap<MemberId, (u32, Instant)>,
}

impl Levels {
    /// A member's program knows the levels up to this one.
    pub fn note(&self, term: u64, member: MemberId, level: u32) {
        // Nothing panics between two changes that belong together.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if term > known.term {
            *known = Known {
                term,
                up_to: BTreeMap::new(),
            };
        }
        known.up_to.insert(member, (level, Instant::now()));
    }

    /// The level that all these members know. Nothing while one has not said so of late, and in this term.
    fn of_all(&self, term: u64, members: impl Iterator<Item = MemberId>) -> Option<u32> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.term != term {
            return None;
        }
        let fresh =
            |(level, told): &(u32, Instant)| (told.elapsed() < WORD_COUNTS).then_some(*level);
        let levels = members.map(|member| known.up_to.get(&member).and_then(fresh));
        levels.min().flatten()
    }
}

/// Tells the leader what this member knows, and as the leader raises the level, for as long as the node lives.
pub async fn watch(node: &Node) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        let reader = node.reader();
        // While the first voters join, an older program may be among them.
        if !reader.open() || reader.feature_level() >= FEATURE_LEVEL_MAX {
            continue;
        }
        let status = node.replication().status();
        let question = Question::Knows(status.member, FEATURE_LEVEL_MAX).encode();
        if let Err(error) = node.replication().ask_leader(question).await {
            tracing::debug!(
                reason = error.reason,
                "the leader did not hear what this member knows"
            );
            continue;
        }
        let members = status.members.iter().map(|member| member.id);
        let known = node.levels().of_all(status.term, members);
        if status.role == Role::Leader
            && let Some(feature_level) = known.filter(|level| *level > reader.feature_level())
        {
            raise(node, feature_level).await;
        }
    }
}

async fn raise(node: &Node, feature_level: u32) {
    let command = system::Command::Raise { feature_level };
    let proposal = Proposal {
        request: None,
        commands: vec![Command::System(command)],
    };
    match node.propose(proposal).await {
        Ok(_) => tracing::info!(
            feature_level,
            "every member knows it: the feature level was raised"
        ),
        Err(error) => {
            tracing::debug!(%error, "the feature level was not raised; it is tried again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_every_member_knows_counts_and_only_of_this_term() {
        let levels = Levels::default();
        let of = |term, members: &[u64]| levels.of_all(term, members.iter().copied().map(MemberId));
        levels.note(1, MemberId(1), 3);
        assert_eq!(of(1, &[1]), Some(3));
        assert_eq!(of(1, &[1, 2]), None);
        levels.note(1, MemberId(2), 2);
        assert_eq!(of(1, &[1, 2]), Some(2));
        assert_eq!(of(2, &[1, 2]), None);
        levels.note(2, MemberId(2), 3);
        assert_eq!(of(2, &[1, 2]), None);
        levels.note(2, MemberId(1), 3);
        assert_eq!(of(2, &[1, 2]), Some(3));
        assert_eq!(of(2, &[]), None);
    }
}
