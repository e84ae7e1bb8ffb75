//! Users and roles: commands about them, and their rows.
//!
//! ```text
//! as          1 asker
//! command     2 (enable)  |  3 (disable)  |  4 name password?  |  5 name  |  6 name, password  |  7 user, role
//!             8 user, role  |  9 name  |  10 name  |  11 role permission  |  12 role keys
//! asker       1 (the cluster)  |  2 name revision u64
//! permission  keys | 1 (read), 2 (write) or 3
//! state       's' version | enabled | revision u64
//! user        'u' version | password? | since u64 | count u32, then the names of its roles
//! role        'R' version | count u32, then permissions
//! ```

use std::collections::BTreeSet;

use bytes::Bytes;

use super::DecodeError;
use super::code::{Decoder, Encoder, Format};
use super::steps::{decode_keys, encode_keys};
use crate::auth::{
    Asker, Auth, Command, NAMES_MAX, PERMISSIONS_PER_ROLE_MAX, Permission, Role, User,
};

const STATE: Format = Format {
    name: "the state of users and roles",
    kind: b's',
    version: 1,
};
const USER: Format = Format {
    name: "a user",
    kind: b'u',
    version: 1,
};
const ROLE: Format = Format {
    name: "a role",
    kind: b'R',
    version: 1,
};

const ENABLE: u8 = 2;
const DISABLE: u8 = 3;
const ADD_USER: u8 = 4;
const DELETE_USER: u8 = 5;
const CHANGE_PASSWORD: u8 = 6;
const GRANT_ROLE: u8 = 7;
const REVOKE_ROLE: u8 = 8;
const ADD_ROLE: u8 = 9;
const DELETE_ROLE: u8 = 10;
const GRANT_PERMISSION: u8 = 11;
const REVOKE_PERMISSION: u8 = 12;
const CLUSTER: u8 = 1;
const NAMED: u8 = 2;
const READ: u8 = 1;
const WRITE: u8 = 2;

/// About how many bytes an asker takes beside its fixed fields.
pub(super) fn asker_bytes(asker: &Asker) -> usize {
    match asker {
        Asker::Cluster => 0,
        Asker::User { name, .. } => name.len(),
    }
}

pub(super) fn encode_asker(encoder: &mut Encoder, asker: &Asker) {
    match asker {
        Asker::Cluster => encoder.u8(CLUSTER),
        Asker::User { name, revision } => {
            encoder.u8(NAMED);
            encoder.bytes(name.as_bytes());
            encoder.u64(*revision);
        }
    }
}

pub(super) fn decode_asker(decoder: &mut Decoder) -> Result<Asker, DecodeError> {
    match decoder.u8()? {
        CLUSTER => Ok(Asker::Cluster),
        NAMED => Ok(Asker::User {
            name: decoder.text("user")?,
            revision: decoder.u64()?,
        }),
        _ => Err(decoder.field("asker")),
    }
}

/// About how many bytes a command takes beside its fixed fields.
pub(super) fn bytes(command: &Command) -> usize {
    match command {
        Command::Enable | Command::Disable => 0,
        Command::DeleteUser { name } | Command::AddRole { name } | Command::DeleteRole { name } => {
            name.len()
        }
        Command::AddUser { name, password } => name.len() + password.as_ref().map_or(0, Bytes::len),
        Command::ChangePassword { name, password } => name.len() + password.len(),
        Command::GrantRole { user, role } | Command::RevokeRole { user, role } => {
            user.len() + role.len()
        }
        Command::GrantPermission { role, permission } => {
            role.len() + permission.keys.from.len() * 2
        }
        Command::RevokePermission { role, keys } => role.len() + keys.from.len() * 2,
    }
}

/// Writes a command, which begins with its number.
pub(super) fn encode(encoder: &mut Encoder, command: &Command) {
    let mut texts = |number: u8, texts: &[&str]| {
        encoder.u8(number);
        for text in texts {
            encoder.bytes(text.as_bytes());
        }
    };
    match command {
        Command::Enable => texts(ENABLE, &[]),
        Command::Disable => texts(DISABLE, &[]),
        Command::AddUser { name, password } => {
            texts(ADD_USER, &[name]);
            encode_password(encoder, password.as_ref());
        }
        Command::DeleteUser { name } => texts(DELETE_USER, &[name]),
        Command::ChangePassword { name, password } => {
            texts(CHANGE_PASSWORD, &[name]);
            encoder.bytes(password);
        }
        Command::GrantRole { user, role } => texts(GRANT_ROLE, &[user, role]),
        Command::RevokeRole { user, role } => texts(REVOKE_ROLE, &[user, role]),
        Command::AddRole { name } => texts(ADD_ROLE, &[name]),
        Command::DeleteRole { name } => texts(DELETE_ROLE, &[name]),
        Command::GrantPermission { role, permission } => {
            texts(GRANT_PERMISSION, &[role]);
            encode_permission(encoder, permission);
        }
        Command::RevokePermission { role, keys } => {
            texts(REVOKE_PERMISSION, &[role]);
            encode_keys(encoder, keys);
        }
    }
}

/// Reads the command with this number.
pub(super) fn decode(decoder: &mut Decoder, number: u8) -> Result<Command, DecodeError> {
    Ok(match number {
        ENABLE => Command::Enable,
        DISABLE => Command::Disable,
        ADD_USER => Command::AddUser {
            name: decoder.text("user")?,
            password: decode_password(decoder)?,
        },
        DELETE_USER => Command::DeleteUser {
            name: decoder.text("user")?,
        },
        CHANGE_PASSWORD => Command::ChangePassword {
            name: decoder.text("user")?,
            password: decoder.bytes()?,
        },
        GRANT_ROLE => Command::GrantRole {
            user: decoder.text("user")?,
            role: decoder.text("role")?,
        },
        REVOKE_ROLE => Command::RevokeRole {
            user: decoder.text("user")?,
            role: decoder.text("role")?,
        },
        ADD_ROLE => Command::AddRole {
            name: decoder.text("role")?,
        },
        DELETE_ROLE => Command::DeleteRole {
            name: decoder.text("role")?,
        },
        GRANT_PERMISSION => Command::GrantPermission {
            role: decoder.text("role")?,
            permission: decode_permission(decoder)?,
        },
        REVOKE_PERMISSION => Command::RevokePermission {
            role: decoder.text("role")?,
            keys: decode_keys(decoder)?,
        },
        _ => return Err(decoder.field("command")),
    })
}

pub(crate) fn encode_state(auth: &Auth) -> Bytes {
    let mut encoder = Encoder::new(STATE, 9);
    encoder.bool(auth.enabled);
    encoder.u64(auth.revision);
    encoder.finish()
}

/// Reads the row of the state into `auth`.
pub(crate) fn decode_state(bytes: &Bytes, auth: &mut Auth) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(STATE, bytes)?;
    auth.enabled = decoder.bool("enabled")?;
    auth.revision = decoder.u64()?;
    decoder.finish()
}

pub(crate) fn encode_user(user: &User) -> Bytes {
    let mut encoder = Encoder::new(USER, 128);
    encode_password(&mut encoder, user.password.as_ref());
    encoder.u64(user.since);
    encoder.count(user.roles.len());
    for role in &user.roles {
        encoder.bytes(role.as_bytes());
    }
    encoder.finish()
}

pub(crate) fn decode_user(bytes: &Bytes) -> Result<User, DecodeError> {
    let mut decoder = Decoder::new(USER, bytes)?;
    let password = decode_password(&mut decoder)?;
    let since = decoder.u64()?;
    // One more than there are roles: that of root need not be made.
    let count = decoder.count("number of roles", NAMES_MAX + 1)?;
    let roles = (0..count).map(|_| decoder.text("role"));
    let roles = roles.collect::<Result<BTreeSet<_>, _>>()?;
    decoder.finish()?;
    Ok(User {
        password,
        roles,
        since,
    })
}

pub(crate) fn encode_role(role: &Role) -> Bytes {
    let mut encoder = Encoder::new(ROLE, 128);
    encoder.count(role.permissions().count());
    for permission in role.permissions() {
        encode_permission(&mut encoder, permission);
    }
    encoder.finish()
}

pub(crate) fn decode_role(bytes: &Bytes) -> Result<Role, DecodeError> {
    let mut decoder = Decoder::new(ROLE, bytes)?;
    let count = decoder.count("number of permissions", PERMISSIONS_PER_ROLE_MAX)?;
    let permissions = (0..count).map(|_| decode_permission(&mut decoder));
    let role = permissions.collect::<Result<Role, _>>()?;
    decoder.finish()?;
    Ok(role)
}

fn encode_password(encoder: &mut Encoder, password: Option<&Bytes>) {
    encoder.bool(password.is_some());
    if let Some(password) = password {
        encoder.bytes(password);
    }
}

fn decode_password(decoder: &mut Decoder) -> Result<Option<Bytes>, DecodeError> {
    match decoder.bool("password")? {
        true => decoder.bytes().map(Some),
        false => Ok(None),
    }
}

fn encode_permission(encoder: &mut Encoder, permission: &Permission) {
    encode_keys(encoder, &permission.keys);
    let (read, write) = (u8::from(permission.read), u8::from(permission.write));
    encoder.u8(read * READ + write * WRITE);
}

fn decode_permission(decoder: &mut Decoder) -> Result<Permission, DecodeError> {
    let keys = decode_keys(decoder)?;
    let rights = decoder.u8()?;
    match rights == 0 || rights > READ + WRITE {
        true => Err(decoder.field("rights")),
        false => Ok(Permission {
            keys,
            read: rights & READ != 0,
            write: rights & WRITE != 0,
        }),
    }
}
