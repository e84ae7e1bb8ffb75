//! Keys and their values, with etcd's meaning: every write has a revision, and earlier ones stay readable until the history
//! before a revision is given up.
//!
//! In memory, ordered by key, is the last version of each key without its value (`Index`), and for each change what it
//! replaced (`History`). On disk is one row for each change, by its place; so the order of the rows is the history.
//!
//! Not here: the time at which a lease ends, and who may do what.

mod alarm;
mod command;
mod compare;
mod history;
mod index;
mod keyspace;
mod lease;
mod progress;
mod query;
mod range;
mod reply;
mod revision;
pub(crate) mod rows;
mod sweep;
mod transaction;

pub use alarm::{Alarm, AlarmKind};
pub(crate) use alarm::{Alarms, LEASE_BYTES, row_bytes};
pub use command::{Command, Compare, Put, Relation, Step, Target, Txn};
pub(crate) use history::{History, Link};
pub(crate) use index::{Changes, Index, Version};
pub(crate) use keyspace::{Keyspace, KeyspaceChanges};
pub use lease::{Grant, LeaseId};
pub(crate) use lease::{LeaseChanges, LeasedKeys, Leases};
pub(crate) use progress::Progress;
pub use query::{Filter, KeyValue, Order, Queried, Query, Sort};
pub use range::{End, Keys};
pub use reply::{Done, Reply};
pub(crate) use revision::Place;
pub use revision::Revision;
pub use sweep::REVISIONS_ANSWERED;
pub(crate) use sweep::sweep;
pub(crate) use transaction::{Stop, Transaction};
