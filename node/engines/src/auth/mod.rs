//! Who may do what with the keys, with etcd's meaning: users have roles, and roles have permissions on ranges of keys. Whoever
//! has the role `root` may do everything.
//!
//! An entry names who asked for it by a command of its own, [`crate::Command::As`]. Each change has a revision of the users and
//! roles, and an entry that was allowed by another one than the present is refused: so what was looked up before it was
//! proposed holds where it is applied.
//!
//! Not here: passwords in the clear, tokens, certificates. They are looked at before an entry is proposed.

mod command;
mod permission;
mod role;
mod state;
mod user;

pub use command::{Asker, Command, Refusal, Reply};
pub use permission::{Permission, Right};
pub use role::Role;
pub use state::Auth;
pub use user::User;

/// The role that may do everything, and the user who must have it before anyone is asked who they are.
pub const ROOT: &str = "root";

/// Longest name of a user or a role, in bytes. Replicated behaviour, as the bounds below.
pub const NAME_BYTES_MAX: usize = 1024;

/// Most users; and most roles.
pub const NAMES_MAX: usize = 10_000;

/// Most permissions of one role.
pub const PERMISSIONS_PER_ROLE_MAX: usize = 1_000;

/// Longest hash of a password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
