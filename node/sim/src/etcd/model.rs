//! What etcd's requests do to a state and what they are answered: the rules once more, in the API's own words, sharing
//! nothing with the engine.

use std::collections::BTreeMap;

use bytes::Bytes;
use node_api::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::response_op::Response;
use node_api::etcd::etcdserverpb::{
    Compare, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse, RangeRequest,
    RangeResponse, RequestOp, ResponseHeader, ResponseOp, TxnRequest, TxnResponse,
};
use node_api::etcd::mvccpb::event::EventType;
use node_api::etcd::mvccpb::{Event, KeyValue};

/// All keys at one revision.
pub type State = BTreeMap<Bytes, KeyValue>;

/// The states of all revisions from one on.
#[derive(Default)]
pub struct History {
    /// The revision of the first state.
    pub base: i64,
    /// One state for each revision.
    pub states: Vec<State>,
}

impl History {
    /// The state at a revision, if there is one.
    pub fn at(&self, revision: i64) -> Option<&State> {
        let number = usize::try_from(revision.checked_sub(self.base)?).ok()?;
        self.states.get(number)
    }

    /// The last revision.
    pub fn end(&self) -> i64 {
        self.base + self.states.len() as i64 - 1
    }
}

/// Whether a key lies in the range that a request names.
pub fn within(key: &[u8], from: &[u8], end: &[u8]) -> bool {
    match end {
        [] => key == from,
        [0] => key >= from,
        _ => key >= from && key < end,
    }
}

fn find<'a>(state: &'a State, from: &'a [u8], end: &'a [u8]) -> impl Iterator<Item = &'a KeyValue> {
    let found = state.iter().filter(|(key, _)| within(key, from, end));
    found.map(|(_, kv)| kv)
}

/// A request that is carried out after a revision.
pub struct Doing<'a> {
    history: &'a History,
    first: &'a State,
    now: State,
    before: i64,
    /// What it changed so far.
    pub events: Vec<Event>,
}

impl<'a> Doing<'a> {
    /// Begins after revision `before`; nothing where its state is not known.
    pub fn after(history: &'a History, before: i64) -> Option<Doing<'a>> {
        let first = history.at(before)?;
        Some(Doing {
            history,
            first,
            now: first.clone(),
            before,
            events: Vec::new(),
        })
    }

    /// Carries it out; gives the answer, without what only the whole answer's header has.
    pub fn step(&mut self, request: &Request) -> Response {
        match request {
            Request::RequestRange(range) => Response::ResponseRange(self.range(range)),
            Request::RequestPut(put) => Response::ResponsePut(self.put(put)),
            Request::RequestDeleteRange(delete) => {
                Response::ResponseDeleteRange(self.delete(delete))
            }
            Request::RequestTxn(txn) => Response::ResponseTxn(self.txn(txn)),
        }
    }

    fn header(&self) -> Option<ResponseHeader> {
        Some(ResponseHeader {
            revision: self.before + i64::from(!self.events.is_empty()),
            ..ResponseHeader::default()
        })
    }

    fn range(&self, asked: &RangeRequest) -> RangeResponse {
        let empty = State::new();
        let state = match asked.revision {
            0 => &self.now,
            revision => self.history.at(revision).unwrap_or(&empty),
        };
        let mut kvs: Vec<KeyValue> = find(state, &asked.key, &asked.range_end).cloned().collect();
        let count = kvs.len();
        if let Some(limit) = usize::try_from(asked.limit).ok().filter(|limit| *limit > 0) {
            kvs.truncate(limit);
        }
        RangeResponse {
            header: self.header(),
            more: kvs.len() < count,
            count: count as i64,
            kvs,
        }
    }

    fn put(&mut self, asked: &PutRequest) -> PutResponse {
        let before = self.now.get(&asked.key).cloned();
        let revision = self.before + 1;
        let kv = KeyValue {
            key: asked.key.clone(),
            value: asked.value.clone(),
            lease: asked.lease,
            mod_revision: revision,
            create_revision: before.as_ref().map_or(revision, |kv| kv.create_revision),
            version: 1 + before.as_ref().map_or(0, |kv| kv.version),
        };
        self.now.insert(asked.key.clone(), kv.clone());
        self.events.push(event(EventType::Put, kv));
        PutResponse {
            header: self.header(),
            prev_kv: before.filter(|_| asked.prev_kv),
        }
    }

    fn delete(&mut self, asked: &DeleteRangeRequest) -> DeleteRangeResponse {
        let found = find(&self.now, &asked.key, &asked.range_end);
        let gone: Vec<KeyValue> = found.cloned().collect();
        self.remove(gone.iter().map(|kv| kv.key.clone()).collect());
        DeleteRangeResponse {
            header: self.header(),
            deleted: gone.len() as i64,
            prev_kvs: if asked.prev_kv { gone } else { Vec::new() },
        }
    }

    /// The end of a lease: its keys go.
    pub fn end_lease(&mut self, lease: i64) {
        let attached = self.now.values().filter(|kv| kv.lease == lease);
        self.remove(attached.map(|kv| kv.key.clone()).collect());
    }

    fn remove(&mut self, keys: Vec<Bytes>) {
        for key in keys {
            self.now.remove(&key);
            let kv = KeyValue {
                key,
                mod_revision: self.before + 1,
                ..KeyValue::default()
            };
            self.events.push(event(EventType::Delete, kv));
        }
    }

    fn txn(&mut self, asked: &TxnRequest) -> TxnResponse {
        let succeeded = asked
            .compare
            .iter()
            .all(|compare| holds(self.first, compare));
        let steps = match succeeded {
            true => &asked.success,
            false => &asked.failure,
        };
        let requests = steps
            .iter()
            .filter_map(|RequestOp { request }| request.as_ref());
        let responses = requests.map(|request| ResponseOp {
            response: Some(self.step(request)),
        });
        TxnResponse {
            responses: responses.collect(),
            succeeded,
            header: Some(ResponseHeader::default()),
        }
    }
}

fn event(kind: EventType, kv: KeyValue) -> Event {
    Event {
        r#type: kind.into(),
        kv: Some(kv),
        prev_kv: None,
    }
}

/// Whether a comparison holds for each key of its range; where there is none, for one that is all zero and has no value.
fn holds(state: &State, compare: &Compare) -> bool {
    let mut found = find(state, &compare.key, &compare.range_end).peekable();
    match found.peek() {
        None => key_holds(compare, None),
        Some(_) => found.all(|kv| key_holds(compare, Some(kv))),
    }
}

fn key_holds(compare: &Compare, kv: Option<&KeyValue>) -> bool {
    let zero = KeyValue::default();
    let found = kv.unwrap_or(&zero);
    let order = match (compare.target(), &compare.target_union) {
        (CompareTarget::Version, Some(TargetUnion::Version(given))) => found.version.cmp(given),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(given))) => {
            found.create_revision.cmp(given)
        }
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(given))) => {
            found.mod_revision.cmp(given)
        }
        (CompareTarget::Lease, Some(TargetUnion::Lease(given))) => found.lease.cmp(given),
        (CompareTarget::Value, Some(TargetUnion::Value(given))) if kv.is_some() => {
            found.value.cmp(given)
        }
        _ => return false,
    };
    match compare.result() {
        CompareResult::Equal => order.is_eq(),
        CompareResult::Greater => order.is_gt(),
        CompareResult::Less => order.is_lt(),
        CompareResult::NotEqual => order.is_ne(),
    }
}
