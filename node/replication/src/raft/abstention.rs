//! Until when a member neither votes nor stands for election after its start.
//!
//! A member that cut a torn tail lets others go first. And every member asks the others who they are before it votes: one
//! that came back after the cluster had begun anew without it hears so, and elects nobody together with others like it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::membership::Member;
use crate::peers::{Gate, Greeting, Pool};

/// Between two tries to reach a member that was silent.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Until when a member does not vote.
pub struct Abstention {
    /// For the torn tail.
    until: Instant,
    /// Whoever is silent for so long is not waited for.
    asks_until: Instant,
    asked: AtomicBool,
}

impl Abstention {
    /// From now on: for `torn` in any case, for `asking` unless everybody answers before.
    pub fn new(torn: Duration, asking: Duration) -> Abstention {
        let now = Instant::now();
        Abstention {
            until: now + torn,
            asks_until: now + asking,
            asked: AtomicBool::new(false),
        }
    }

    /// Whether the member does not vote yet.
    pub fn applies(&self) -> bool {
        let now = Instant::now();
        now < self.until || (now < self.asks_until && !self.asked.load(Ordering::Relaxed))
    }

    /// Says hello to the others until each has answered, in whatever way, or the time is over.
    pub async fn ask(&self, pool: &Pool, gate: &Gate, mut others: BTreeMap<u64, Member>) {
        let asking = async {
            while !others.is_empty() {
                let greetings = pool.greet(&others).await;
                others.retain(|id, _| greetings.get(id) == Some(&Greeting::Silent));
                if !others.is_empty() {
                    tokio::time::sleep(ASK_AGAIN_AFTER).await;
                }
            }
        };
        // Those that stay silent may have nothing to say.
        let _ = tokio::time::timeout_at(self.asks_until, asking).await;
        // What is left behind votes no more at all; its observer sees to that in a moment.
        self.asked.store(!gate.is_left_behind(), Ordering::Relaxed);
    }
}
