//! Who belongs to the cluster: the words, the format they have in the log, and the guard over changes.

mod codec;
mod guard;
mod roster;

pub(crate) use codec::{decode, encode};
pub(crate) use guard::{Goal, Known, check};
pub(crate) use roster::Roster;
pub use roster::{Member, MemberChange, MemberRole, VOTERS_MAX};
