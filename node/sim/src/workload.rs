//! Clients: each writes a key of its own again and again, through a node drawn by chance, and remembers what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_engines::{Command, kv};
use node_server::Node;

use crate::trace::Trace;
use crate::world::World;

/// Every acknowledged write: the key and its value.
pub type Acknowledged = BTreeMap<String, String>;

/// Writes under way and done.
#[derive(Clone, Default)]
pub struct Workload {
    acknowledged: Arc<Mutex<Acknowledged>>,
}

impl Workload {
    /// Starts one write of a new key on a node drawn by chance; if that node is down the write is not made.
    pub fn write(&self, world: &World, number: u64) {
        let n = world.chance().below(world.size() as u64) as usize;
        let Some(node) = world.node(n) else { return };
        let (mine, trace, age) = (self.clone(), world.trace().clone(), world.age());
        trace.note(age, format!("write {number} through n{n}"));
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
            Err(failure) => trace.note(age, format!("write {number}: {failure}")),
        }
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
}
