//! Streams of writes: what a program has under way, over one connection (`kluster.data.v1`, which its protobuf file documents).

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, unfold};
use futures::{FutureExt, Stream, StreamExt};
use node_api::ErrorCode;
use node_api::proto::data as proto;
use node_api::proto::data::data_server::{Data, DataServer};
use node_engines::auth::{self, Auth, Right, User};
use node_engines::kv::Keys;
use node_engines::{COMMANDS_PER_ENTRY_MAX, Command, Reply, RequestId, kv};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};

use super::answer::Refusal;
use super::service::caller;
use super::{body, parse};
use crate::access::Caller;
use crate::connections::IDLE_MAX;
use crate::node::{Node, Written};

/// Most streams at a time. Each may hold what it has under way, a request that waits for room, and one that is coming: 5 MiB.
const STREAMS_MAX: usize = 64;
/// What a stream may have under way, in KiB of requests; each counts as one at least.
const UNDER_WAY_KIB: u32 = 1 << 10;
/// No request is longer: the largest value, its key, and some room for more commands.
const REQUEST_BYTES_MAX: usize = 2 << 20;

/// The gRPC service of a node's streams of writes.
pub type Service = DataServer<Streams>;

/// Serves the streams of `node`.
pub fn service(node: Node) -> Service {
    let places = Arc::new(Semaphore::new(STREAMS_MAX));
    DataServer::new(Streams { node, places }).max_decoding_message_size(REQUEST_BYTES_MAX)
}

/// The node, and the streams it still has a place for.
pub struct Streams {
    node: Node,
    places: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Data for Streams {
    type WriteStream = BoxStream<'static, Result<proto::WriteReply, Status>>;

    async fn write(
        &self,
        requests: Request<Streaming<proto::WriteRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        if self.node.is_ending() {
            return Err(Status::unavailable("the node is stopping: ask another"));
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let message = format!("the node serves {STREAMS_MAX} streams of writes already");
            return Err(Status::resource_exhausted(message));
        };
        let caller = Arc::new(caller(&self.node, requests.metadata().as_ref()));
        let node = self.node.clone();
        let ending = {
            let node = node.clone();
            async move { node.ending().await }.boxed()
        };
        let under_way = Arc::new(Semaphore::new(UNDER_WAY_KIB as usize));
        let replies = received(requests.into_inner())
            .take_until(ending)
            // Nothing more is read while there is no room for what was read last.
            .then(move |request| admit(request, under_way.clone()))
            .map(move |admitted| {
                let (node, caller) = (node.clone(), caller.clone());
                async move {
                    let (request, _room) = admitted?;
                    Ok(answer(&node, &caller, request).await)
                }
            })
            .buffered(UNDER_WAY_KIB as usize)
            .inspect(move |_| _ = &place);
        Ok(Response::new(replies.boxed()))
    }
}

/// What comes, until nothing does for too long.
fn received(
    requests: Streaming<proto::WriteRequest>,
) -> impl Stream<Item = Result<proto::WriteRequest, Status>> {
    unfold(requests, |mut requests| async move {
        let next = timeout(IDLE_MAX, requests.message()).await;
        let next = next.ok()?.transpose()?;
        Some((next, requests))
    })
}

async fn admit(
    request: Result<proto::WriteRequest, Status>,
    under_way: Arc<Semaphore>,
) -> Result<(proto::WriteRequest, impl Drop), Status> {
    let request = request?;
    let kib = prost::Message::encoded_len(&request).div_ceil(1 << 10);
    let kib = u32::try_from(kib).map_or(UNDER_WAY_KIB, |kib| kib.clamp(1, UNDER_WAY_KIB));
    match under_way.acquire_many_owned(kib).await {
        Ok(room) => Ok((request, room)),
        Err(closed) => Err(Status::unavailable(closed.to_string())),
    }
}

/// Carries out one request. Never fails: a refusal is a reply too.
async fn answer(node: &Node, caller: &Caller, request: proto::WriteRequest) -> proto::WriteReply {
    let (status, outcome) = match carry_out(node, caller, request).await {
        Ok(written) => (200, proto::write_reply::Outcome::Written(written)),
        Err(refusal) => {
            let status = refusal.status;
            let refusal = proto::Refusal {
                status: status.into(),
                code: refusal.code.to_string(),
                message: refusal.message,
            };
            (status, proto::write_reply::Outcome::Refusal(refusal))
        }
    };
    node.traffic().count_status(status);
    proto::WriteReply {
        outcome: Some(outcome),
    }
}

async fn carry_out(
    node: &Node,
    caller: &Caller,
    request: proto::WriteRequest,
) -> Result<proto::Written, Refusal> {
    let proto::WriteRequest {
        commands,
        request_id,
    } = request;
    let count = commands.len();
    if !(1..=COMMANDS_PER_ENTRY_MAX).contains(&count) {
        return Err(Refusal::bad(format!(
            "a request has 1 to {COMMANDS_PER_ENTRY_MAX} commands, not {}",
            commands.len()
        )));
    }
    let keys: Vec<Keys> = match node.reader().auth(Auth::enabled) {
        true => commands.iter().filter_map(key).map(Keys::one).collect(),
        false => Vec::new(),
    };
    let writes = |auth: &Auth, user: &User| match keys.len() == count {
        true => keys
            .iter()
            .try_for_each(|keys| auth.check(user, Right::Write, keys)),
        // Nobody was asked a moment ago.
        false => Err(auth::Refusal::OldRevision),
    };
    let commands = commands.into_iter().map(command);
    let commands = commands.collect::<Result<Vec<_>, _>>()?;
    let request = match request_id.is_empty() {
        true => None,
        false => Some(
            RequestId::new(Bytes::from(request_id))
                .map_err(|error| Refusal::bad(format!("request_id: {error}")))?,
        ),
    };
    let Written { position, replies } = node.write_as(caller, writes, request, commands).await?;
    Ok(proto::Written {
        position: position.to_string(),
        changes: replies.iter().map(change).collect::<Result<_, _>>()?,
    })
}

/// The key that a command is about.
fn key(command: &proto::Command) -> Option<Bytes> {
    match command.command.as_ref()? {
        proto::command::Command::Put(put) => Some(put.key.clone()),
        proto::command::Command::Delete(delete) => Some(delete.key.clone()),
    }
}

fn command(command: proto::Command) -> Result<Command, Refusal> {
    let command = match command.command {
        Some(proto::command::Command::Put(proto::Put { key, value })) => {
            parse::check_key(&key)?;
            body::check_value(value.len() as u64)?;
            kv::Command::Put { key, value }
        }
        Some(proto::command::Command::Delete(proto::Delete { key })) => {
            parse::check_key(&key)?;
            kv::Command::Delete { key }
        }
        None => {
            let message =
                "a command is neither put nor delete, or one that this node does not know";
            return Err(Refusal::bad(message));
        }
    };
    Ok(Command::Kv(command))
}

fn change(reply: &Reply) -> Result<proto::Change, Refusal> {
    let (revision, existed) = match reply {
        Reply::Kv(kv::Reply::Put { revision, created }) => (revision, !created),
        Reply::Kv(kv::Reply::Delete { revision, existed }) => (revision, *existed),
        Reply::Kv(_) | Reply::Auth(_) | Reply::System(_) => {
            let message = "the outcome is unknown: the reply is of another command";
            return Err(Refusal::new(504, ErrorCode::Unknown, message));
        }
    };
    Ok(proto::Change {
        revision: revision.0,
        existed,
    })
}
