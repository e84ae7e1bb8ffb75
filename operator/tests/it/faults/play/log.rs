//! The log of a played cluster: who is a member, who leads, and how wishes change that. Pure, and with the guards of
//! the real admin API: a rising epoch for each member, a live majority for each change, no removed id ever again.

use std::collections::{BTreeMap, BTreeSet};

use crds::{ClusterNodeSpec, Leadership, Membership};

/// A node whose pod runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// Member id on its disk.
    pub member: String,
    /// UID of its pod.
    pub pod: String,
}

/// The log as its members know it; it outlives every process, as disks do.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Members that vote.
    pub voters: BTreeSet<String>,
    /// Members that do not.
    pub learners: BTreeSet<String>,
    /// Members that were removed, in order.
    pub removed: Vec<String>,
    /// The member that leads, and the UID of its pod.
    pub leader: Option<(String, String)>,
    /// Rises with each election.
    pub term: i64,
    /// Rises with each change of the members.
    pub changes: u64,
    /// Voters that must have joined before writes are accepted.
    pub intended: usize,
    /// True once they have.
    pub open: bool,
    epochs: BTreeMap<String, i64>,
}

impl Log {
    /// True once a cluster was formed.
    pub fn is_formed(&self) -> bool {
        self.intended > 0
    }

    /// True where `member` votes or learns.
    pub fn is_member(&self, member: &str) -> bool {
        self.voters.contains(member) || self.learners.contains(member)
    }

    /// Lets everything happen that can, with these processes and wishes.
    pub fn settle(&mut self, running: &[Running], wishes: &[ClusterNodeSpec]) {
        self.form(running, wishes);
        self.elect(running, wishes);
        while self.leader.is_some()
            && (self.hand_over(running, wishes) || self.follow(running, wishes))
        {}
        self.open |= self.is_formed() && self.voters.len() >= self.intended;
    }

    fn form(&mut self, running: &[Running], wishes: &[ClusterNodeSpec]) {
        if self.is_formed() {
            return;
        }
        let order = wishes.iter().find_map(|wish| wish.bootstrap.as_ref());
        let found = order.and_then(|order| {
            let first = running.iter().find(|one| one.member == order.member_id)?;
            Some((first, order))
        });
        if let Some((first, order)) = found {
            self.voters.insert(first.member.clone());
            self.intended = usize::try_from(order.voters).unwrap_or(1);
        }
    }

    fn alive<'a>(&self, running: &'a [Running]) -> impl Iterator<Item = &'a Running> {
        let voters = self.voters.clone();
        running
            .iter()
            .filter(move |one| voters.contains(&one.member))
    }

    /// A leader whose process is gone is followed by another voter, one that may lead where there is such a one.
    fn elect(&mut self, running: &[Running], wishes: &[ClusterNodeSpec]) {
        let stays = self.leader.as_ref().is_some_and(|(member, pod)| {
            self.alive(running)
                .any(|one| one.member == *member && one.pod == *pod)
        });
        if stays {
            return;
        }
        self.leader = None;
        if self.alive(running).count() * 2 > self.voters.len() {
            let next = self
                .alive(running)
                .max_by_key(|one| may_lead(wishes, &one.member))
                .cloned();
            self.lead(next);
        }
    }

    fn lead(&mut self, next: Option<Running>) {
        self.term += i64::from(next.is_some());
        self.leader = next.map(|next| (next.member, next.pod));
    }

    /// The leader hands over when it should not lead, or should not vote.
    fn hand_over(&mut self, running: &[Running], wishes: &[ClusterNodeSpec]) -> bool {
        let Some((leader, _)) = self.leader.clone() else {
            return false;
        };
        let leaves = wishes.iter().any(|wish| {
            let younger = wish.epoch > self.epochs.get(&leader).copied().unwrap_or_default();
            let no_vote = wish.membership != Membership::Voter && younger;
            wish.member_id.as_ref() == Some(&leader)
                && (wish.leadership == Leadership::Avoid || no_vote)
        });
        let next = self
            .alive(running)
            .find(|one| one.member != leader && may_lead(wishes, &one.member))
            .cloned();
        if !leaves || next.is_none() {
            return false;
        }
        self.lead(next);
        true
    }

    /// Follows the most urgent wish that the guards allow: joins, promotions, demotions, removals.
    fn follow(&mut self, running: &[Running], wishes: &[ClusterNodeSpec]) -> bool {
        let mut wanted: Vec<(u8, &str, &ClusterNodeSpec)> = wishes
            .iter()
            .filter_map(|wish| Some((wish.member_id.as_deref()?, wish)))
            .filter(|(member, wish)| self.may_follow(running, member, wish))
            .map(|(member, wish)| {
                let rank = match (wish.membership, self.is_member(member)) {
                    (Membership::Learner, false) => 0,
                    (Membership::Voter, _) => 1,
                    (Membership::Learner, true) => 2,
                    (Membership::Removed, _) => 3,
                };
                (rank, member, wish)
            })
            .collect();
        wanted.sort_by_key(|(rank, member, _)| (*rank, *member));
        let Some((_, member, wish)) = wanted.first() else {
            return false;
        };
        self.voters.remove(*member);
        self.learners.remove(*member);
        match wish.membership {
            // Whoever joins learns first.
            Membership::Voter => self.voters.insert((*member).to_owned()),
            Membership::Learner => self.learners.insert((*member).to_owned()),
            Membership::Removed => {
                self.removed.push((*member).to_owned());
                true
            }
        };
        self.epochs.insert((*member).to_owned(), wish.epoch);
        self.changes += 1;
        true
    }

    fn may_follow(&self, running: &[Running], member: &str, wish: &ClusterNodeSpec) -> bool {
        let runs = running.iter().any(|one| one.member == member);
        let votes = self.voters.contains(member);
        let agrees = match wish.membership {
            Membership::Voter => votes,
            Membership::Learner => self.learners.contains(member),
            Membership::Removed => !self.is_member(member),
        };
        let younger = self
            .epochs
            .get(member)
            .is_none_or(|known| wish.epoch > *known);
        let leads = self
            .leader
            .as_ref()
            .is_some_and(|(leader, _)| leader == member);
        let comes = wish.membership != Membership::Removed;
        if agrees
            || !younger
            || leads && wish.membership != Membership::Voter
            || comes && (!runs || self.removed.iter().any(|removed| removed == member))
        {
            return false;
        }
        let mut voters = self.voters.clone();
        voters.remove(member);
        if wish.membership == Membership::Voter {
            voters.insert(member.to_owned());
        }
        let alive = running
            .iter()
            .filter(|one| voters.contains(&one.member))
            .count();
        alive * 2 > voters.len()
    }
}

fn may_lead(wishes: &[ClusterNodeSpec], member: &str) -> bool {
    !wishes.iter().any(|wish| {
        wish.member_id.as_deref() == Some(member)
            && (wish.leadership == Leadership::Avoid || wish.membership != Membership::Voter)
    })
}
