//! The words: members, what they do, and changes of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::MemberId;

/// The most voters a cluster has; further members are learners.
pub const VOTERS_MAX: usize = 7;

/// What the log holds about a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Where peers reach it, "host:port", 1 to 255 bytes.
    pub peer_address: String,
    /// The credential it registered when it joined; it never changes.
    pub key: [u8; 32],
    /// The epoch of the last wish that was carried out for it; it only rises.
    pub epoch: u64,
}

/// What a member does, as wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// It votes.
    Voter,
    /// It follows and does not vote.
    Learner,
}

/// A change of membership, carried out as one joint change.
#[derive(Clone, Debug, Default)]
pub struct MemberChange {
    /// Members to add or to change.
    pub set: BTreeMap<MemberId, (Member, MemberRole)>,
    /// Members to remove, for ever.
    pub remove: BTreeSet<MemberId>,
}

/// A whole membership: one set of voters, or two while a joint change is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The sets of voters, each of which must agree.
    pub configs: Vec<BTreeSet<u64>>,
    /// All members, learners too.
    pub members: BTreeMap<u64, Member>,
}

impl Roster {
    /// Every id that votes in any of the sets.
    pub fn voters(&self) -> BTreeSet<u64> {
        self.configs.iter().flatten().copied().collect()
    }

    /// Every member.
    pub fn ids(&self) -> BTreeSet<u64> {
        self.members.keys().copied().collect()
    }
}
