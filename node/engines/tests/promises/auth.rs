//! Users and roles in scripts. Commands, in entries or after the word `auth`: `as cluster`, `as USER REVISION`, `enable`,
//! `disable`, `user-add U [PASSWORD]`, `user-delete U`, `password U PASSWORD`, `role-add R`, `role-delete R`, `grant-role U R`,
//! `revoke-role U R`, `permit R read|write|readwrite KEYS`, `forbid R KEYS`. Looks: `who`, and `may USER read|write KEYS`.

use std::error::Error;
use std::fmt::Write as _;

use node_engines::auth::{Asker, Command, Permission, Refusal, Right};
use node_engines::{Reader, kv};

use crate::scripts::{keys, text};

/// The command that words stand for.
pub fn command(words: &[&str]) -> Result<node_engines::Command, Box<dyn Error>> {
    let name = |word: &str| word.to_owned();
    let asker = match words {
        ["as", "cluster"] => Asker::Cluster,
        ["as", user, revision] => Asker::User {
            name: name(user),
            revision: revision.parse()?,
        },
        words => return Ok(node_engines::Command::Auth(change(words)?)),
    };
    Ok(node_engines::Command::As(asker))
}

fn change(words: &[&str]) -> Result<Command, Box<dyn Error>> {
    let name = |word: &str| String::from_utf8(text(word).to_vec()).unwrap();
    Ok(match words {
        ["enable"] => Command::Enable,
        ["disable"] => Command::Disable,
        ["user-add", user] => Command::AddUser {
            name: name(user),
            password: None,
        },
        ["user-add", user, password] => Command::AddUser {
            name: name(user),
            password: Some(text(password)),
        },
        ["user-delete", user] => Command::DeleteUser { name: name(user) },
        ["password", user, password] => Command::ChangePassword {
            name: name(user),
            password: text(password),
        },
        ["role-add", role] => Command::AddRole { name: name(role) },
        ["role-delete", role] => Command::DeleteRole { name: name(role) },
        ["grant-role", user, role] => Command::GrantRole {
            user: name(user),
            role: name(role),
        },
        ["revoke-role", user, role] => Command::RevokeRole {
            user: name(user),
            role: name(role),
        },
        ["permit", role, rights, range @ ..] => Command::GrantPermission {
            role: name(role),
            permission: Permission {
                keys: keys(range)?,
                read: rights.starts_with("read"),
                write: rights.ends_with("write"),
            },
        },
        ["forbid", role, range @ ..] => Command::RevokePermission {
            role: name(role),
            keys: keys(range)?,
        },
        _ => return Err(format!("no command {words:?}").into()),
    })
}

/// What the users and roles are.
pub fn who(reader: &Reader) -> String {
    reader.auth(|auth| {
        let mut answer = format!("enabled {} revision {}\n", auth.enabled(), auth.revision());
        for name in auth.users() {
            let user = auth.user(name).unwrap();
            let password = match &user.password {
                Some(password) => format!("{:?}", String::from_utf8_lossy(password)),
                None => "none".to_owned(),
            };
            let (roles, since) = (&user.roles, user.since);
            writeln!(
                answer,
                "user {name} password {password} since {since} {roles:?}"
            )
            .unwrap();
        }
        for name in auth.roles() {
            let permissions: Vec<_> = auth.role(name).unwrap().permissions().collect();
            let permissions: Vec<String> = permissions
                .iter()
                .map(|Permission { keys, read, write }| {
                    let end = match &keys.end {
                        kv::End::Same => String::new(),
                        kv::End::Open => " ..".to_owned(),
                        kv::End::Before(end) => format!(" {}", String::from_utf8_lossy(end)),
                    };
                    let (read, write) =
                        (if *read { "r" } else { "" }, if *write { "w" } else { "" });
                    format!("{}{end} {read}{write}", String::from_utf8_lossy(&keys.from))
                })
                .collect();
            writeln!(answer, "role {name} {permissions:?}").unwrap();
        }
        answer
    })
}

/// Whether a user may do something.
pub fn may(reader: &Reader, words: &[&str]) -> Result<String, Box<dyn Error>> {
    let [user, right, range @ ..] = words else {
        return Err("who may do what with which keys?".into());
    };
    let right = match *right {
        "read" => Right::Read,
        "write" => Right::Write,
        _ => return Err("read or write?".into()),
    };
    let keys = keys(range)?;
    reader.auth(|auth| {
        let user = auth.user(user).ok_or("there is no such user")?;
        Ok(match auth.check(user, right, &keys) {
            Ok(()) => "yes".to_owned(),
            Err(refusal) => format!("no: {refusal}"),
        })
    })
}

/// One of each command, in an order in which each can be carried out.
pub fn every_command() -> Vec<node_engines::Command> {
    let lines = [
        "as cluster",
        "user-add root secret",
        "user-add u",
        "role-add r",
        "role-add s",
        "permit r read a b",
        "permit r write c",
        "permit r readwrite d ..",
        "forbid r c",
        "grant-role root root",
        "grant-role u r",
        "revoke-role u r",
        "grant-role u r",
        "role-delete s",
        "user-add v pw",
        "password root other",
        "user-delete v",
        "disable",
        "enable",
        "as root 15",
    ];
    let command = |line: &str| command(&line.split(' ').collect::<Vec<_>>()).unwrap();
    lines.into_iter().map(command).collect()
}

/// Every reason for which a command is refused.
pub const REFUSALS: [Refusal; 14] = [
    Refusal::NoRootUser,
    Refusal::NoRootRole,
    Refusal::UserEmpty,
    Refusal::UserExists,
    Refusal::UserNotFound,
    Refusal::RoleEmpty,
    Refusal::RoleExists,
    Refusal::RoleNotFound,
    Refusal::RoleNotGranted,
    Refusal::PermissionNotGranted,
    Refusal::InvalidManagement,
    Refusal::OldRevision,
    Refusal::PermissionDenied,
    Refusal::TooMany,
];
