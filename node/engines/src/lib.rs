//! node-engines: what the entries of the log mean.
//!
//! Pure and deterministic: the same entries give the same state, the same outcomes and the same digest on every node, however
//! they are cut into runs. Time, ids and chance come in with an entry's [`Stamp`]; there is no clock, thread or socket here,
//! and state goes nowhere but into a [`node_storage::Storage`].
//!
//! A [`Proposal`] becomes an [`Entry`] when the leader stamps it; [`Engines::apply`] turns committed entries into mutations
//! or a [`Rejection`], stores a run of them as one batch together with how far it came, and only then lets memory, and so
//! [`Reader`], follow.
//!
//! The engines so far: [`kv`], who may do what with its keys ([`auth`]), and the cluster's own state ([`system`]).

mod applied;
pub mod auth;
mod changes;
mod engines;
mod entry;
mod errors;
mod format;
mod from_level_1;
mod ids;
mod invariants;
mod kept;
pub mod kv;
mod leases;
mod limits;
mod open;
mod outcome;
mod position;
mod queries;
mod reader;
mod requests;
mod run;
mod stamp;
mod state;
pub mod system;
mod tables;

pub use applied::{Applied, Change};
pub use changes::{KeyChange, Portion};
pub use engines::Engines;
pub use entry::{Command, Entry, Proposal};
pub use errors::{Fatal, OpenError, ReadError};
pub use format::DecodeError;
pub use ids::{ClusterId, LogId, ParseIdError, RequestId};
pub use kept::{Kept, State};
pub use leases::Leased;
pub use limits::{
    ADVANCED_REVISION_MAX, ALARMS_MAX, COMMANDS_PER_ENTRY_MAX, DIGEST_INTERVAL, DIGESTS_MAX,
    FEATURE_LEVEL_MAX, KEY_BYTES_MAX, REQUEST_MILLIS_KEPT, REQUESTS_EVICTED_PER_ENTRY_MAX,
    REQUESTS_MAX, STEPS_PER_TXN_MAX, VALUE_BYTES_MAX,
};
pub use outcome::{Outcome, Rejection, Reply};
pub use position::{Incarnation, LogIndex, LogNumber, ParsePositionError, Position};
pub use queries::Answer;
pub use reader::{Found, History, Page, Reader};
pub use stamp::Stamp;
pub use tables::TABLES;
