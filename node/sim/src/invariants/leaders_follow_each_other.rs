//! Leaders follow each other: once an entry of a later one is committed, no entry of an earlier one is committed behind it.
//!
//! A leader is a term and a member, in that order, as the core orders votes: in one term a second member can be elected
//! only if its id is higher, and then it is the later leader.

use std::collections::BTreeMap;

use super::{Invariant, Sight};

/// The leader whose entry was seen as committed at each index of each incarnation.
#[derive(Default)]
pub struct LeadersFollowEachOther(BTreeMap<(u32, u64), (u64, u64)>);

impl Invariant for LeadersFollowEachOther {
    fn name(&self) -> &'static str {
        "leaders follow each other"
    }

    fn look(&mut self, sight: &Sight) -> Result<(), String> {
        for (n, status) in sight.news() {
            let log = &status.log;
            for id in [log.committed, log.applied].into_iter().flatten() {
                let (at, leader) = ((log.incarnation, id.index), (id.term, id.leader));
                if self.0.insert(at, leader).is_some() {
                    continue;
                }
                let first = (log.incarnation, 0);
                let before = self.0.range(first..at).next_back();
                let behind = self.0.range(at..).nth(1);
                let behind = behind.filter(|((incarnation, _), _)| *incarnation == at.0);
                let follows = before.is_none_or(|(_, earlier)| *earlier <= leader)
                    && behind.is_none_or(|(_, later)| leader <= *later);
                if !follows {
                    return Err(format!(
                        "n{n} has {id:?} committed between {before:?} and {behind:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}
