//! A world of nodes, its time, and the faults that can be done to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_host::Flaw;
use node_replication::{MemberId, Role};
use node_server::{FEATURE_LEVEL_MAX, Loss, MemberWish, Node, NodeStatus};
use tokio::sync::watch;

use crate::host::{Chance, Network};
use crate::member::{End, Member};
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
    /// What was last noted of each node, and what tells that it changed.
    noted: Vec<String>,
    watched: Vec<Option<(u64, watch::Receiver<node_replication::Status>)>>,
    news: Vec<(usize, NodeStatus)>,
    /// What each node that runs last said of itself.
    told: Vec<Option<NodeStatus>>,
}

impl World {
    /// A world of `count` machines with empty disks, none of them running. All chance in it comes from `seed`.
    pub fn new(seed: u64, count: usize) -> Self {
        Self::flawed(seed, count, None)
    }

    /// A world whose nodes make a mistake.
    fn flawed(seed: u64, count: usize, flaw: Option<Flaw>) -> Self {
        let chance = Chance::new(seed);
        // Half of the clusters begin at a lower feature level than the programs know, and are raised in the middle of it all.
        let founding_level = FEATURE_LEVEL_MAX - u32::from(seed % 2 == 1);
        let members = (0..count)
            .map(|n| Member::new(&format!("n{n}"), &chance, flaw, founding_level))
            .collect();
        Self {
            members,
            network: Network::new(chance.split()),
            chance,
            age: Duration::ZERO,
            trace: Trace::default(),
            noted: vec![String::new(); count],
            watched: (0..count).map(|_| None).collect(),
            news: Vec::new(),
            told: (0..count).map(|_| None).collect(),
        }
    }

    /// A world whose nodes run and have formed a cluster that takes writes.
    ///
    /// # Panics
    /// When the cluster is not formed in thirty seconds of its time.
    pub fn formed(seed: u64, count: usize) -> Self {
        Self::formed_of(seed, count, count, None)
    }

    /// A world of `machines`, of which the first `count` run and have formed a cluster that takes writes; its nodes make
    /// the mistake that `flaw` says.
    ///
    /// # Panics
    /// When the cluster is not formed in thirty seconds of its time.
    pub fn formed_of(seed: u64, machines: usize, count: usize, flaw: Option<Flaw>) -> Self {
        let mut world = Self::flawed(seed, machines, flaw);
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
        self.end(n, End::PowerLoss);
    }

    /// Kills the node of machine `n`, whose disk keeps what was written.
    pub fn kill(&mut self, n: usize) {
        self.end(n, End::Kill);
    }

    fn end(&mut self, n: usize, how: End) {
        let (network, age) = (self.network.clone(), self.age);
        if let Some(member) = self.members.get_mut(n).filter(|member| member.is_running()) {
            self.trace
                .note(age, format!("{} ends: {how:?}", member.name));
            member.end(how, &network);
        }
        if let Some(told) = self.told.get_mut(n) {
            *told = None;
        }
    }

    /// Notes a fault of machine `n`, and gives the machine to do it to.
    fn fault(&mut self, n: usize, what: impl std::fmt::Display) -> Option<&mut Member> {
        let member = self.members.get_mut(n)?;
        self.trace.note(self.age, format!("{} {what}", member.name));
        Some(member)
    }

    /// Takes the power from machine `n` after so many more writes and syncs of its disk.
    pub fn crash_after(&mut self, n: usize, operations: u64) {
        let what = format!("loses its power after {operations} operations of its disk");
        if let Some(member) = self.fault(n, what) {
            member.disk().lose_power_after(operations);
        }
    }

    /// Replaces the disk of machine `n`, whose power goes, by an empty one.
    pub fn lose_disk(&mut self, n: usize) {
        self.crash(n);
        if let Some(member) = self.fault(n, "loses its disk") {
            member.lose_disk();
        }
    }

    /// Takes the power from machine `n`, and from its state everything that was not persisted.
    pub fn crash_hard(&mut self, n: usize) {
        self.crash(n);
        if let Some(member) = self.fault(n, "loses what its state had not persisted") {
            member.forget_unpersisted();
        }
    }

    /// Turns a bit of the log of machine `n` over, whose power goes.
    pub fn flip_a_bit(&mut self, n: usize) {
        self.crash(n);
        let flipped = self.members.get(n).and_then(|member| {
            let of_log = |path: &std::path::Path| path.extension().is_some_and(|end| end == "log");
            member.disk().flip(of_log)
        });
        if let Some(at) = flipped {
            self.fault(n, format!("has a bit turned over: {at}"));
        }
    }

    /// Has the next sync of machine `n`'s disk fail.
    pub fn fail_next_sync(&mut self, n: usize) {
        if let Some(member) = self.fault(n, "is to fail its next sync") {
            member.disk().fail_next_sync();
        }
    }

    /// Makes each sync of machine `n`'s disk take so much longer.
    pub fn slow_disk(&mut self, n: usize, by: Duration) {
        if let Some(member) = self.fault(n, format!("has a disk slower by {by:?}")) {
            member.disk().slow_down(by);
        }
    }

    /// Fills the disk of machine `n` until so much is left, or empties it.
    pub fn leave(&mut self, n: usize, available_bytes: u64) {
        if let Some(member) = self.fault(n, format!("has {available_bytes} bytes left")) {
            member.disk().leave(available_bytes);
        }
    }

    /// Sets the time of day of machine `n` forward, or back.
    pub fn jump(&mut self, n: usize, millis: i64) {
        if let Some(member) = self.fault(n, format!("sets its clock by {millis} ms")) {
            member.wall().jump(millis);
        }
    }

    /// Has the time of machine `n` pass so many thousandths as fast as the world's.
    pub fn set_pace(&mut self, n: usize, thousandths: u64) {
        let what = format!("has its time pass at {thousandths} thousandths");
        if let Some(member) = self.fault(n, what) {
            member.set_pace(thousandths);
        }
    }

    /// Has the node of machine `n` stand still for a while: it does nothing, and its clock moves on.
    pub fn stand_still(&mut self, n: usize, span: Duration) {
        let until = self.age + span;
        if let Some(member) = self.fault(n, format!("stands still for {span:?}")) {
            member.stand_still(until);
        }
    }

    /// Cuts machine `n` off from the others: its connections break.
    pub fn isolate(&mut self, n: usize) {
        let network = self.network.clone();
        if let Some(member) = self.fault(n, "is cut off") {
            network.isolate(&member.name);
        }
    }

    /// Breaks every connection of machine `n`.
    pub fn reset(&mut self, n: usize) {
        let network = self.network.clone();
        if let Some(member) = self.fault(n, "loses its connections") {
            network.reset(&member.name);
        }
    }

    /// From now on nothing that machine `from` sends arrives at machine `to`; neither is told.
    pub fn silence(&mut self, from: usize, to: usize) {
        let Some(other) = self.members.get(to).map(|member| member.name.clone()) else {
            return;
        };
        let network = self.network.clone();
        if let Some(member) = self.fault(from, format!("is not heard by {other}")) {
            network.silence(&member.name, &other);
        }
    }

    /// Makes what machine `n` sends and gets take so much longer.
    pub fn slow_network(&mut self, n: usize, by: Duration) {
        let network = self.network.clone();
        if let Some(member) = self.fault(n, format!("has a network slower by {by:?}")) {
            network.slow_down(&member.name, by);
        }
    }

    /// Joins machine `n` to the others again, at the usual speed.
    pub fn heal(&mut self, n: usize) {
        let network = self.network.clone();
        if let Some(member) = self.fault(n, "is healed") {
            network.heal(&member.name);
        }
    }

    /// Makes everything right that is wrong with machine `n`: its network, the room and speed of its disk, its pace.
    pub fn make_whole(&mut self, n: usize) {
        self.heal(n);
        if let Some(member) = self.members.get_mut(n) {
            member.disk().make_whole();
            member.set_pace(1000);
        }
    }

    /// What a power loss now would leave of the state of machine `n`.
    pub fn durable_state(&self, n: usize) -> Option<node_storage::Memory> {
        Some(self.members.get(n)?.durable_state())
    }

    /// Whether the node of machine `n` runs, started or starting.
    pub fn is_running(&self, n: usize) -> bool {
        self.members.get(n).is_some_and(Member::is_running)
    }

    /// Whether machine `n` stands still.
    pub fn stands_still(&self, n: usize) -> bool {
        self.members.get(n).is_some_and(Member::stands_still)
    }

    /// Why the node of machine `n` refused to start, if it did.
    pub fn refusal(&self, n: usize) -> Option<String> {
        self.members.get(n)?.refusal()
    }

    /// How often machine `n` was started.
    pub fn lives(&self, n: usize) -> u64 {
        self.members.get(n).map_or(0, Member::lives)
    }

    /// How often the disk of machine `n` was replaced.
    pub fn disks(&self, n: usize) -> u64 {
        self.members.get(n).map_or(0, Member::disks)
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
            self.step();
        }
    }

    /// Lets all nodes live for one step of time.
    pub fn step(&mut self) {
        for member in &mut self.members {
            member.live(STEP, self.age);
        }
        self.age += STEP;
        self.note_changes();
        for n in 0..self.size() {
            let member = self.members.get(n);
            if member.is_some_and(|member| member.is_running() && member.disk().has_lost_power()) {
                self.crash(n);
            }
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

    /// What the nodes say of themselves that changed in the last step.
    pub fn news(&self) -> &[(usize, NodeStatus)] {
        &self.news
    }

    /// What the node of machine `n` said of itself when it last had news; nothing where none runs.
    pub fn told(&self, n: usize) -> Option<&NodeStatus> {
        self.told.get(n)?.as_ref()
    }

    fn note_changes(&mut self) {
        self.news.clear();
        for n in 0..self.size() {
            if !self.has_changed(n) {
                continue;
            }
            let Some(status) = self.status(n) else {
                continue;
            };
            let log = &status.log;
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
            if let Some(told) = self.told.get_mut(n) {
                *told = Some(status.clone());
            }
            self.news.push((n, status));
        }
    }

    /// Whether the node of machine `n` has something to say that it did not say before.
    fn has_changed(&mut self, n: usize) -> bool {
        let (lives, node) = (self.lives(n), self.node(n));
        let (Some(watched), Some(node)) = (self.watched.get_mut(n), node) else {
            return false;
        };
        match watched {
            Some((life, receiver)) if *life == lives => {
                let changed = receiver.has_changed().unwrap_or(false);
                receiver.mark_unchanged();
                changed
            }
            _ => {
                let mut receiver = node.watch();
                receiver.mark_unchanged();
                *watched = Some((lives, receiver));
                true
            }
        }
    }
}
