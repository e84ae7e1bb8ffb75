//! Users and roles as etcd stores them.

use node_api::etcd::authpb;
use node_engines::auth::{Auth, Role, User};
use prost::Message;

use super::copy::{Pair, pair};
use crate::etcd::auth::shown;

/// The bucket `auth`.
pub fn state(auth: &Auth) -> Vec<Pair> {
    vec![
        pair(b"authEnabled", &[u8::from(auth.enabled())]),
        pair(b"authRevision", &auth.revision().to_be_bytes()),
    ]
}

/// The bucket `authRoles`.
pub fn roles(auth: &Auth) -> Vec<Pair> {
    let stored = |(name, role): (&str, &Role)| {
        let role = authpb::Role {
            name: name.to_owned().into(),
            key_permission: role.permissions().map(shown).collect(),
        };
        pair(name.as_bytes(), &role.encode_to_vec())
    };
    let roles = auth.roles();
    let roles = roles.filter_map(|name| Some((name, auth.role(name)?)));
    roles.map(stored).collect()
}

/// The bucket `authUsers`, with the hashes of the passwords, which are etcd's.
pub fn users(auth: &Auth) -> Vec<Pair> {
    let stored = |(name, user): (&str, &User)| {
        let user = authpb::User {
            name: name.to_owned().into(),
            password: user.password.clone().unwrap_or_default(),
            roles: user.roles.iter().cloned().collect(),
            options: Some(authpb::UserAddOptions {
                no_password: user.password.is_none(),
            }),
        };
        pair(name.as_bytes(), &user.encode_to_vec())
    };
    let users = auth.users();
    let users = users.filter_map(|name| Some((name, auth.user(name)?)));
    users.map(stored).collect()
}
