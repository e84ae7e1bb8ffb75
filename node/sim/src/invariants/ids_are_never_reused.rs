//! A member id belongs to one disk: another disk never has it, also not the next one in the same machine.

use std::collections::BTreeMap;

use node_replication::MemberId;

use super::{Invariant, Sight};

/// The machine and the disk that each id was seen on first.
#[derive(Default)]
pub struct IdsAreNeverReused(BTreeMap<MemberId, (usize, u64)>);

impl Invariant for IdsAreNeverReused {
    fn name(&self) -> &'static str {
        "ids are never reused"
    }

    fn look(&mut self, sight: &Sight) -> Result<(), String> {
        for (n, status) in sight.news() {
            let (id, disk) = (status.log.member, (n, sight.world.disks(n)));
            let first = *self.0.entry(id).or_insert(disk);
            if first != disk {
                return Err(format!(
                    "{id} was on disk {} of n{}, and is on disk {} of n{n}",
                    first.1, first.0, disk.1
                ));
            }
        }
        Ok(())
    }
}
