//! What happened to keys, as watches are told of it.

use node_api::etcd::etcdserverpb::WatchResponse;
use node_api::etcd::mvccpb::Event;
use node_api::etcd::mvccpb::event::EventType;
use node_engines::{KeyChange, ReadError, Reader};
use prost::Message;

use super::super::MESSAGE_BYTES_MAX;
use super::super::answers::key_value;

/// A response is cut into fragments, where they are wanted, beyond so many bytes of events.
const FRAGMENT_BYTES: usize = MESSAGE_BYTES_MAX;

/// A change as an event, with what it replaced where that is wanted.
pub fn event(reader: &Reader, change: &KeyChange, prev_kv: bool) -> Result<Event, ReadError> {
    let before = match prev_kv {
        true => reader.before(change)?,
        false => None,
    };
    let kind = match change.deleted {
        true => EventType::Delete,
        false => EventType::Put,
    };
    Ok(Event {
        r#type: kind.into(),
        kv: Some(key_value(change.now.clone())),
        prev_kv: before.map(key_value),
    })
}

/// The response, cut where the client wants that and it is long.
pub fn fragments(whole: WatchResponse, wanted: bool) -> Vec<WatchResponse> {
    if !wanted || whole.encoded_len() < FRAGMENT_BYTES {
        return vec![whole];
    }
    let empty = WatchResponse {
        events: Vec::new(),
        ..whole.clone()
    };
    let mut fragments: Vec<WatchResponse> = Vec::new();
    let mut bytes = usize::MAX;
    for event in whole.events {
        let more = event.encoded_len();
        match fragments.last_mut() {
            Some(fragment) if bytes.saturating_add(more) < FRAGMENT_BYTES => {
                bytes += more;
                fragment.events.push(event);
            }
            _ => {
                bytes = more;
                fragments.push(WatchResponse {
                    events: vec![event],
                    ..empty.clone()
                });
            }
        }
    }
    let last = fragments.len().saturating_sub(1);
    for (number, fragment) in fragments.iter_mut().enumerate() {
        fragment.fragment = number < last;
    }
    fragments
}
