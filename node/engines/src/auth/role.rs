//! Roles.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Permission;
use crate::kv::{End, Keys};

/// A role: what those may do who have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    permissions: BTreeMap<(Bytes, Option<Bytes>), Permission>,
}

impl Role {
    /// Its permissions, in the order of their first keys.
    pub fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.permissions.values()
    }

    pub(super) fn grant(&mut self, permission: Permission) {
        self.permissions.insert(place(&permission.keys), permission);
    }

    /// Takes the permission on exactly this range away; false where there was none.
    pub(super) fn revoke(&mut self, keys: &Keys) -> bool {
        self.permissions.remove(&place(keys)).is_some()
    }

    pub(super) fn has(&self, keys: &Keys) -> bool {
        self.permissions.contains_key(&place(keys))
    }
}

impl FromIterator<Permission> for Role {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Role {
        let mut role = Role::default();
        permissions
            .into_iter()
            .for_each(|permission| role.grant(permission));
        role
    }
}

/// A range as the key of a map. No range ends before an empty key, which stands for one without end.
fn place(keys: &Keys) -> (Bytes, Option<Bytes>) {
    let end = match &keys.end {
        End::Same => None,
        End::Open => Some(Bytes::new()),
        End::Before(end) => Some(end.clone()),
    };
    (keys.from.clone(), end)
}
