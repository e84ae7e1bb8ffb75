//! Replies: what a write did, with what it read and replaced looked up in the history.

use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::response_op::Response;
use node_api::etcd::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, RequestOp, ResponseHeader, ResponseOp,
    TxnRequest, TxnResponse,
};
use node_api::etcd::mvccpb;
use node_engines::kv::{Done, KeyValue, Keys, Queried, Query, Revision, Sort};
use node_engines::{ReadError, Reader};

use super::service::number;
use super::steps;

/// Why a reply can not be made of a write that is done.
pub enum Missing {
    /// What it read or replaced was given up meanwhile.
    GivenUp,
    /// The storage failed.
    Read(ReadError),
}

impl From<ReadError> for Missing {
    fn from(error: ReadError) -> Missing {
        Missing::Read(error)
    }
}

/// Makes replies to the steps of one write, in their order. In their headers is the revision of that moment and nothing else,
/// and in that of a transaction not even this, as from etcd; who answers a client puts a whole header over it.
pub struct Answers<'a> {
    reader: &'a Reader,
    before: Revision,
    changes: u32,
}

impl<'a> Answers<'a> {
    /// Replies to the write that followed revision `before`.
    pub fn new(reader: &'a Reader, before: Revision) -> Answers<'a> {
        Answers {
            reader,
            before,
            changes: 0,
        }
    }

    fn header(&self) -> Option<ResponseHeader> {
        let revision = match self.changes {
            0 => self.before,
            _ => self.before.next(),
        };
        Some(ResponseHeader {
            revision: number(revision.0),
            ..ResponseHeader::default()
        })
    }

    /// The reply to a put.
    pub fn put(&mut self, keys: Keys, prev_kv: bool) -> Result<PutResponse, Missing> {
        let before = match prev_kv {
            true => self.query(&Query::all(keys))?.items.pop(),
            false => None,
        };
        self.changes += 1;
        Ok(PutResponse {
            header: self.header(),
            prev_kv: before.map(key_value),
        })
    }

    /// The reply to a delete of so many keys.
    pub fn delete(
        &mut self,
        keys: Keys,
        prev_kv: bool,
        deleted: u32,
    ) -> Result<DeleteRangeResponse, Missing> {
        let before = match prev_kv {
            true => self.query(&Query::all(keys))?.items,
            false => Vec::new(),
        };
        self.changes += deleted;
        Ok(DeleteRangeResponse {
            header: self.header(),
            deleted: deleted.into(),
            prev_kvs: before.into_iter().map(key_value).collect(),
        })
    }

    /// The reply to a transaction.
    pub fn txn(&mut self, request: TxnRequest, done: Done) -> Result<TxnResponse, Missing> {
        let Done::Txn { succeeded, done } = done else {
            return Err(Missing::GivenUp);
        };
        let requests = match succeeded {
            true => request.success,
            false => request.failure,
        };
        let requests = requests
            .into_iter()
            .filter_map(|RequestOp { request }| request);
        let responses = requests
            .zip(done)
            .map(|(request, done)| self.step(request, done))
            .collect::<Result<_, _>>()?;
        Ok(TxnResponse {
            header: Some(ResponseHeader::default()),
            succeeded,
            responses,
        })
    }

    fn step(&mut self, request: Request, done: Done) -> Result<ResponseOp, Missing> {
        let response = match (request, done) {
            (Request::RequestRange(request), Done::Range) => {
                let mut query = steps::query(&request).map_err(|_: Error| Missing::GivenUp)?;
                let found = match query.revision.take() {
                    Some(revision) => self.query_at(&query, revision)?,
                    None => self.query(&query)?,
                };
                Response::ResponseRange(range(self.header(), &query, found))
            }
            (Request::RequestPut(request), Done::Put) => {
                Response::ResponsePut(self.put(Keys::one(request.key), request.prev_kv)?)
            }
            (Request::RequestDeleteRange(request), Done::Delete(deleted)) => {
                let keys = steps::keys(request.key, request.range_end);
                Response::ResponseDeleteRange(self.delete(keys, request.prev_kv, deleted)?)
            }
            (Request::RequestTxn(request), done) => Response::ResponseTxn(self.txn(request, done)?),
            _ => return Err(Missing::GivenUp),
        };
        Ok(ResponseOp {
            response: Some(response),
        })
    }

    /// What the next step sees.
    fn query(&self, query: &Query) -> Result<Queried, Missing> {
        let found = self.reader.query_within(query, self.before, self.changes)?;
        found.ok_or(Missing::GivenUp)
    }

    fn query_at(&self, query: &Query, revision: Revision) -> Result<Queried, Missing> {
        let found = self.reader.query_within(query, revision, 0)?;
        found.ok_or(Missing::GivenUp)
    }
}

/// The reply to a read. Of keys alone it shows no leases, as etcd does since it answers that from memory.
pub fn range(header: Option<ResponseHeader>, query: &Query, found: Queried) -> RangeResponse {
    let from_memory = !query.values && !matches!(query.order, Some((Sort::Value, _)));
    let shown = |item: KeyValue| match from_memory {
        true => mvccpb::KeyValue {
            lease: 0,
            ..key_value(item)
        },
        false => key_value(item),
    };
    RangeResponse {
        header,
        kvs: found.items.into_iter().map(shown).collect(),
        more: found.more,
        count: number(found.count),
    }
}

/// A key as etcd shows it.
pub fn key_value(item: KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: item.key,
        value: item.value,
        create_revision: number(item.created.0),
        mod_revision: number(item.modified.0),
        version: number(item.version),
        lease: item.lease.0,
    }
}
