//! What one node knows to be committed at an index, every node has there, for ever.

use std::collections::BTreeMap;

use node_replication::LogId;

use super::{Invariant, Sight};

/// The entry seen as committed or applied at each index of each incarnation.
#[derive(Default)]
pub struct CommittedEntriesNeverChange(BTreeMap<(u32, u64), LogId>);

impl Invariant for CommittedEntriesNeverChange {
    fn name(&self) -> &'static str {
        "committed entries never change"
    }

    fn look(&mut self, sight: &Sight) -> Result<(), String> {
        for (n, status) in sight.news() {
            let log = &status.log;
            // A snapshot ends with a committed entry too.
            let known = [log.committed, log.applied, log.snapshot, log.purged];
            for id in known.into_iter().flatten() {
                let at = (log.incarnation, id.index);
                let first = *self.0.entry(at).or_insert(id);
                if first != id {
                    return Err(format!(
                        "{first:?} was committed at {}, and n{n} has {id:?} there",
                        id.index
                    ));
                }
            }
        }
        Ok(())
    }
}
