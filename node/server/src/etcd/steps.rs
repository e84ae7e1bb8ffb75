//! Requests as steps of the engine, and what of them is refused at once.

use std::collections::BTreeSet;

use bytes::Bytes;
use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use node_api::etcd::etcdserverpb::range_request::{SortOrder, SortTarget};
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use node_engines::kv::{
    self, Filter, Keys, LeaseId, Order, Query, Relation, Revision, Sort, Step, Target, Txn,
};

/// What etcd allows by default, of comparisons and of steps of either branch.
const OPERATIONS_MAX: usize = 128;

/// The range that a key and its end name.
pub fn keys(key: Bytes, range_end: Bytes) -> Keys {
    let end = match range_end.as_ref() {
        [] => kv::End::Same,
        [0] => kv::End::Open,
        _ => kv::End::Before(range_end),
    };
    Keys { from: key, end }
}

/// The read that a request asks for.
pub fn query(request: &RangeRequest) -> Result<Query, Error> {
    if request.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    let order = SortOrder::try_from(request.sort_order).map_err(|_| Error::InvalidSortOption)?;
    let target = SortTarget::try_from(request.sort_target).map_err(|_| Error::InvalidSortOption)?;
    let sort = match target {
        SortTarget::Key => Sort::Key,
        SortTarget::Version => Sort::Version,
        SortTarget::Create => Sort::Created,
        SortTarget::Mod => Sort::Modified,
        SortTarget::Value => Sort::Value,
    };
    let order = match order {
        SortOrder::Descend => Some((sort, Order::Descending)),
        SortOrder::Ascend => Some((sort, Order::Ascending)),
        // Another target than the key without an order sorts no more than what the limit lets in.
        SortOrder::None => (sort != Sort::Key).then_some((sort, Order::OfPage)),
    };
    Ok(Query {
        keys: keys(request.key.clone(), request.range_end.clone()),
        revision: revision(request.revision),
        limit: usize::try_from(request.limit)
            .ok()
            .filter(|limit| *limit > 0),
        values: !request.keys_only,
        count_only: request.count_only,
        order,
        filter: Filter {
            modified_min: request.min_mod_revision,
            modified_max: request.max_mod_revision,
            created_min: request.min_create_revision,
            created_max: request.max_create_revision,
        },
    })
}

/// A revision that is asked for; the last one where it is none.
fn revision(revision: i64) -> Option<Revision> {
    u64::try_from(revision)
        .ok()
        .filter(|revision| *revision > 0)
        .map(Revision)
}

/// The step of a put.
pub fn put(request: PutRequest) -> Result<Step, Error> {
    let PutRequest {
        key,
        value,
        lease,
        prev_kv: _,
        ignore_value,
        ignore_lease,
    } = request;
    if key.is_empty() {
        return Err(Error::EmptyKey);
    }
    if ignore_value && !value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if ignore_lease && lease != 0 {
        return Err(Error::LeaseProvided);
    }
    Ok(Step::Put(kv::Put {
        key,
        value: (!ignore_value).then_some(value),
        lease: (!ignore_lease).then_some(LeaseId(lease)),
    }))
}

/// The step of a delete.
pub fn delete(request: DeleteRangeRequest) -> Result<Step, Error> {
    match request.key.is_empty() {
        true => Err(Error::EmptyKey),
        false => Ok(Step::Delete(keys(request.key, request.range_end))),
    }
}

/// The step of a transaction.
pub fn txn(request: TxnRequest) -> Result<Step, Error> {
    let txn = txn_within(request.clone(), OPERATIONS_MAX)?;
    touched(&request.success)?;
    touched(&request.failure)?;
    Ok(Step::Txn(Box::new(txn)))
}

fn txn_within(request: TxnRequest, operations_max: usize) -> Result<Txn, Error> {
    let TxnRequest {
        compare,
        success,
        failure,
    } = request;
    let operations = compare.len().max(success.len()).max(failure.len());
    let left = operations_max.checked_sub(operations);
    let left = left.ok_or(Error::TooManyOps)?;
    let steps = |requests: Vec<RequestOp>| -> Result<Vec<Step>, Error> {
        requests
            .into_iter()
            .map(|RequestOp { request }| step(request.ok_or(Error::KeyNotFound)?, left))
            .collect()
    };
    Ok(Txn {
        compare: compare
            .into_iter()
            .map(comparison)
            .collect::<Result<_, _>>()?,
        success: steps(success)?,
        failure: steps(failure)?,
    })
}

fn step(request: Request, operations_max: usize) -> Result<Step, Error> {
    match request {
        Request::RequestRange(range) => {
            let Query { keys, revision, .. } = query(&range)?;
            // Unlike elsewhere, one below zero is before all history.
            let below = (range.revision < 0).then_some(Revision(0));
            Ok(Step::Range(keys, revision.or(below)))
        }
        Request::RequestPut(request) => put(request),
        Request::RequestDeleteRange(request) => delete(request),
        Request::RequestTxn(request) => {
            let txn = txn_within(request, operations_max)?;
            Ok(Step::Txn(Box::new(txn)))
        }
    }
}

fn comparison(compare: Compare) -> Result<kv::Compare, Error> {
    if compare.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    let keys = keys(compare.key, compare.range_end);
    let given = compare.target_union;
    let target = match CompareTarget::try_from(compare.target) {
        Ok(CompareTarget::Version) => Target::Version(match given {
            Some(TargetUnion::Version(number)) => number,
            _ => 0,
        }),
        Ok(CompareTarget::Create) => Target::Created(match given {
            Some(TargetUnion::CreateRevision(number)) => number,
            _ => 0,
        }),
        Ok(CompareTarget::Mod) => Target::Modified(match given {
            Some(TargetUnion::ModRevision(number)) => number,
            _ => 0,
        }),
        Ok(CompareTarget::Lease) => Target::Lease(match given {
            Some(TargetUnion::Lease(number)) => number,
            _ => 0,
        }),
        Ok(CompareTarget::Value) => Target::Value(match given {
            Some(TargetUnion::Value(value)) => value,
            _ => Bytes::new(),
        }),
        // etcd compares nothing, and finds it equal.
        Err(_) => {
            let holds = !matches!(
                CompareResult::try_from(compare.result),
                Ok(CompareResult::Greater | CompareResult::Less | CompareResult::NotEqual)
            );
            return Ok(always(keys, holds));
        }
    };
    let relation = match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => Relation::Equal,
        Ok(CompareResult::Greater) => Relation::Greater,
        Ok(CompareResult::Less) => Relation::Less,
        Ok(CompareResult::NotEqual) => Relation::NotEqual,
        // etcd lets what it does not know hold.
        Err(_) => return Ok(always(keys, true)),
    };
    Ok(kv::Compare {
        keys,
        relation,
        target,
    })
}

/// A comparison that always holds, or never: no version is below zero.
fn always(keys: Keys, holds: bool) -> kv::Compare {
    kv::Compare {
        keys,
        relation: if holds {
            Relation::Greater
        } else {
            Relation::Less
        },
        target: Target::Version(-1),
    }
}

/// Whether the answer to a transaction may show many keys.
pub fn read_many(request: &TxnRequest) -> bool {
    let steps = request.success.iter().chain(&request.failure);
    let mut requests = steps.filter_map(|request| request.request.as_ref());
    requests.any(|request| match request {
        Request::RequestRange(range) => !range.range_end.is_empty(),
        Request::RequestDeleteRange(delete) => delete.prev_kv && !delete.range_end.is_empty(),
        Request::RequestTxn(within) => read_many(within),
        Request::RequestPut(_) => false,
    })
}

/// The keys that steps set, and the ranges that they delete. Refuses steps of which two may set the same key, or one sets what
/// another deletes, as etcd does: the branches of one transaction exclude each other, and a delete without end is overlooked.
fn touched(requests: &[RequestOp]) -> Result<(BTreeSet<Bytes>, Vec<Keys>), Error> {
    let requests = || {
        requests
            .iter()
            .filter_map(|request| request.request.as_ref())
    };
    let mut deletes: Vec<Keys> = requests()
        .filter_map(|request| match request {
            Request::RequestDeleteRange(delete) => {
                Some(keys(delete.key.clone(), delete.range_end.clone()))
            }
            _ => None,
        })
        .filter(|keys| keys.end != kv::End::Open)
        .collect();
    let mut puts = BTreeSet::new();
    let deleted = |deletes: &[Keys], key: &[u8]| deletes.iter().any(|keys| keys.contains(key));
    for request in requests() {
        let Request::RequestTxn(txn) = request else {
            continue;
        };
        let (then, then_deletes) = touched(&txn.success)?;
        let (or_else, else_deletes) = touched(&txn.failure)?;
        for key in then.union(&or_else) {
            if puts.contains(key) || deleted(&deletes, key) {
                return Err(Error::DuplicateKey);
            }
        }
        puts.extend(then);
        puts.extend(or_else);
        deletes.extend(then_deletes);
        deletes.extend(else_deletes);
    }
    for request in requests() {
        if let Request::RequestPut(put) = request
            && (deleted(&deletes, &put.key) || !puts.insert(put.key.clone()))
        {
            return Err(Error::DuplicateKey);
        }
    }
    Ok((puts, deletes))
}
