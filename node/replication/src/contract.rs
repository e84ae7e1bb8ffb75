//! What the log asks of its owner: a machine to apply entries to, and a stamper for what enters it.
//!
//! Entries, proposals and replies are opaque bytes here; nothing in this crate looks into them.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io;

use bytes::Bytes;

use crate::ids::LogId;

/// What the log applies to.
///
/// Called by one task, in order, never concurrently, and only with entries that the local log has on disk.
/// Any [`Fatal`] stops replication on this node before a reply leaves; nothing is retried.
pub trait Machine: Send + 'static {
    /// How far the machine has come, read from its own storage; `None` on an empty one.
    fn applied(&self) -> Result<Option<Applied>, Fatal>;
    /// Applies a run of committed entries as one atomic step: after a crash all or none of it is there.
    /// The run follows directly on what was applied before. Returns one reply per item (empty for all but commands).
    /// The step need not be durable when this returns.
    fn apply(&mut self, run: Vec<Committed>) -> Result<Vec<Bytes>, Fatal>;
    /// Makes all that was applied durable. Called before any part of the log is given up.
    fn persist(&self) -> Result<(), Fatal>;
    /// Opens a consistent view of the whole state; it stays readable while more is applied.
    fn export(&self) -> Result<Box<dyn Export>, Fatal>;
    /// Replaces the whole state by an exported one, atomically and durably: a crash leaves the old or the new.
    fn import(&mut self, chunks: &mut dyn Iterator<Item = io::Result<Bytes>>) -> Result<(), Fatal>;
}

/// A consistent view of a machine's state, read in order.
pub trait Export: Send {
    /// How far the exported state has come.
    fn applied(&self) -> Applied;
    /// The next chunk (at most 1 MiB), `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Fatal>;
}

/// Has the last word before an entry enters the log of this member, and answers for the leader. All calls are quick: the log
/// waits for them.
pub trait Stamper: Send + Sync + 'static {
    /// On the leader, just before an entry is proposed: turns an opaque proposal into the entry's bytes (time and chance
    /// enter here and nowhere else), or says why there will be none. Called by one task, in the order of the log.
    fn stamp(&self, proposal: &[u8]) -> Result<Bytes, Rejected>;
    /// On every other member, before it takes so many bytes of commands, or of a snapshot, from the leader: whether the disk
    /// has room for them. A member without room refuses them and lags; heartbeats, votes and reads go on. Called by any task.
    fn has_room(&self, _bytes: u64) -> bool {
        true
    }
    /// On the leader of `term`, which is one by its lease on leadership when this is called: answers a question that the owner
    /// of this member, or of another one, has for it. May be called by any task.
    fn answer(&self, _term: u64, _question: &[u8]) -> Bytes {
        Bytes::new()
    }
}

/// What a read has for it that its node missed no acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A majority said after the read came that it follows the leader.
    Majority,
    /// A majority said so a moment ago, and whoever says so elects nobody else for a while. It asks nobody, and relies on
    /// clocks that pass at about the same pace: none may be two thirds faster than another.
    Lease,
}

/// A proposal that the stamper turned down: the encoded reply for the caller. Nothing entered the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected(pub Bytes);

/// How far a machine has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last entry applied.
    pub last: LogId,
    /// The bytes of the last membership applied; empty when there was none.
    pub membership: Bytes,
    /// The entry that membership came from.
    pub membership_at: Option<LogId>,
    /// Every member that an applied membership had and a later one had no more.
    pub removed: BTreeSet<u64>,
}

/// An entry to apply: a majority has it, and so has the local disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the log.
    pub id: LogId,
    /// What it holds.
    pub payload: Payload,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// What the stamper made of a proposal.
    Command(Bytes),
    /// A change of membership.
    Membership {
        /// The whole membership in this crate's format, to be kept and given back in [`Applied`].
        bytes: Bytes,
        /// All members, learners too.
        members: BTreeSet<u64>,
        /// Those that vote (both sets, while a joint change is under way).
        voters: BTreeSet<u64>,
    },
    /// Written by a new leader; says nothing.
    Blank,
}

/// A failure after which the node must not go on. It carries the failed action and its cause.
#[derive(Debug)]
pub struct Fatal {
    action: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fatal {
    /// A fatal failure without an underlying error; `action` reads "failed to ...".
    pub fn new(action: impl Into<String>) -> Fatal {
        Fatal {
            action: action.into(),
            source: None,
        }
    }

    /// A fatal failure caused by another error; `action` reads "failed to ...".
    pub fn because(
        action: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Fatal {
        Fatal {
            action: action.into(),
            source: Some(source.into()),
        }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.action)?;
        let mut cause = self.source.as_deref().map(|e| e as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Fatal {}
