//! What goes into the log and what comes back from it.

use bytes::Bytes;

use crate::ids::LogId;

/// A vote, as Raft has it: in which term for whom, and whether that member won.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vote {
    /// The term.
    pub term: u64,
    /// The member voted for.
    pub node: u64,
    /// Whether a majority granted it.
    pub committed: bool,
}

/// What kind of entry a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A new leader's empty entry.
    Blank,
    /// A command; the payload is its owner's.
    Command,
    /// A membership; the payload is the membership's own format.
    Membership,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub id: LogId,
    /// Its kind.
    pub kind: RecordKind,
    /// What it holds.
    pub payload: Bytes,
}

/// What a log knew when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last vote saved.
    pub vote: Option<Vote>,
    /// The last committed mark that reached the disk; older than what was committed, never newer.
    pub committed: Option<LogId>,
    /// Entries up to this one are gone.
    pub purged: Option<LogId>,
    /// The last entry, or `purged` when there is none behind it.
    pub last: Option<LogId>,
    /// A crash had torn the last batch; it was cut off, durably. Nothing in it had been reported as durable, unless
    /// the disk lied: such a member lets the others go first before it votes.
    pub torn_tail_cut: bool,
}

/// What stands at the head of a segment: all that the segments before it said and that still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
}
