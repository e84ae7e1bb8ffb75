//! Who asks, and whether they may: passwords, tokens and certificates on this side, the engine's users and roles on the other.
//!
//! A [`Caller`] is what a request shows of who sent it. [`Node::admit`] holds it against the users and roles, and makes the
//! [`Asker`] of it that an entry carries; reads are held against them before and after.

mod caller;
mod passwords;
mod root;
mod tokens;

pub use caller::Caller;
pub use passwords::{PasswordError, Passwords};
pub(crate) use root::watch as make_root;
pub use tokens::{KeyError, TokenKey, Tokens};

use node_engines::auth::{Asker, Auth, Refusal, User};
use node_engines::{Command, Rejection, RequestId, kv};

use crate::errors::Failure;
use crate::node::{Consistency, Node, Written};

/// What a node needs for it.
pub struct Access {
    /// Tokens.
    pub tokens: Tokens,
    /// Passwords.
    pub passwords: Passwords,
    /// The password of root, if it was told.
    pub root_password: Option<Secret>,
}

/// What a node is told of passwords and tokens.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What signs tokens; nothing where the cluster key shall.
    pub token_key: Option<TokenKey>,
    /// The password of root, with which users are first asked who they are; nothing where a person decides that.
    pub root_password: Option<Secret>,
}

/// A text that no log shows.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Times that a write is allowed anew while users and roles change under it.
const ATTEMPTS_MAX: u32 = 4;

impl Node {
    /// Whether the caller may do what `check` looks at: who an entry shall name for it. Nothing where nobody is asked.
    pub fn admit(
        &self,
        caller: &Caller,
        check: impl FnOnce(&Auth, &User) -> Result<(), Refusal>,
    ) -> Result<Option<Asker>, Failure> {
        self.reader().auth(|auth| {
            if !auth.enabled() {
                return Ok(None);
            }
            let (name, user) = caller.user(auth)?;
            check(auth, user).map_err(Rejection::Auth)?;
            let (name, revision) = (name.to_owned(), auth.revision());
            Ok(Some(Asker::User { name, revision }))
        })
    }

    /// Carries out commands for a caller who may do what `check` looks at, as one entry; see [`Node::write`]. The replies are
    /// those to the commands.
    pub async fn write_as(
        &self,
        caller: &Caller,
        check: impl Fn(&Auth, &User) -> Result<(), Refusal>,
        request: Option<RequestId>,
        commands: Vec<Command>,
    ) -> Result<Written, Failure> {
        let mut attempts = 1;
        loop {
            let Some(asker) = self.admit(caller, &check)? else {
                return self.write(request, commands).await;
            };
            let mut asked = Vec::with_capacity(commands.len() + 1);
            asked.push(Command::As(asker));
            asked.extend_from_slice(&commands);
            match self.write(request.clone(), asked).await {
                // What was looked at is not what it was applied to: it is looked at once more.
                Err(Failure::Rejected(Rejection::Auth(Refusal::OldRevision)))
                    if attempts < ATTEMPTS_MAX =>
                {
                    attempts += 1;
                    self.read(Consistency::Linearizable).await?;
                }
                written => return written,
            }
        }
    }
}

/// A command that the cluster asks for itself.
pub(crate) fn by_the_cluster(command: kv::Command) -> Vec<Command> {
    vec![Command::As(Asker::Cluster), Command::Kv(command)]
}
