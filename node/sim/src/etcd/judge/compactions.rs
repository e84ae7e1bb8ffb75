//! What was compacted is not read, and nothing else is called compacted, or of the future.

use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::request_op::Request;

use super::{Bench, Breach, is_local, may_be_done};
use crate::etcd::{Ask, Operation, Said};

/// Checks every compaction, and every read of the past.
pub fn check(bench: &Bench<'_>) -> Result<(), Breach> {
    for operation in bench.evidence.operations {
        let (wanted, reads) = match &operation.ask {
            Ask::Compact(revision) => (*revision, false),
            Ask::Step(Request::RequestRange(range)) if range.revision != 0 => {
                (range.revision, true)
            }
            _ => continue,
        };
        let told = || format!("{operation:?}");
        // Of that revision itself one may read, and not compact it again. Where level 1 gave up what was before, the first
        // revision that is known is one.
        let least = wanted + i64::from(reads);
        if operation.is_refused(Error::Compacted)
            && least > bench.history.base
            && !may_be_compacted(bench, least, operation.returned.0)
        {
            return Err(("nothing is called compacted that is not", told()));
        }
        let known = wanted <= bench.floor.before(operation.invoked.0);
        if operation.is_refused(Error::FutureRev) && known && !is_local(operation) {
            return Err(("nothing is called of the future that is not", told()));
        }
        let answered = matches!(operation.said, Said::Step(_));
        if answered && !is_local(operation) && is_compacted(bench, wanted, operation) {
            return Err(("what was compacted is not read", told()));
        }
    }
    Ok(())
}

/// Whether somebody may have compacted up to a revision, or beyond it, before a moment.
pub fn may_be_compacted(bench: &Bench<'_>, least: i64, moment: u64) -> bool {
    bench.evidence.operations.iter().any(|other| {
        matches!(other.ask, Ask::Compact(revision) if revision >= least)
            && other.invoked.0 < moment
            && may_be_done(other)
    })
}

/// Whether a revision was surely given up before a read of it began.
fn is_compacted(bench: &Bench<'_>, wanted: i64, read: &Operation) -> bool {
    bench.evidence.operations.iter().any(|other| {
        matches!((&other.ask, &other.said), (Ask::Compact(revision), Said::Done(_)) if *revision > wanted)
            && other.returned.0 < read.invoked.0
    })
}
