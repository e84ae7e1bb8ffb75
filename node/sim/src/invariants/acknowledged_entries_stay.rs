//! Whoever is elected has every entry that was acknowledged before.

use node_replication::Role;

use super::invariant::{Invariant, Sight, index};

/// The highest term that was seen to be led, and what was acknowledged before this step.
#[derive(Default)]
pub struct AcknowledgedEntriesStay {
    term: (u32, u64),
    acknowledged: u64,
}

impl Invariant for AcknowledgedEntriesStay {
    fn name(&self) -> &'static str {
        "acknowledged entries stay"
    }

    fn look(&mut self, sight: &Sight) -> Result<(), String> {
        for (n, status) in sight.news() {
            let log = &status.log;
            let term = (log.incarnation, log.term);
            if log.role != Role::Leader || term <= self.term {
                continue;
            }
            self.term = term;
            if index(log.last_log) < self.acknowledged {
                return Err(format!(
                    "entry {} was acknowledged, and n{n} leads term {} with {:?} as its last",
                    self.acknowledged, log.term, log.last_log
                ));
            }
        }
        self.acknowledged = sight.history.acknowledged_index();
        Ok(())
    }
}
