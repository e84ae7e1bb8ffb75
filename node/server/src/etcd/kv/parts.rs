//! A range in parts, all as of one revision.

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use futures::stream::try_unfold;
use node_api::etcd::etcdserverpb::{RangeResponse, RangeStreamResponse};
use node_engines::Reader;
use node_engines::kv::{Query, Revision};
use tonic::Status;

use super::super::answers::range;
use super::super::errors::refused;
use super::super::service::Etcd;
use crate::access::Caller;

/// Keys in the first part. Later ones have more, or fewer, towards [`PART_BYTES`].
const FIRST_KEYS: usize = 10;
/// What a part should have of keys and values, in bytes.
const PART_BYTES: usize = 1 << 20;

/// What is still to be sent.
struct Rest {
    etcd: Etcd,
    caller: Caller,
    reader: Reader,
    query: Query,
    /// The keys that the whole answer may still have.
    left: Option<usize>,
    keys: usize,
    /// Of the first part: the last revision, and the keys in the whole range.
    first: Option<(Revision, u64)>,
}

/// The parts of the answer to `query`: their keys in order, each in one of them; header, count and more in the last one.
pub fn of(
    etcd: Etcd,
    caller: Caller,
    reader: Reader,
    query: Query,
) -> impl Stream<Item = Result<RangeStreamResponse, Status>> + Send {
    let rest = Rest {
        left: query.limit,
        etcd,
        caller,
        reader,
        query,
        keys: FIRST_KEYS,
        first: None,
    };
    try_unfold(Some(rest), |rest| async move {
        match rest {
            Some(rest) => rest.next().await.map(Some),
            None => Ok(None),
        }
    })
}

impl Rest {
    async fn next(mut self) -> Result<(RangeStreamResponse, Option<Rest>), Status> {
        let keys = self.left.map_or(self.keys, |left| left.min(self.keys));
        if !self.query.count_only {
            self.query.limit = Some(keys);
        }
        let answer = self
            .etcd
            .query(&self.caller, self.reader.clone(), self.query.clone());
        let (last, found) = answer.await?.map_err(refused)?;
        let (revision, count) = *self.first.get_or_insert((last, found.count));
        self.query.revision.get_or_insert(revision);
        self.left = self.left.map(|left| left - found.items.len().min(left));
        let next = found
            .items
            .last()
            .filter(|_| found.more && self.left != Some(0));
        let next = next.map(|item| after(&item.key));
        let bytes: usize = found
            .items
            .iter()
            .map(|item| item.key.len() + item.value.len())
            .sum();
        self.keys = match bytes > PART_BYTES {
            true => (self.keys / 2).max(1),
            false => self.keys * 2,
        };
        let header = Some(self.etcd.header(revision));
        let mut part = range(header, &self.query, found);
        let rest = match next {
            Some(next) => {
                part = RangeResponse {
                    kvs: part.kvs,
                    ..RangeResponse::default()
                };
                self.query.keys.from = next;
                Some(self)
            }
            None => {
                part.count = super::super::service::number(count);
                None
            }
        };
        let part = RangeStreamResponse {
            range_response: Some(part),
        };
        Ok((part, rest))
    }
}

/// The first key after another one.
fn after(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}
