//! Requests drawn by chance, near enough to what the keys are that comparisons hold as often as not.

use bytes::Bytes;
use node_api::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

use super::{Ask, Record, State};
use crate::host::Chance;

/// The keys: one letter each, behind this.
const PREFIX: &str = "t/";
/// Keys that transactions put, from the first letter on; they delete ranges of those after them.
const PUT: u64 = 4;
/// All keys.
pub const KEYS: u64 = 7;
/// How deep transactions lie in each other.
const DEPTH_MAX: u64 = 2;
/// How far before the last revision reads and compactions go.
const PAST: u64 = 40;

/// The key of a number.
pub fn key(number: u64) -> Bytes {
    let letter = char::from(b'a' + u8::try_from(number).unwrap_or(u8::MAX - b'a'));
    format!("{PREFIX}{letter}").into()
}

/// A range of keys: one, some, or all.
pub fn range(chance: &Chance) -> (Bytes, Bytes) {
    let from = chance.below(KEYS);
    match chance.below(4) {
        0 => (key(0), key(KEYS)),
        1 => (key(from), key(from + 1 + chance.below(KEYS))),
        _ => (key(from), Bytes::new()),
    }
}

/// A revision of the past, if there is one.
pub fn past(chance: &Chance, record: &Record) -> Option<i64> {
    let (base, _) = record.base()?;
    let back = i64::try_from(chance.below(PAST)).unwrap_or(0);
    Some((record.end() - back).max(*base))
}

/// Draws requests of one operation.
pub struct Draws<'a> {
    /// Where chance comes from.
    pub chance: &'a Chance,
    /// What the keys are.
    pub record: &'a Record,
    /// A lease that keys may be attached to, 0 for none.
    pub lease: i64,
    /// Begins the values of this operation, which nobody else sets.
    pub name: String,
    /// How many values it has.
    pub values: u64,
}

impl Draws<'_> {
    /// The next request.
    pub fn ask(&mut self) -> Ask {
        let number = self.chance.below(KEYS);
        match self.chance.below(20) {
            0..=3 => Ask::Step(self.put(number)),
            4..=5 => Ask::Step(self.delete(0)),
            6..=12 => Ask::Step(Request::RequestTxn(self.txn(0, &mut self.shuffled()))),
            13 => match past(self.chance, self.record) {
                Some(revision) => Ask::Compact(revision),
                None => Ask::Step(self.read()),
            },
            _ => Ask::Step(self.read()),
        }
    }

    fn now(&self) -> &State {
        self.record.now()
    }

    fn shuffled(&self) -> Vec<u64> {
        let mut keys: Vec<u64> = (0..PUT).collect();
        for last in (1..keys.len()).rev() {
            keys.swap(last, self.chance.below(last as u64 + 1) as usize);
        }
        keys
    }

    fn put(&mut self, number: u64) -> Request {
        self.values += 1;
        let attach = self.chance.below(3) == 0;
        Request::RequestPut(PutRequest {
            key: key(number),
            value: format!("{}.{}", self.name, self.values).into(),
            lease: if attach { self.lease } else { 0 },
            prev_kv: self.chance.below(2) == 0,
            ..PutRequest::default()
        })
    }

    /// Deletes one key, or a range of those from `least` on.
    fn delete(&self, least: u64) -> Request {
        let from = least + self.chance.below(KEYS - least);
        let range_end = match self.chance.below(3) {
            0 => Bytes::new(),
            _ => key(from + 1 + self.chance.below(KEYS - from)),
        };
        Request::RequestDeleteRange(DeleteRangeRequest {
            key: key(from),
            range_end,
            prev_kv: self.chance.below(2) == 0,
        })
    }

    fn read(&self) -> Request {
        let (key, range_end) = range(self.chance);
        let of_the_past = self.chance.below(3) == 0;
        let revision = past(self.chance, self.record).filter(|_| of_the_past);
        Request::RequestRange(RangeRequest {
            key,
            range_end,
            limit: if self.chance.below(3) == 0 { 2 } else { 0 },
            revision: revision.unwrap_or(0),
            serializable: self.chance.below(4) == 0,
            ..RangeRequest::default()
        })
    }

    /// A transaction that puts some of `free`; those are gone then.
    fn txn(&mut self, depth: u64, free: &mut Vec<u64>) -> TxnRequest {
        let target = free.last().copied().unwrap_or(0);
        let compare = (0..1 + self.chance.below(2)).map(|_| self.compare(target));
        let compare = compare.collect();
        // One branch alone is taken, and what it puts is not put beside it.
        let (mut then, mut or_else) = (free.clone(), free.clone());
        let success = self.branch(depth, &mut then);
        let failure = match self.chance.below(3) {
            0 => Vec::new(),
            _ => self.branch(depth, &mut or_else),
        };
        free.retain(|key| then.contains(key) && or_else.contains(key));
        TxnRequest {
            compare,
            success,
            failure,
        }
    }

    fn branch(&mut self, depth: u64, free: &mut Vec<u64>) -> Vec<RequestOp> {
        let mut steps = Vec::new();
        for _ in 0..1 + self.chance.below(2) {
            if let Some(number) = free.pop() {
                steps.push(self.put(number));
            }
        }
        match self.chance.below(4) {
            // Outside of it nothing of the same branch may delete the same keys and put them.
            0 if depth + 1 < DEPTH_MAX => {
                steps.push(Request::RequestTxn(self.txn(depth + 1, free)));
            }
            1 => steps.push(self.delete(PUT)),
            2 => steps.push(self.read_within()),
            _ => {}
        }
        if self.chance.below(4) == 0 {
            steps.push(self.read_within());
        }
        let request = |request| RequestOp {
            request: Some(request),
        };
        steps.into_iter().map(request).collect()
    }

    /// A read as of the moment.
    fn read_within(&self) -> Request {
        let (key, range_end) = range(self.chance);
        Request::RequestRange(RangeRequest {
            key,
            range_end,
            ..RangeRequest::default()
        })
    }

    fn compare(&self, number: u64) -> Compare {
        let key = key(number);
        let found = self.now().get(&key).cloned().unwrap_or_default();
        let (target, given) = match self.chance.below(6) {
            0 | 1 => (
                CompareTarget::Mod,
                TargetUnion::ModRevision(found.mod_revision),
            ),
            2 => (CompareTarget::Version, TargetUnion::Version(found.version)),
            3 => (
                CompareTarget::Create,
                TargetUnion::CreateRevision(found.create_revision),
            ),
            4 => (CompareTarget::Lease, TargetUnion::Lease(found.lease)),
            _ => (CompareTarget::Value, TargetUnion::Value(found.value)),
        };
        let result = match self.chance.below(6) {
            0 => CompareResult::NotEqual,
            1 => CompareResult::Greater,
            2 => CompareResult::Less,
            _ => CompareResult::Equal,
        };
        let wide = self.chance.below(5) == 0;
        Compare {
            result: result.into(),
            target: target.into(),
            range_end: if wide { self::key(KEYS) } else { Bytes::new() },
            key,
            target_union: Some(given),
        }
    }
}
