//! What a request shows of who sent it.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use node_engines::Rejection;
use node_engines::auth::{Auth, Refusal, User};
use node_host::WallMillis;

use super::Tokens;
use crate::errors::Failure;

/// The header, or metadata, in which etcd's clients send a token.
const TOKEN: &str = "token";

/// Who sent a request, as far as it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// It does not say.
    #[default]
    Nobody,
    /// It has a token of a user, from a revision of the users and roles.
    Token {
        /// Its name.
        user: String,
        /// The revision.
        revision: u64,
    },
    /// It came over a connection whose certificate names a user.
    Certificate {
        /// Its name.
        user: String,
    },
    /// It has a token that is none, or is over.
    BadToken,
}

impl Caller {
    /// The caller that headers show, or else the name in a certificate.
    pub fn of(
        headers: &HeaderMap,
        certificate: Option<&str>,
        tokens: &Tokens,
        now: WallMillis,
    ) -> Caller {
        let header = headers.get(TOKEN).or_else(|| headers.get(AUTHORIZATION));
        let Some(token) = header else {
            return match certificate {
                Some(user) if !user.is_empty() => Caller::Certificate {
                    user: user.to_owned(),
                },
                _ => Caller::Nobody,
            };
        };
        let token = token.to_str().unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or(token);
        match tokens.read(token, now) {
            Some((user, revision)) => Caller::Token { user, revision },
            None => Caller::BadToken,
        }
    }

    /// The user that it is. A token of a user that was made anew since, or of another password, is of none.
    pub(super) fn user<'a>(&'a self, auth: &'a Auth) -> Result<(&'a str, &'a User), Failure> {
        match self {
            Caller::Nobody => Err(Rejection::Auth(Refusal::UserEmpty).into()),
            Caller::BadToken => Err(Failure::InvalidToken),
            Caller::Certificate { user } => {
                let found = auth.user(user).ok_or(Refusal::PermissionDenied);
                Ok((user, found.map_err(Rejection::Auth)?))
            }
            Caller::Token { user, revision } => {
                let found = auth.user(user).filter(|user| user.since <= *revision);
                Ok((user, found.ok_or(Failure::InvalidToken)?))
            }
        }
    }
}
