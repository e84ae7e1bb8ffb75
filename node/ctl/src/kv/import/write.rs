//! Writes the keys: many in a transaction, and several transactions under way. None takes the place of a key that is there.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Result, bail};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::{Compare, PutRequest, RangeRequest, RequestOp, TxnRequest};
use node_api::etcd::mvccpb::KeyValue;
use prost::Message;
use tonic::Status;

use super::leases::Leases;
use crate::kv::etcd::{Etcd, is, patiently, said};
use crate::kv::source::Source;
use crate::output::Progress;

/// Transactions under way at a time.
pub const UNDER_WAY: usize = 8;
/// Keys of a transaction.
const KEYS_MAX: usize = 128;
/// Bytes of keys and values of a transaction, beyond which it has one key.
const BYTES_MAX: usize = 1 << 20;
/// A request that is longer is refused by the target.
pub const REQUEST_BYTES_MAX: usize = (1536 << 10) - 64;
/// Times that a transaction is made anew of what is left of it.
const ATTEMPTS_MAX: u32 = 8;

/// Writes the keys that the target has not, each after its lease was granted. Those that changed first come first, but for those
/// that are under way together.
///
/// # Errors
/// When the target refuses, or somebody else writes there.
pub async fn write(
    target: &Etcd,
    source: &Source,
    there: &HashSet<Box<[u8]>>,
    leases: &Leases<'_>,
    progress: &Progress,
) -> Result<()> {
    let keys = source.by_revision()?.filter(|key| match key {
        Ok(key) => !there.contains(key.key.as_ref()),
        Err(_) => true,
    });
    let writing = stream::iter(Batches { keys, next: None }).map(async |batch| {
        let batch = batch?;
        let keys = batch.len() as u64;
        put(target, batch, leases).await?;
        progress.add(keys);
        Ok(())
    });
    writing.buffer_unordered(UNDER_WAY).try_collect().await
}

/// Keys, as many at a time as a transaction takes.
struct Batches<I> {
    keys: I,
    next: Option<KeyValue>,
}

impl<I: Iterator<Item = Result<KeyValue>>> Iterator for Batches<I> {
    type Item = Result<Vec<KeyValue>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch: Vec<KeyValue> = self.next.take().into_iter().collect();
        let bytes = |key: &KeyValue| key.key.len() * 2 + key.value.len();
        let mut sum: usize = batch.iter().map(bytes).sum();
        while batch.len() < KEYS_MAX {
            let key = match self.keys.next() {
                Some(Ok(key)) => key,
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            };
            sum += bytes(&key);
            if sum > BYTES_MAX && !batch.is_empty() {
                self.next = Some(key);
                break;
            }
            batch.push(key);
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

async fn put(target: &Etcd, mut left: Vec<KeyValue>, leases: &Leases<'_>) -> Result<()> {
    for _ in 0..ATTEMPTS_MAX {
        let of_these: BTreeSet<i64> = left.iter().map(|key| key.lease).collect();
        leases.grant(of_these.iter().copied()).await?;
        match try_put(target, &left).await {
            Ok(true) => return Ok(()),
            // An earlier attempt was carried out though nothing was heard of it; or somebody else was.
            Ok(false) => left = not_there(target, left).await?,
            // It had its time, which is short.
            Err(status) if is(&status, Error::LeaseNotFound) => leases.forget(of_these),
            Err(status) => return Err(said(status)),
        }
        if left.is_empty() {
            return Ok(());
        }
    }
    bail!(
        "some keys could not be written in {ATTEMPTS_MAX} attempts, as their leases end or keys come and go meanwhile: have \
         nothing else write to the target, and run this again"
    )
}

/// Puts keys that are not there, all or none.
async fn try_put(target: &Etcd, keys: &[KeyValue]) -> Result<bool, Status> {
    let txn = TxnRequest {
        compare: keys
            .iter()
            .map(|key| is_not_there(key.key.clone()))
            .collect(),
        success: keys.iter().map(|key| op(put_request(key))).collect(),
        failure: Vec::new(),
    };
    match keys {
        // What the comparison adds may be what is too much for it. It was not there before.
        [key] if txn.encoded_len() > REQUEST_BYTES_MAX => {
            patiently(async || target.kv().put(put_request(key)).await).await?;
            Ok(true)
        }
        _ => {
            let done = patiently(async || target.kv().txn(txn.clone()).await).await?;
            Ok(done.succeeded)
        }
    }
}

/// Bytes of the request that puts a key.
pub fn put_bytes(key: &KeyValue) -> usize {
    put_request(key).encoded_len()
}

fn put_request(key: &KeyValue) -> PutRequest {
    PutRequest {
        key: key.key.clone(),
        value: key.value.clone(),
        lease: key.lease,
        ..PutRequest::default()
    }
}

fn op(put: PutRequest) -> RequestOp {
    RequestOp {
        request: Some(Request::RequestPut(put)),
    }
}

fn is_not_there(key: Bytes) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key,
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::CreateRevision(0)),
    }
}

/// The keys that are not there.
async fn not_there(target: &Etcd, keys: Vec<KeyValue>) -> Result<Vec<KeyValue>> {
    let mut left = Vec::new();
    for key in keys {
        let request = RangeRequest {
            key: key.key.clone(),
            ..RangeRequest::default()
        };
        let found = patiently(async || target.kv().range(request.clone()).await).await;
        match found.map_err(said)?.kvs.first() {
            None => left.push(key),
            Some(found) if (&found.value, found.lease) == (&key.value, key.lease) => {}
            Some(_) => bail!(
                "somebody else wrote the key {:?} to the target meanwhile: nothing may, until this is done",
                String::from_utf8_lossy(&key.key)
            ),
        }
    }
    Ok(left)
}
