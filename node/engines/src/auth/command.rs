//! What may be asked of the users and roles.

use bytes::Bytes;

use super::{NAMES_MAX, Permission};
use crate::kv::Keys;

/// A change to the users and roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// From now on everyone must say who they are. Repeating it changes nothing.
    Enable,
    /// From now on nobody is asked. Repeating it changes nothing.
    Disable,
    /// Makes a user.
    AddUser {
        /// Its name.
        name: String,
        /// The hash of its password; `None` for one that has none, and shows a certificate.
        password: Option<Bytes>,
    },
    /// Removes a user.
    DeleteUser {
        /// Its name.
        name: String,
    },
    /// Gives a user another password. What was handed out for the one before is worth nothing any more.
    ChangePassword {
        /// Its name.
        name: String,
        /// The hash of the password; an empty one fits nothing.
        password: Bytes,
    },
    /// Gives a user a role.
    GrantRole {
        /// The user's name.
        user: String,
        /// The role's name.
        role: String,
    },
    /// Takes a role from a user.
    RevokeRole {
        /// The user's name.
        user: String,
        /// The role's name.
        role: String,
    },
    /// Makes a role.
    AddRole {
        /// Its name.
        name: String,
    },
    /// Removes a role, from its users too.
    DeleteRole {
        /// Its name.
        name: String,
    },
    /// Gives a role a permission, or changes the one that it has on the same range.
    GrantPermission {
        /// The role's name.
        role: String,
        /// What it may do from now on.
        permission: Permission,
    },
    /// Takes the permission on a range from a role.
    RevokePermission {
        /// The role's name.
        role: String,
        /// The range of the permission, exactly.
        keys: Keys,
    },
}

/// Who asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The cluster itself, which may do everything.
    Cluster,
    /// A user, who was allowed to by the users and roles of a revision.
    User {
        /// Its name.
        name: String,
        /// The revision of the users and roles.
        revision: u64,
    },
}

/// The answer to an accepted [`Command`]: it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply;

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody can be asked who they are while there is no user root.
    #[error("there is no user root yet: make one first")]
    NoRootUser,
    /// Nor while it does not have the role root.
    #[error("the user root does not have the role root yet: grant it first")]
    NoRootRole,
    /// A user without a name; or a request by someone who did not say who they are.
    #[error("no user is named, and this cluster wants to know who asks")]
    UserEmpty,
    /// There is such a user already.
    #[error("there is such a user already")]
    UserExists,
    /// There is no such user.
    #[error("there is no such user")]
    UserNotFound,
    /// A role without a name.
    #[error("a role has a name")]
    RoleEmpty,
    /// There is such a role already.
    #[error("there is such a role already")]
    RoleExists,
    /// There is no such role.
    #[error("there is no such role")]
    RoleNotFound,
    /// The user does not have the role.
    #[error("the user does not have that role")]
    RoleNotGranted,
    /// The role has no permission on exactly that range.
    #[error("the role has no permission on exactly that range")]
    PermissionNotGranted,
    /// Nobody could administer the cluster any more; or the range of a permission holds no key.
    #[error(
        "root stays as it is while everyone must say who they are, and a permission is on at least one key"
    )]
    InvalidManagement,
    /// Users or roles changed since the request was allowed.
    #[error("users or roles changed meanwhile; ask again")]
    OldRevision,
    /// The user may not do that.
    #[error("the user may not do that")]
    PermissionDenied,
    /// A bound on users, roles or permissions would be passed.
    #[error(
        "too many users, roles or permissions of one role (there are at most {NAMES_MAX}), or too long a name"
    )]
    TooMany,
}
