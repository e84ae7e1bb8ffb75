//! What the kv engine answers.

use super::{LeaseId, Revision};

/// The answer to an accepted [`super::Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The key has the value.
    Put {
        /// The revision of this write.
        revision: Revision,
        /// True where the key had no value before.
        created: bool,
    },
    /// The key has no value.
    Delete {
        /// The revision of this write.
        revision: Revision,
        /// True where the key had a value before.
        existed: bool,
    },
    /// The step was taken.
    Step {
        /// The revision of the write before it.
        before: Revision,
        /// What it did.
        done: Done,
    },
    /// The history begins at the revision; or revisions were skipped, or the rows removed; or nothing had to be done.
    Compacted {
        /// The revision of the last write.
        revision: Revision,
    },
    /// There is such a lease now.
    Granted {
        /// Its id.
        lease: LeaseId,
        /// The revision of the last write.
        revision: Revision,
    },
    /// The lease and its keys are gone.
    Revoked {
        /// The revision of this write, or of the last one where the lease had no keys.
        revision: Revision,
    },
    /// The alarm is as wanted.
    Alarmed {
        /// Whether it was active before.
        was_active: bool,
    },
}

/// What a step did. What it read, or replaced, is looked up where it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It read.
    Range,
    /// It set a key.
    Put,
    /// It deleted so many keys.
    Delete(u32),
    /// It took the steps of one branch.
    Txn {
        /// Whether it was the branch of success.
        succeeded: bool,
        /// What each step did.
        done: Vec<Done>,
    },
}

impl Done {
    /// The number of changes it made.
    pub fn changes(&self) -> u32 {
        match self {
            Done::Range => 0,
            Done::Put => 1,
            Done::Delete(keys) => *keys,
            Done::Txn { done, .. } => done.iter().map(Done::changes).sum(),
        }
    }
}
