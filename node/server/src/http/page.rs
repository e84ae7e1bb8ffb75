//! Pages of keys: read where blocking is allowed, and bounded in number until they are sent.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use node_api::{Encoded, ErrorCode, ListItem, ListPage, percent_encode};
use node_engines::kv::Keys;
use node_engines::{Position, Reader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{self, Answer, Refusal};
use super::service::may_read;
use crate::access::Caller;
use crate::errors::Failure;
use crate::node::{Consistency, Node};
use crate::work;

/// Pages in memory at a time, those that are being sent included.
const PAGES_MAX: usize = 64;

/// The pages that may be in memory.
pub struct Room {
    pages: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            pages: Arc::new(Semaphore::new(PAGES_MAX)),
        }
    }
}

/// Which keys are asked for.
pub struct Wanted {
    /// What they begin with.
    pub prefix: Vec<u8>,
    /// The first of them, at the earliest.
    pub from: Option<Vec<u8>>,
    /// The most of them.
    pub limit: usize,
}

/// A page and its share of the room, which is given back when the page is sent.
struct Held {
    page: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.page
    }
}

/// Answers with a page.
pub async fn answer(
    node: &Node,
    room: &Room,
    caller: &Caller,
    wanted: Wanted,
    consistency: Consistency,
) -> Result<Answer, Refusal> {
    let share = room.pages.clone().try_acquire_owned();
    let busy = || Refusal::new(503, ErrorCode::Busy, "too many lists are under way");
    let share = share.map_err(|_| busy())?;
    let reader = node.read(consistency).await?.clone();
    let keys = Keys::beginning_with(&wanted.prefix);
    may_read(node, caller, &keys)?;
    let reading = (node.clone(), wanted);
    // A page is many look-ups on the disk.
    let read = work::lend(node.host(), move || read(&reading.0, &reader, &reading.1)).await;
    let broken = |why: String| Refusal::new(500, ErrorCode::Fatal, why);
    let (page, position) = read.map_err(|error| broken(error.to_string()))??;
    may_read(node, caller, &keys)?;
    let page = serde_json::to_vec(&page).map_err(|error| broken(error.to_string()))?;
    let body = Bytes::from_owner(Held {
        page,
        _share: share,
    });
    Ok(answer::placed(
        answer::json_bytes(StatusCode::OK, body),
        None,
        position,
    ))
}

fn read(node: &Node, reader: &Reader, wanted: &Wanted) -> Result<(ListPage, Position), Failure> {
    // Before the keys: whoever goes on from there misses nothing.
    let position = reader.position();
    let listed = node.list(reader, &wanted.prefix, wanted.from.as_deref(), wanted.limit)?;
    let items = listed.items.iter().map(|(key, value, revision)| ListItem {
        key: Encoded::new(key),
        value: Encoded::new(value),
        revision: revision.0,
    });
    let page = ListPage {
        items: items.collect(),
        next: listed.next.map(|next| percent_encode(&next)),
        position: position.to_string(),
    };
    Ok((page, position))
}
