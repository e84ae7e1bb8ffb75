//! Whether what clients were told, and what the nodes' history says, is what etcd's rules allow.

mod compactions;
mod leases;
mod reads;
mod watches;
mod writes;

use std::collections::BTreeMap;
use std::time::Duration;

use node_api::etcd::etcdserverpb::RequestOp;
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::{ResponseOp, response_op::Response};

use super::record::{Seen, apply};
use super::{Ask, History, Leg, Operation, Record, Said};
use crate::clients::{self, Answer};

/// A promise that was broken, and what was seen.
pub type Breach = (&'static str, String);

/// Everything there is to judge.
pub struct Evidence<'a> {
    /// What the nodes' history says.
    pub record: &'a Record,
    /// Operations on etcd's API.
    pub operations: &'a [Operation],
    /// Those of the clients that know no etcd: their writes have revisions too.
    pub plain: &'a [clients::Operation],
    /// Streams of watches.
    pub legs: &'a [Leg],
}

/// What the judge saw, of a history in which no promise was broken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judged {
    /// Revisions that no plain client wrote.
    pub not_plain: u64,
    /// So many more may have been: the first ones, of which only the sum of what they did is known, may be of requests that
    /// were never answered.
    pub not_plain_perhaps: u64,
    /// Leases with keys that ended because their time was over.
    pub expiries: u64,
}

/// Judges all of it.
///
/// # Errors
/// With the first promise that was broken.
pub fn judge(evidence: &Evidence<'_>) -> Result<Judged, Breach> {
    if let Some(missing) = evidence.record.missing() {
        return Err(("the history is whole", missing.to_owned()));
    }
    let Some(bench) = Bench::new(evidence) else {
        // The cluster never rose to the level that has a history.
        return Ok(Judged::default());
    };
    let writers = writes::check(&bench)?;
    reads::check(&bench)?;
    compactions::check(&bench)?;
    let expiries = leases::check(&bench, &writers)?;
    watches::check(&bench)?;
    let not_plain = |writer: &&writes::Writer| !matches!(writer, writes::Writer::Plain(_));
    let early = evidence.operations.iter();
    let early = early.filter(|o| wrote(o) && o.revision() <= Some(bench.history.base));
    let perhaps = evidence.operations.iter().enumerate();
    let perhaps = perhaps.filter(|(n, o)| may_be_early(&bench, *n, o, &writers));
    Ok(Judged {
        not_plain_perhaps: perhaps.count() as u64,
        not_plain: (writers.values().filter(not_plain).count() + early.count()) as u64,
        expiries,
    })
}

/// Whether a request may have had a revision no later than the first that is known, or a lease that it granted an end.
fn may_be_early(
    bench: &Bench<'_>,
    number: usize,
    operation: &Operation,
    writers: &BTreeMap<i64, writes::Writer>,
) -> bool {
    let writer = match (&operation.ask, &operation.said) {
        (Ask::Step(_), Said::Unknown) if !is_local(operation) => writes::Writer::Step(number),
        (Ask::Grant(lease, _), said) if !matches!(said, Said::Refused(_)) => {
            writes::Writer::End(*lease)
        }
        _ => return false,
    };
    let begun = operation.invoked.0 < bench.evidence.record.base_at();
    begun && !writers.values().any(|known| *known == writer)
}

/// The evidence, with what is asked of it again and again.
struct Bench<'a> {
    evidence: &'a Evidence<'a>,
    history: History,
    floor: Floor,
}

impl<'a> Bench<'a> {
    fn new(evidence: &'a Evidence<'a>) -> Option<Bench<'a>> {
        let (base, first) = evidence.record.base()?;
        let mut state = first.clone();
        let mut states = vec![state.clone()];
        for seen in evidence.record.seen() {
            seen.events
                .iter()
                .for_each(|event| apply(&mut state, event));
            states.push(state.clone());
        }
        let floor = Floor::of(evidence);
        Some(Bench {
            evidence,
            history: History {
                base: *base,
                states,
            },
            floor,
        })
    }

    /// What the record says of a revision after the first.
    fn seen(&self, revision: i64) -> Option<&'a Seen> {
        let number = usize::try_from(revision - self.history.base - 1).ok()?;
        self.evidence.record.seen().get(number)
    }
}

/// The highest revision that was acknowledged before a moment.
struct Floor(Vec<(u64, i64)>);

impl Floor {
    fn of(evidence: &Evidence<'_>) -> Floor {
        let ours = evidence.operations.iter().filter(|o| !is_local(o));
        let ours = ours.filter_map(|o| Some((o.returned.0, o.revision()?)));
        let plain = evidence.plain.iter().filter_map(|o| match o.answer {
            Some(Answer::Wrote { revision, .. }) => {
                Some((o.returned?, i64::try_from(revision.0).ok()?))
            }
            _ => None,
        });
        let mut all: Vec<(u64, i64)> = ours.chain(plain).collect();
        all.sort_unstable();
        let mut highest = 0;
        for (_, revision) in &mut all {
            highest = highest.max(*revision);
            *revision = highest;
        }
        Floor(all)
    }

    fn before(&self, moment: u64) -> i64 {
        let later = self.0.partition_point(|(returned, _)| *returned < moment);
        let last = later.checked_sub(1).and_then(|last| self.0.get(last));
        last.map_or(0, |(_, revision)| *revision)
    }
}

/// Whether it reads what one node has, however old.
fn is_local(operation: &Operation) -> bool {
    matches!(&operation.ask, Ask::Step(Request::RequestRange(range)) if range.serializable)
}

/// How many keys an answer says were changed.
fn changes(response: &Response) -> i64 {
    match response {
        Response::ResponseRange(_) => 0,
        Response::ResponsePut(_) => 1,
        Response::ResponseDeleteRange(delete) => delete.deleted,
        Response::ResponseTxn(txn) => {
            let steps = txn.responses.iter();
            let steps = steps.filter_map(|ResponseOp { response }| response.as_ref());
            steps.map(changes).sum()
        }
    }
}

/// Whether it is known to have a revision of its own.
fn wrote(operation: &Operation) -> bool {
    matches!(&operation.said, Said::Step(response) if changes(response) > 0)
}

/// The leases that a request attaches keys to, in whichever branch.
fn leases_of(request: &Request) -> Vec<i64> {
    match request {
        Request::RequestPut(put) if put.lease != 0 => vec![put.lease],
        Request::RequestTxn(txn) => {
            let steps = txn.success.iter().chain(&txn.failure);
            let steps = steps.filter_map(|RequestOp { request }| request.as_ref());
            steps.flat_map(leases_of).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether it may have been done.
fn may_be_done(operation: &Operation) -> bool {
    !matches!(operation.said, Said::Refused(_))
}

/// So much older a world is at least when a lease ends, whatever the pace of the leader's clock.
fn least_life(seconds: i64) -> Duration {
    Duration::from_millis(seconds.unsigned_abs() * 1_000_000 / PACE_MAX)
}

/// The fastest that a clock passes, in thousandths of the world's (`campaign::Fault::Pace`).
const PACE_MAX: u64 = 1150;
