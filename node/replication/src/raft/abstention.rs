//! Until when a member neither votes nor stands for election after its start.
//!
//! A member that starts may have told a leader a moment ago that it follows it, and keeps to that. One that cut a torn tail
//! lets others go first. And every member asks the others who they are before it votes: one
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
    /// In any case.
    until: Instant,
    /// Whoever is silent for so long is not waited for.
    asks_until: Instant,
    asked: AtomicBool,
}

impl Abstention {
    /// From now on: for `surely` in any case, for `asking` unless everybody answers before.
    pub fn new(surely: Duration, asking: Duration) -> Abstention {
        let now = Instant::now();
        Abstention {
            until: now + surely,
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_starts_keeps_to_whom_it_may_have_followed_whoever_answers() {
        let abstention = Abstention::new(ms(250), ms(1200));
        abstention.asked.store(true, Ordering::Relaxed);
        tokio::time::advance(ms(249)).await;
        assert!(abstention.applies());
        tokio::time::advance(ms(1)).await;
        assert!(!abstention.applies());
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_nobody_answers_waits_no_longer_than_it_asks() {
        let abstention = Abstention::new(ms(250), ms(1200));
        tokio::time::advance(ms(1199)).await;
        assert!(abstention.applies());
        tokio::time::advance(ms(1)).await;
        assert!(!abstention.applies());
    }
}
