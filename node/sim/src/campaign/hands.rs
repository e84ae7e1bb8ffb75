//! The hands that a cluster is in: whoever starts nodes again, and wishes who is a member.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use node_replication::MemberId;
use node_server::NodeStatus;

use super::agents::Agents;
use super::run::{MACHINES, VOTERS};
use super::wishes;
use crate::World;
use crate::host::{Chance, FAILED_ON_PURPOSE};

/// The longest time until a node that ended is started again.
const START_AFTER_MS_MAX: u64 = 3000;
/// How often membership is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// How long a removed member may take to hear of it.
const STRANGER_FOR: Duration = Duration::from_secs(30);

/// Who runs the cluster.
pub struct Hands {
    chance: Chance,
    /// Machines whose nodes are to vote.
    wanted: BTreeSet<usize>,
    /// When each machine that is down is started.
    starts: BTreeMap<usize, Duration>,
    /// Machines whose log was damaged on purpose: their nodes may refuse it.
    damaged: BTreeSet<usize>,
    /// Machines whose nodes belonged to the cluster when they last ran.
    belonged: BTreeSet<usize>,
    /// Members that were removed and go on running, and until when that is waited for.
    strangers: BTreeMap<MemberId, Duration>,
    agents: Agents,
    looks_at: Duration,
    refused: u64,
}

impl Hands {
    /// Hands that want the first machines to vote, which do.
    pub fn new(chance: Chance, world: &World) -> Hands {
        Hands {
            agents: Agents::new(chance.split(), world),
            chance,
            wanted: (0..VOTERS).collect(),
            starts: BTreeMap::new(),
            damaged: BTreeSet::new(),
            belonged: (0..VOTERS).collect(),
            strangers: BTreeMap::new(),
            looks_at: Duration::ZERO,
            refused: 0,
        }
    }

    /// Machines whose nodes are to vote.
    pub fn wanted(&self) -> &BTreeSet<usize> {
        &self.wanted
    }

    /// Disks that were found damaged, and replaced.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Wants machine `n` to vote, too.
    pub fn grow(&mut self, n: usize) {
        let mut machines = (n..MACHINES).chain(0..n);
        let new = machines.find(|n| !self.wanted.contains(n));
        self.wanted.extend(new);
    }

    /// Wants machine `n`, or the one after it, to vote no more.
    pub fn shrink(&mut self, n: usize) {
        if self.wanted.len() <= VOTERS {
            return;
        }
        let leaves = self.wanted.range(n..).next().or(self.wanted.first());
        if let Some(leaves) = leaves.copied() {
            self.wanted.remove(&leaves);
        }
    }

    /// Has the leader hand leadership over.
    pub fn hand_over(&self, world: &World) {
        let Some((n, node)) = world.leader().and_then(|n| Some((n, world.node(n)?))) else {
            return;
        };
        // Whether it works hangs on what else goes wrong.
        world.spawn(n, async move { drop(node.transfer_leadership(None).await) });
    }

    /// Has machine `n` build a snapshot.
    pub fn snapshot(&self, n: usize, world: &World) {
        if let Some(node) = world.node(n) {
            world.spawn(n, async move { drop(node.snapshot().await) });
        }
    }

    /// True where the disk of machine `n` may be lost without losing what was acknowledged, or the majority: nothing of the
    /// membership is under way, and every voter is a disk that is there and has everything.
    pub fn may_lose(&self, n: usize, world: &World) -> bool {
        let Some(leader) = world.leader().and_then(|n| world.status(n)) else {
            return false;
        };
        let there: BTreeSet<MemberId> = (0..world.size()).filter_map(|n| world.id(n)).collect();
        let settled =
            !leader.log.membership_joint && leader.log.membership_at <= leader.log.committed;
        let voters = leader.log.members.iter().filter(|member| member.voter);
        let last = leader.log.last_log.map_or(0, |id| id.index);
        let whole = voters
            .clone()
            .all(|voter| there.contains(&voter.id) && voter.matched.is_some_and(|at| at >= last));
        settled
            && whole
            && voters.count() >= VOTERS
            && world.is_running(n)
            && self.damaged.is_empty()
    }

    /// Nobody reaches the API server for a while.
    pub fn cut_off_agents(&mut self, until: Duration) {
        self.agents.cut_off(until);
    }

    /// The log of machine `n` was damaged: its node may refuse to start on it.
    pub fn expect_refusal(&mut self, n: usize) {
        self.damaged.insert(n);
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When a node refuses a disk that nobody damaged.
    pub fn step(&mut self, world: &mut World) -> Result<(), String> {
        for n in 0..world.size() {
            self.keep_running(n, world)?;
        }
        self.agents.step(world);
        if world.age() >= self.looks_at {
            self.looks_at = world.age() + LOOKS_EVERY;
            self.look_at_members(world);
        }
        Ok(())
    }

    fn keep_running(&mut self, n: usize, world: &mut World) -> Result<(), String> {
        if let Some(why) = world.refusal(n) {
            if FAILED_ON_PURPOSE.iter().any(|fault| why.contains(fault)) {
                world.kill(n);
            } else if self.damaged.contains(&n) {
                self.refused += 1;
                world.lose_disk(n);
            } else {
                return Err(format!("n{n} refuses a disk that nobody damaged: {why}"));
            }
        }
        if world.node(n).is_some_and(|node| node.failure().is_some()) {
            world.kill(n);
        }
        let told = world.told(n);
        if let Some(status) = told {
            match status.log.cluster.is_some() && !status.log.self_removed {
                true => self.belonged.insert(n),
                false => self.belonged.remove(&n),
            };
        }
        let belongs = self.wanted.contains(&n) || self.belonged.contains(&n);
        if world.is_running(n) {
            self.starts.remove(&n);
            if !belongs || told.is_some_and(|status| status.log.self_removed) {
                world.kill(n);
            }
            return Ok(());
        }
        if !belongs {
            return Ok(());
        }
        let after = Duration::from_millis(self.chance.below(START_AFTER_MS_MAX));
        let due = *self.starts.entry(n).or_insert(world.age() + after);
        if world.age() >= due {
            world.start(n);
        }
        Ok(())
    }

    /// Has what is wanted of the members wished.
    fn look_at_members(&mut self, world: &mut World) {
        // A disk that was damaged and has come back whole is one like the others.
        let whole = |n: &usize| world.status(*n).is_some_and(|status| status.ready.is_ok());
        self.damaged.retain(|n| !whole(n));
        if let Some(leader) = world.leader().and_then(|n| world.status(n)) {
            self.renew_strangers(&leader, world);
        }
        if let Some(nodes) = self.agents.nodes(world.age()) {
            wishes::wish(nodes, &self.wanted);
        }
    }

    /// A node that was removed while it was away, and knows nobody any more who could tell it so, gets an empty disk from
    /// whoever runs the cluster.
    fn renew_strangers(&mut self, leader: &NodeStatus, world: &mut World) {
        for n in 0..world.size() {
            let id = world.id(n).filter(|id| leader.log.removed.contains(id));
            let Some(id) = id else { continue };
            let until = *self
                .strangers
                .entry(id)
                .or_insert(world.age() + STRANGER_FOR);
            if world.age() >= until {
                world.lose_disk(n);
            }
        }
    }
}
