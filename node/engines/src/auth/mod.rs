//! Who may do what with the keys, with etcd's meaning: users have roles, and roles have permissions on ranges of keys. Whoever
//! has the role `root` may do everything.
//!
//! An entry names who asked for it by a command of its own, [`crate::Command::As`]. Each change has a revision of the users and
//! roles, and an entry that was allowed by another one than the present is refused: so what was looked up before it was
//! proposed holds where it is applied.
//!
//! Not here: passwords in the clear, tokens, certificates. They are looked at before an entry is proposed.

mod command;
mod limits;
mod permission;
mod role;
mod state;
mod user;

pub use command::{Asker, Command, Refusal, Reply};
pub use limits::{NAME_BYTES_MAX, NAMES_MAX, PASSWORD_BYTES_MAX, PERMISSIONS_PER_ROLE_MAX, ROOT};
pub use permission::{Permission, Right};
pub use role::Role;
pub use state::Auth;
pub use user::User;
