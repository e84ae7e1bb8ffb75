//! A world of nodes, its time, and the faults that can be done to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_replication::{MemberId, Role};
use node_server::{Loss, MemberWish, Node, NodeStatus};

use crate::host::{Chance, Network};
use crate::member::Member;
use crate::trace::Trace;

/// How finely the nodes' clocks are kept together.
const STEP: Duration = Duration::from_millis(1);
/// How long the forming of a cluster may take.
const FORM_WITHIN: Duration = Duration::from_secs(30);

/// A world of nodes.
pub struct World {
    members: Vec<Member>,
    network: Network,
    chance: Chance,
    age: Duration,
    trace: Trace,
    /// What was last noted of each node.
    noted: Vec<String>,
}

impl World {
    /// A world of `count` machines with empty disks, none of them running. All chance in it comes from `seed`.
    pub fn new(seed: u64, count: usize) -> Self {
        let chance = Chance::new(seed);
        let members = (0..count)
            .map(|n| Member::new(&format!("n{n}"), &chance))
            .collect();
        Self {
            members,
            network: Network::new(chance.split()),
            chance,
            age: Duration::ZERO,
            trace: Trace::default(),
            noted: vec![String::new(); count],
        }
    }

    /// A world whose nodes run and have formed a cluster that takes writes.
    ///
    /// # Panics
    /// When the cluster is not formed in thirty seconds of its time.
    pub fn formed(seed: u64, count: usize) -> Self {
        let mut world = Self::new(seed, count);
        (0..count).for_each(|n| world.start(n));
        world.until(FORM_WITHIN, "every node has started", |world| {
            (0..count).all(|n| world.node(n).is_some())
        });
        let first = world.status(0).map(|s| s.log.member).unwrap_or_default();
        world.call(0, move |node| async move {
            node.bootstrap(first, count as u32).await.is_ok()
        });
        for n in 1..count {
            world.bring_in(0, n);
        }
        world.until(FORM_WITHIN, "the cluster takes writes", |world| {
            (0..count).all(|n| world.status(n).is_some_and(|s| s.open && s.ready.is_ok()))
        });
        world
    }

    /// Makes the node of machine `n` a voter, through the one that leads on machine `leader`.
    ///
    /// # Panics
    /// When the leader refuses for good.
    pub fn bring_in(&mut self, leader: usize, n: usize) {
        let Some(status) = self.status(n) else { return };
        for (epoch, voter) in [(1, false), (2, true)] {
            let (id, key, address) = (
                status.log.member,
                status.log.public_key,
                status.log.peer_address.clone(),
            );
            self.call(leader, move |node| {
                let member = node_replication::Member {
                    peer_address: address.clone(),
                    key,
                    epoch,
                };
                let wish = if voter {
                    MemberWish::Voter(member)
                } else {
                    MemberWish::Learner(member)
                };
                async move { node.change_member(id, wish, None).await.is_ok() }
            });
        }
    }

    /// Has the node of machine `n` begin anew alone, at what it has applied.
    ///
    /// # Panics
    /// When it refuses for good.
    pub fn recover(&mut self, n: usize) {
        self.trace.note(self.age, format!("n{n} is to begin anew"));
        self.call(n, move |node| async move {
            let (member, position) = (node.status().log.member, node.position());
            let begun = node.recover(member, position, Loss::Acknowledged).await;
            begun.is_ok()
        });
    }

    /// Like [`World::recover`], and waits for nothing.
    pub fn begin_recovery(&self, n: usize) {
        let Some(node) = self.node(n) else { return };
        self.trace.note(self.age, format!("n{n} begins anew"));
        let (member, position) = (node.status().log.member, node.position());
        self.spawn(n, async move {
            // Its end may come first.
            drop(node.recover(member, position, Loss::Acknowledged).await);
        });
    }

    /// Repeats a call on a node until it is done.
    fn call<F: Future<Output = bool> + Send + 'static>(
        &mut self,
        n: usize,
        call: impl Fn(Node) -> F,
    ) {
        for _ in 0..200 {
            let Some(node) = self.node(n) else { break };
            let done = Arc::new(Mutex::new(None));
            let (result, future) = (done.clone(), call(node));
            self.spawn(n, async move {
                let answer = future.await;
                *result
                    .lock()
                    .expect("invariant: nobody panics while answering") = Some(answer);
            });
            let answer = || {
                *done
                    .lock()
                    .expect("invariant: nobody panics while answering")
            };
            self.until(FORM_WITHIN, "an administrative call is answered", |_| {
                answer().is_some()
            });
            if answer() == Some(true) {
                return;
            }
            self.live(Duration::from_millis(50));
        }
        unreachable!(
            "an administrative call was refused for good; the run so far:\n{}",
            self.trace.lines().join("\n")
        );
    }

    /// How long the world has existed.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// How many machines there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// The world's chance, for faults and loads.
    pub fn chance(&self) -> &Chance {
        &self.chance
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The node of machine `n`, if it runs and has started.
    pub fn node(&self, n: usize) -> Option<Node> {
        self.members.get(n)?.node()
    }

    /// What that node says of itself.
    pub fn status(&self, n: usize) -> Option<NodeStatus> {
        self.members.get(n)?.status()
    }

    /// The machine whose node leads, as it says itself.
    pub fn leader(&self) -> Option<usize> {
        let leads = |n: &usize| self.status(*n).is_some_and(|s| s.log.role == Role::Leader);
        (0..self.size())
            .filter(leads)
            .max_by_key(|n| self.status(*n).map(|s| s.log.term))
    }

    /// The member id of machine `n`'s node.
    pub fn id(&self, n: usize) -> Option<MemberId> {
        Some(self.status(n)?.log.member)
    }

    /// Starts machine `n`, unless it runs.
    pub fn start(&mut self, n: usize) {
        let (network, age) = (self.network.clone(), self.age);
        if let Some(member) = self
            .members
            .get_mut(n)
            .filter(|member| !member.is_running())
        {
            self.trace.note(age, format!("{} starts", member.name));
            member.start(&network, age);
        }
    }

    /// Takes the power from machine `n`.
    pub fn crash(&mut self, n: usize) {
        let (network, age) = (self.network.clone(), self.age);
        if let Some(member) = self.members.get_mut(n).filter(|member| member.is_running()) {
            self.trace.note(age, format!("{} crashes", member.name));
            member.crash(&network);
        }
    }

    /// Fills the disk of machine `n` until so much is left, or empties it.
    pub fn leave(&self, n: usize, available_bytes: u64) {
        if let Some(member) = self.members.get(n) {
            let left = format!("{} has {available_bytes} bytes left", member.name);
            self.trace.note(self.age, left);
            member.leave(available_bytes);
        }
    }

    /// Cuts machine `n` off from the others.
    pub fn isolate(&self, n: usize) {
        if let Some(member) = self.members.get(n) {
            self.trace
                .note(self.age, format!("{} is cut off", member.name));
            self.network.isolate(&member.name);
        }
    }

    /// Joins machine `n` to the others again.
    pub fn heal(&self, n: usize) {
        if let Some(member) = self.members.get(n) {
            self.trace
                .note(self.age, format!("{} is healed", member.name));
            self.network.heal(&member.name);
        }
    }

    /// Runs a task on machine `n`; a crash ends it.
    pub fn spawn(&self, n: usize, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(member) = self.members.get(n) {
            member.spawn(task);
        }
    }

    /// Lets all nodes live for `span`.
    pub fn live(&mut self, span: Duration) {
        let end = self.age + span;
        while self.age < end {
            for member in &self.members {
                member.live(STEP);
            }
            self.age += STEP;
            self.note_changes();
        }
    }

    /// Lets all nodes live until `condition` holds.
    ///
    /// # Panics
    /// When it does not within `span`, with the run so far.
    pub fn until(&mut self, span: Duration, what: &str, condition: impl Fn(&World) -> bool) {
        let end = self.age + span;
        while !condition(self) {
            assert!(
                self.age < end,
                "waited in vain until {what}; the run so far:\n{}",
                self.trace.lines().join("\n")
            );
            self.live(STEP);
        }
    }

    fn note_changes(&mut self) {
        for n in 0..self.size() {
            let Some(status) = self.status(n) else {
                continue;
            };
            let log = status.log;
            let index = |id: Option<node_replication::LogId>| id.map_or(0, |id| id.index);
            let now = format!(
                "n{n} {:?} term {} last {} committed {} applied {} members {} fatal {:?}",
                log.role,
                log.term,
                index(log.last_log),
                index(log.committed),
                index(log.applied),
                log.members.len(),
                log.fatal
            );
            if let Some(noted) = self.noted.get_mut(n).filter(|noted| **noted != now) {
                self.trace.note(self.age, &now);
                *noted = now;
            }
        }
    }
}
