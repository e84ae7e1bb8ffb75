//! One request, from its head to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use node_api::ErrorCode;
use node_engines::auth::{Auth, Right, User};
use node_engines::kv::Keys;
use node_engines::{Command, Reply, RequestId, kv};

use super::answer::{self, Answer, Refusal};
use super::parse::{Ask, parse};
use super::{body, cluster, page};
use crate::access::Caller;
use crate::errors::Failure;
use crate::node::{Consistency, Node, Written};

/// The memory that requests share.
#[derive(Default)]
pub struct Room {
    bodies: body::Room,
    pages: page::Room,
}

/// Answers one request. Never fails: what goes wrong is an answer too.
pub async fn answer(node: Node, room: Arc<Room>, request: Request<Incoming>) -> Answer {
    let answer = match carry_out(&node, &room, request).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(),
    };
    node.traffic().count_status(answer.status().as_u16());
    answer
}

async fn carry_out(
    node: &Node,
    room: &Room,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (head, mut body) = request.into_parts();
    let waits = head.headers.contains_key(EXPECT);
    let caller = caller(node, &head.headers);
    let ask = match admit(node, &head) {
        Ok(ask) => ask,
        Err(refusal) => {
            if !waits {
                body::drain(&mut body).await;
            }
            return Err(refusal);
        }
    };
    match ask {
        Ask::Get { key, consistency } => get(node, &caller, key, consistency).await,
        Ask::Put { key, request } => {
            let (value, _held) = room.bodies.read(body, waits).await?;
            put(node, &caller, key, value, request).await
        }
        Ask::Delete { key, request } => delete(node, &caller, key, request).await,
        Ask::List {
            prefix,
            from,
            limit,
            consistency,
        } => {
            let wanted = page::Wanted {
                prefix,
                from,
                limit,
            };
            page::answer(node, &room.pages, &caller, wanted, consistency).await
        }
        Ask::Cluster => Ok(answer::json(StatusCode::OK, &cluster::describe(node))),
    }
}

/// What is asked, where it can be understood and the node serves clients at all: known before the value is read, which
/// may take long.
fn admit(node: &Node, head: &Parts) -> Result<Ask, Refusal> {
    let ask = parse(&head.method, &head.uri, &head.headers)?;
    if !matches!(ask, Ask::Cluster) {
        node.serves()?;
    }
    Ok(ask)
}

/// Who sent a request with these headers.
pub fn caller(node: &Node, headers: &HeaderMap) -> Caller {
    let now = node.host().clock.wall();
    Caller::of(headers, None, &node.access().tokens, now)
}

/// Whether a caller may read keys.
pub fn may_read(node: &Node, caller: &Caller, keys: &Keys) -> Result<(), Failure> {
    let check = |auth: &Auth, user: &User| auth.check(user, Right::Read, keys);
    node.admit(caller, check).map(drop)
}

async fn get(
    node: &Node,
    caller: &Caller,
    key: Bytes,
    consistency: Consistency,
) -> Result<Answer, Refusal> {
    let keys = Keys::one(key.clone());
    may_read(node, caller, &keys)?;
    let (found, position) = node.get(&key, consistency).await?;
    // What it may read may have changed before the value did.
    may_read(node, caller, &keys)?;
    match found {
        Some(found) => Ok(answer::value(found.value, found.revision, position)),
        None => Ok(answer::placed(no_value().answer(), None, position)),
    }
}

async fn put(
    node: &Node,
    caller: &Caller,
    key: Bytes,
    value: Bytes,
    request: Option<RequestId>,
) -> Result<Answer, Refusal> {
    let keys = Keys::one(key.clone());
    let check = |auth: &Auth, user: &User| auth.check(user, Right::Write, &keys);
    let commands = vec![Command::Kv(kv::Command::Put { key, value })];
    let Written { position, replies } = node.write_as(caller, check, request, commands).await?;
    match replies.as_slice() {
        [Reply::Kv(kv::Reply::Put { revision, .. })] => {
            Ok(answer::written(StatusCode::CREATED, *revision, position))
        }
        other => Err(unexpected(other)),
    }
}

async fn delete(
    node: &Node,
    caller: &Caller,
    key: Bytes,
    request: Option<RequestId>,
) -> Result<Answer, Refusal> {
    let keys = Keys::one(key.clone());
    let check = |auth: &Auth, user: &User| auth.check(user, Right::Write, &keys);
    let commands = vec![Command::Kv(kv::Command::Delete { key })];
    let Written { position, replies } = node.write_as(caller, check, request, commands).await?;
    match replies.as_slice() {
        [
            Reply::Kv(kv::Reply::Delete {
                revision,
                existed: true,
            }),
        ] => Ok(answer::written(StatusCode::OK, *revision, position)),
        [
            Reply::Kv(kv::Reply::Delete {
                revision,
                existed: false,
            }),
        ] => Ok(answer::placed(
            no_value().answer(),
            Some(*revision),
            position,
        )),
        other => Err(unexpected(other)),
    }
}

fn no_value() -> Refusal {
    Refusal::new(404, ErrorCode::KeyNotFound, "the key has no value")
}

/// Replies that do not fit the commands: the request id was used for other ones, by a program that names them alike.
fn unexpected(replies: &[Reply]) -> Refusal {
    let message = format!("the outcome is unknown: the reply is of another command ({replies:?})");
    Refusal::new(504, ErrorCode::Unknown, message)
}
