//! Alarms: what a member found that stops some writes at every node until a person has seen to it.

use std::collections::BTreeSet;

use super::{Command, Step};
use crate::Rejection;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The keys take more room than a member has for them: nothing is put and no lease is granted.
    NoSpace,
    /// The states of members are not equal: the keys, their history and their leases stay as they are.
    Corrupt,
}

/// An alarm that a member raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    /// What it is about.
    pub kind: AlarmKind,
    /// The member's id.
    pub member: u64,
}

/// Every alarm that is active, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alarms {
    active: BTreeSet<Alarm>,
}

impl Alarms {
    /// Activates an alarm, or ends it; gives whether it was active.
    pub fn set(&mut self, alarm: Alarm, active: bool) -> bool {
        match active {
            true => !self.active.insert(alarm),
            false => self.active.remove(&alarm),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Alarm> {
        self.active.iter().copied()
    }

    /// How many are active.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Refuses what may not be done while an alarm is active.
    pub fn check(&self, command: &Command) -> Result<(), Rejection> {
        let is = |kind| move |alarm: &Alarm| alarm.kind == kind;
        if command.changes_data() && self.active.iter().any(is(AlarmKind::Corrupt)) {
            return Err(Rejection::Corrupt);
        }
        if command.takes_room() && self.active.iter().any(is(AlarmKind::NoSpace)) {
            return Err(Rejection::NoSpace);
        }
        Ok(())
    }
}

impl Command {
    /// Whether the keys, their history or their leases are another thing after it.
    fn changes_data(&self) -> bool {
        match self {
            Command::Put { .. }
            | Command::Delete { .. }
            | Command::Compact { .. }
            | Command::Advance { .. }
            | Command::Grant { .. }
            | Command::Revoke { .. }
            | Command::Expire { .. } => true,
            Command::Step(step) => step.writes(),
            Command::Sweep | Command::Activate(_) | Command::Deactivate(_) => false,
        }
    }

    /// Whether more is stored after it, in whichever branch its comparisons choose.
    pub fn takes_room(&self) -> bool {
        self.bytes_at_most() > 0
    }

    /// The room that it takes at most, about: what replaced values give back is not known before it is carried out.
    pub fn bytes_at_most(&self) -> u64 {
        match self {
            Command::Put { key, value } => row_bytes(key.len(), value.len()),
            Command::Step(step) => step.bytes_at_most(),
            Command::Grant { .. } => LEASE_BYTES,
            Command::Delete { .. }
            | Command::Compact { .. }
            | Command::Advance { .. }
            | Command::Revoke { .. }
            | Command::Expire { .. }
            | Command::Sweep
            | Command::Activate(_)
            | Command::Deactivate(_) => 0,
        }
    }
}

impl Step {
    fn writes(&self) -> bool {
        match self {
            Step::Range(..) => false,
            Step::Put(_) | Step::Delete(_) => true,
            Step::Txn(txn) => txn.success.iter().chain(&txn.failure).any(Step::writes),
        }
    }

    fn bytes_at_most(&self) -> u64 {
        let sum = |steps: &[Step]| steps.iter().map(Step::bytes_at_most).sum::<u64>();
        match self {
            Step::Range(..) | Step::Delete(_) => 0,
            Step::Put(put) => row_bytes(
                put.key.len(),
                put.value.as_ref().map_or(0, bytes::Bytes::len),
            ),
            Step::Txn(txn) => sum(&txn.success).max(sum(&txn.failure)),
        }
    }
}

/// What a stored change takes beside its key and its value, about.
const ROW_BYTES: u64 = 64;

/// What a stored lease takes, about.
pub(crate) const LEASE_BYTES: u64 = 64;

/// What a change takes in the storage, about.
pub(crate) fn row_bytes(key: usize, value: usize) -> u64 {
    ROW_BYTES + key as u64 + value as u64
}
