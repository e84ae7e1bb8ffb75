//! What a client may ask of the kv engine.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Alarm, Keys, LeaseId, Revision};

/// A change to the keys: one write, with one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sets the value of a key.
    Put {
        /// The key, 1 to [`crate::KEY_BYTES_MAX`] bytes.
        key: Bytes,
        /// The value, up to [`crate::VALUE_BYTES_MAX`] bytes.
        value: Bytes,
    },
    /// Removes a key. It takes a revision whether or not there was one.
    Delete {
        /// The key, 1 to [`crate::KEY_BYTES_MAX`] bytes.
        key: Bytes,
    },
    /// A step of etcd's: a put, a delete, or a whole transaction. Where it changes nothing it takes no revision.
    Step(Step),
    /// Gives up the history before a revision: what is read, or watched, from then on begins there.
    Compact {
        /// The revision, above the last one of its kind and not of the future.
        revision: Revision,
    },
    /// Skips revisions: the last one is this one then, or a later one that it was already, and the history up to it is given up.
    /// Where both is so already nothing changes. So that what is moved here from another store goes on above its revisions.
    Advance {
        /// The revision, up to [`crate::ADVANCED_REVISION_MAX`].
        revision: Revision,
    },
    /// Makes a lease.
    Grant {
        /// Its id, drawn by whoever asks for it.
        lease: LeaseId,
        /// How long it lives without being kept alive, in seconds.
        ttl_seconds: u64,
    },
    /// Ends a lease, and deletes the keys that are attached to it.
    Revoke {
        /// Its id.
        lease: LeaseId,
    },
    /// Ends a lease because its time is over, if the entry is of the term that found so: a leader that was put to sleep and
    /// replaced meanwhile ends nothing that its successor keeps alive. A lease that has ended already is left at that.
    Expire {
        /// Its id.
        lease: LeaseId,
        /// The entry that granted it: a later one of the same name lives on.
        granted: u64,
        /// The term in which its time was over.
        term: u64,
    },
    /// Removes rows that nothing can read any more, a bounded number of them.
    Sweep,
    /// Raises an alarm. One that is active stays so.
    Activate(Alarm),
    /// Ends an alarm. One that is not active is left at that.
    Deactivate(Alarm),
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reads; what it finds is looked up where it is answered.
    Range(Keys, Option<Revision>),
    /// Sets a key.
    Put(Put),
    /// Deletes every key of a range.
    Delete(Keys),
    /// Compares, and does one thing or the other.
    Txn(Box<Txn>),
}

impl Step {
    fn add_leases(&self, leases: &mut BTreeSet<LeaseId>) {
        match self {
            Step::Put(put) => leases.extend(put.lease),
            Step::Txn(txn) => {
                let steps = txn.success.iter().chain(&txn.failure);
                steps.for_each(|step| step.add_leases(leases));
            }
            Step::Range(..) | Step::Delete(_) => {}
        }
    }
}

/// Sets a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The key, at least one byte.
    pub key: Bytes,
    /// The new value; `None` keeps the one it has.
    pub value: Option<Bytes>,
    /// The lease that the key shall be attached to, 0 for none; `None` keeps the one it has.
    pub lease: Option<LeaseId>,
}

/// Compares, and then takes the steps of one branch. Comparisons, those of the transactions within it too, are made against
/// the state before the first step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold for `success`.
    pub compare: Vec<Compare>,
    /// The steps where all of it holds.
    pub success: Vec<Step>,
    /// The steps where some of it does not.
    pub failure: Vec<Step>,
}

/// A comparison. Over a range it must hold for each key; where there is none, a key is all zero and has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The keys to look at.
    pub keys: Keys,
    /// How the key and the target must stand to each other.
    pub relation: Relation,
    /// What of the key is compared, and with what.
    pub target: Target,
}

/// How two things stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Relation {
    Equal,
    Greater,
    Less,
    NotEqual,
}

impl Relation {
    /// Whether it holds for what was found and what was given.
    pub(crate) fn holds(self, found_to_given: std::cmp::Ordering) -> bool {
        match self {
            Relation::Equal => found_to_given.is_eq(),
            Relation::Greater => found_to_given.is_gt(),
            Relation::Less => found_to_given.is_lt(),
            Relation::NotEqual => found_to_given.is_ne(),
        }
    }
}

/// What of a key is compared, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// How often it was put since it was made.
    Version(i64),
    /// The revision that made it.
    Created(i64),
    /// The revision that last put it.
    Modified(i64),
    /// Its value.
    Value(Bytes),
    /// The lease that it is attached to.
    Lease(i64),
}

impl Command {
    /// Whether the cluster itself asks for it, and nobody else ever does.
    pub(crate) fn is_the_clusters(&self) -> bool {
        matches!(
            self,
            Command::Advance { .. } | Command::Expire { .. } | Command::Sweep
        )
    }

    /// The leases that it ends, or may attach keys to.
    pub(crate) fn leases(&self) -> BTreeSet<LeaseId> {
        let mut leases = BTreeSet::new();
        match self {
            Command::Revoke { lease } => drop(leases.insert(*lease)),
            Command::Step(step) => step.add_leases(&mut leases),
            _ => {}
        }
        leases
    }

    /// The feature level that a cluster must have reached for this command.
    pub(crate) fn feature_level(&self) -> u32 {
        match self {
            Command::Put { .. } | Command::Delete { .. } => 1,
            Command::Step(_)
            | Command::Compact { .. }
            | Command::Advance { .. }
            | Command::Grant { .. }
            | Command::Revoke { .. }
            | Command::Expire { .. }
            | Command::Sweep
            | Command::Activate(_)
            | Command::Deactivate(_) => 2,
        }
    }
}
