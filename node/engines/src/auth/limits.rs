//! What is fixed about users and roles. Replicated behaviour: a change needs a new feature level.

/// The role that may do everything, and the user who must have it before anyone is asked who they are.
pub const ROOT: &str = "root";

/// Longest name of a user or a role, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;

/// Most users; and most roles.
pub const NAMES_MAX: usize = 10_000;

/// Most permissions of one role.
pub const PERMISSIONS_PER_ROLE_MAX: usize = 1_000;

/// Longest hash of a password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
