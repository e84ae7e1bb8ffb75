//! Users.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::ROOT;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The hash of its password, empty where nothing fits; `None` for one that was made without.
    pub password: Option<Bytes>,
    /// The names of its roles.
    pub roles: BTreeSet<String>,
    /// The revision that made it, or gave it its password: what was handed out before is of another user, or password.
    pub since: u64,
}

impl User {
    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.roles.contains(ROOT)
    }
}
