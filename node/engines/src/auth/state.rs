//! The users and roles.

use std::collections::BTreeMap;

use super::permission::cover;
use super::{
    Asker, Command, NAME_BYTES_MAX, NAMES_MAX, PASSWORD_BYTES_MAX, PERMISSIONS_PER_ROLE_MAX,
    Permission, ROOT, Refusal, Reply, Right, Role, User,
};
use crate::format::auth::{encode_role, encode_state, encode_user};
use crate::kv::Keys;
use crate::kv::rows::Rows;
use crate::tables::{self, AUTH};

/// The users and roles, and whether anyone is asked who they are. A row for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    pub(crate) enabled: bool,
    pub(crate) revision: u64,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) roles: BTreeMap<String, Role>,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            enabled: false,
            revision: 1,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl Auth {
    /// Whether everyone must say who they are.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// The revision of the users and roles: 1 at first, and one more with each change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// A user.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// A role.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// The names of all users, in order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// The names of all roles, in order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }

    /// Whether a user may do something with all keys of a range: by one role, or by several together.
    pub fn check(&self, user: &User, right: Right, keys: &Keys) -> Result<(), Refusal> {
        if user.is_root() {
            return Ok(());
        }
        let roles = user.roles.iter().filter_map(|role| self.role(role));
        let permissions = roles.flat_map(Role::permissions);
        let mut given: Vec<&Keys> = permissions
            .filter(|permission| permission.gives(right))
            .map(|permission| &permission.keys)
            .collect();
        given.sort_by(|a, b| a.from.cmp(&b.from));
        match cover(given.into_iter(), keys) {
            true => Ok(()),
            false => Err(Refusal::PermissionDenied),
        }
    }

    /// Whether what was allowed to someone is so still, where everyone must say who they are: the user, where it is one whose
    /// rights are to be looked at further.
    pub(crate) fn admit(&self, asker: Option<&Asker>) -> Result<Option<&User>, Refusal> {
        match asker {
            _ if !self.enabled => Ok(None),
            None => Err(Refusal::UserEmpty),
            Some(Asker::Cluster) => Ok(None),
            Some(Asker::User { revision, .. }) if *revision != self.revision => {
                Err(Refusal::OldRevision)
            }
            Some(Asker::User { name, .. }) => {
                self.user(name).map(Some).ok_or(Refusal::PermissionDenied)
            }
        }
    }

    /// Carries out one command: its rows go to `rows`.
    pub(crate) fn execute(&mut self, command: Command, rows: &mut Rows) -> Result<Reply, Refusal> {
        match command {
            Command::Enable => return self.enable(rows),
            Command::Disable => {
                if !self.enabled {
                    return Ok(Reply);
                }
                self.enabled = false;
            }
            Command::AddUser { name, password } => self.add_user(name, password, rows)?,
            Command::DeleteUser { name } => self.delete_user(&name, rows)?,
            Command::ChangePassword { name, password } => {
                let since = self.revision + 1;
                check_length(&password, PASSWORD_BYTES_MAX)?;
                self.change_user(&name, rows, |user| {
                    // One that was made without a password stays so.
                    user.password = user.password.as_ref().map(|_| password);
                    user.since = since;
                    Ok(())
                })?;
            }
            Command::GrantRole { user, role } => {
                if !self.grant_role(&user, role, rows)? {
                    return Ok(Reply);
                }
            }
            Command::RevokeRole { user, role } => {
                if self.enabled && user == ROOT && role == ROOT {
                    return Err(Refusal::InvalidManagement);
                }
                self.change_user(&user, rows, |user| match user.roles.remove(&role) {
                    true => Ok(()),
                    false => Err(Refusal::RoleNotGranted),
                })?;
            }
            Command::AddRole { name } => self.add_role(name, rows)?,
            Command::DeleteRole { name } => self.delete_role(&name, rows)?,
            Command::GrantPermission { role, permission } => {
                self.grant_permission(&role, permission, rows)?;
            }
            Command::RevokePermission { role, keys } => {
                self.change_role(&role, rows, |role| match role.revoke(&keys) {
                    true => Ok(()),
                    false => Err(Refusal::PermissionNotGranted),
                })?;
            }
        }
        self.revision += 1;
        self.put_state(rows);
        Ok(Reply)
    }

    /// To be asked is no change of users and roles, and takes no revision.
    fn enable(&mut self, rows: &mut Rows) -> Result<Reply, Refusal> {
        if self.enabled {
            return Ok(Reply);
        }
        let root = self.user(ROOT).ok_or(Refusal::NoRootUser)?;
        if !root.is_root() {
            return Err(Refusal::NoRootRole);
        }
        self.enabled = true;
        self.put_state(rows);
        Ok(Reply)
    }

    fn add_user(
        &mut self,
        name: String,
        password: Option<bytes::Bytes>,
        rows: &mut Rows,
    ) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Refusal::UserEmpty);
        }
        if self.users.contains_key(&name) {
            return Err(Refusal::UserExists);
        }
        check_name(&name, self.users.len())?;
        check_length(password.as_deref().unwrap_or_default(), PASSWORD_BYTES_MAX)?;
        let user = User {
            password,
            roles: std::collections::BTreeSet::new(),
            since: self.revision + 1,
        };
        rows.put(AUTH, tables::user(&name), encode_user(&user));
        self.users.insert(name, user);
        Ok(())
    }

    fn delete_user(&mut self, name: &str, rows: &mut Rows) -> Result<(), Refusal> {
        if self.enabled && name == ROOT {
            return Err(Refusal::InvalidManagement);
        }
        self.users.remove(name).ok_or(Refusal::UserNotFound)?;
        rows.delete(AUTH, tables::user(name));
        Ok(())
    }

    /// False where the user has the role already.
    fn grant_role(&mut self, user: &str, role: String, rows: &mut Rows) -> Result<bool, Refusal> {
        let has = self.user(user).ok_or(Refusal::UserNotFound)?.roles.clone();
        if role != ROOT && !self.roles.contains_key(&role) {
            return Err(Refusal::RoleNotFound);
        }
        if has.contains(&role) {
            return Ok(false);
        }
        self.change_user(user, rows, |user| {
            user.roles.insert(role);
            Ok(())
        })?;
        Ok(true)
    }

    fn add_role(&mut self, name: String, rows: &mut Rows) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Refusal::RoleEmpty);
        }
        if self.roles.contains_key(&name) {
            return Err(Refusal::RoleExists);
        }
        check_name(&name, self.roles.len())?;
        let role = Role::default();
        rows.put(AUTH, tables::role(&name), encode_role(&role));
        self.roles.insert(name, role);
        Ok(())
    }

    fn delete_role(&mut self, name: &str, rows: &mut Rows) -> Result<(), Refusal> {
        if self.enabled && name == ROOT {
            return Err(Refusal::InvalidManagement);
        }
        self.roles.remove(name).ok_or(Refusal::RoleNotFound)?;
        rows.delete(AUTH, tables::role(name));
        for (user_name, user) in &mut self.users {
            if user.roles.remove(name) {
                rows.put(AUTH, tables::user(user_name), encode_user(user));
            }
        }
        Ok(())
    }

    fn grant_permission(
        &mut self,
        role: &str,
        permission: Permission,
        rows: &mut Rows,
    ) -> Result<(), Refusal> {
        if !permission.is_valid() {
            return Err(Refusal::InvalidManagement);
        }
        self.change_role(role, rows, |role| {
            let new = !role.has(&permission.keys);
            if new && role.permissions().count() >= PERMISSIONS_PER_ROLE_MAX {
                return Err(Refusal::TooMany);
            }
            role.grant(permission);
            Ok(())
        })
    }

    fn change_user(
        &mut self,
        name: &str,
        rows: &mut Rows,
        change: impl FnOnce(&mut User) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let user = self.users.get_mut(name).ok_or(Refusal::UserNotFound)?;
        change(user)?;
        rows.put(AUTH, tables::user(name), encode_user(user));
        Ok(())
    }

    fn change_role(
        &mut self,
        name: &str,
        rows: &mut Rows,
        change: impl FnOnce(&mut Role) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let role = self.roles.get_mut(name).ok_or(Refusal::RoleNotFound)?;
        change(role)?;
        rows.put(AUTH, tables::role(name), encode_role(role));
        Ok(())
    }

    fn put_state(&self, rows: &mut Rows) {
        rows.put(AUTH, tables::AUTH_STATE, encode_state(self));
    }
}

fn check_name(name: &str, there_are: usize) -> Result<(), Refusal> {
    match there_are < NAMES_MAX {
        true => check_length(name.as_bytes(), NAME_BYTES_MAX),
        false => Err(Refusal::TooMany),
    }
}

fn check_length(bytes: &[u8], bytes_max: usize) -> Result<(), Refusal> {
    match bytes.len() <= bytes_max {
        true => Ok(()),
        false => Err(Refusal::TooMany),
    }
}
