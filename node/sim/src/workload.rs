//! Clients: each writes a key of its own again and again, through a node drawn by chance, and remembers what it was told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_engines::{Command, kv};
use node_server::{Consistency, Failure, Node};

use crate::trace::Trace;
use crate::world::World;

/// Every acknowledged write: the key and its value.
pub type Acknowledged = BTreeMap<String, String>;

/// Writes under way and done.
#[derive(Clone, Default)]
pub struct Workload {
    acknowledged: Arc<Mutex<Acknowledged>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    surely_not: AtomicU64,
}

impl Workload {
    /// Starts one write of a new key on a node drawn by chance; if that node is down the write is not made.
    pub fn write(&self, world: &World, number: u64) {
        let n = world.chance().below(world.size() as u64) as usize;
        let Some(node) = world.node(n) else { return };
        let (mine, trace, age) = (self.clone(), world.trace().clone(), world.age());
        trace.note(age, format!("write {number} through n{n}"));
        self.counts.begun.fetch_add(1, Ordering::Relaxed);
        world.spawn(n, async move { mine.one(node, number, &trace, age).await });
    }

    async fn one(&self, node: Node, number: u64, trace: &Trace, asked_at: Duration) {
        let (key, value) = (format!("key/{number:06}"), format!("value {number}"));
        let command = kv::Command::Put {
            key: key.clone().into(),
            value: value.clone().into(),
        };
        let start = tokio::time::Instant::now();
        let answer = node.write(None, vec![Command::Kv(command)]).await;
        let age = asked_at + start.elapsed();
        match answer {
            Ok(written) => {
                trace.note(
                    age,
                    format!("write {number} acknowledged at {}", written.position),
                );
                let mut all = self
                    .acknowledged
                    .lock()
                    .expect("invariant: nobody panics while noting");
                all.insert(key, value);
            }
            Err(failure) => {
                trace.note(age, format!("write {number}: {failure}"));
                let surely_not =
                    !matches!(failure, Failure::Unknown { .. } | Failure::Fatal { .. });
                let count = u64::from(surely_not);
                self.counts.surely_not.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// How many writes were surely applied, and how many may have been: those too whose machine crashed under them.
    pub fn applied_bounds(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let may_be = count(&self.counts.begun) - count(&self.counts.surely_not);
        (self.acknowledged().len() as u64, may_be)
    }

    /// What was acknowledged so far.
    pub fn acknowledged(&self) -> Acknowledged {
        self.acknowledged
            .lock()
            .expect("invariant: nobody panics while noting")
            .clone()
    }

    /// Acknowledged writes that the node of machine `n` does not have.
    pub fn missing(&self, world: &World, n: usize) -> Vec<String> {
        let Some(node) = world.node(n) else {
            return self.acknowledged().into_keys().collect();
        };
        let has = |key: &str, value: &str| {
            let found = node.reader().get(key.as_bytes());
            found.is_ok_and(|found| found.is_some_and(|found| found.value == value.as_bytes()))
        };
        self.acknowledged()
            .into_iter()
            .filter(|(key, value)| !has(key, value))
            .map(|(key, _)| key)
            .collect()
    }

    /// Starts a linearizable read of an acknowledged key on a node drawn by chance; what is not found is noted as lost.
    pub fn read(&self, world: &World, lost: &Arc<Mutex<Vec<String>>>) {
        let acknowledged = self.acknowledged();
        let pick = world.chance().below(acknowledged.len() as u64) as usize;
        let n = world.chance().below(world.size() as u64) as usize;
        let (Some((key, value)), Some(node)) = (acknowledged.into_iter().nth(pick), world.node(n))
        else {
            return;
        };
        let lost = lost.clone();
        world.spawn(n, async move {
            if let Ok((found, _)) = node.get(key.as_bytes(), Consistency::Linearizable).await
                && found.is_none_or(|found| found.value != value.as_bytes())
            {
                lost.lock()
                    .expect("invariant: nobody panics while noting")
                    .push(format!("{key} through n{n}"));
            }
        });
    }
}
