//! A lease lives for its time after it was last known to be kept alive, whoever leads; then it takes all of its keys along.

use std::collections::BTreeMap;
use std::time::Duration;

use node_api::etcd::Error;
use node_api::etcd::mvccpb::Event;

use super::writes::Writer;
use super::{Bench, Breach, leases_of, least_life, may_be_done};
use crate::etcd::{Ask, Operation, Said};

/// A step of time of the world: what happens within one is told at its end.
const STEP: Duration = Duration::from_millis(1);

/// Checks every lease; gives how many with keys ended because their time was over.
pub fn check(bench: &Bench<'_>, writers: &BTreeMap<i64, Writer>) -> Result<u64, Breach> {
    let mut expiries = 0;
    for (revision, writer) in writers {
        let Writer::End(lease) = writer else { continue };
        let moment = bench.seen(*revision).map_or(0, |seen| seen.at.0);
        expiries += u64::from(!may_be_revoked(bench, *lease, moment));
    }
    for operation in bench.evidence.operations {
        check_answer(bench, operation)?;
    }
    Ok(expiries)
}

/// Whether a lease may have ended as a revision: its time was over or somebody ended it, and it took no keys after.
pub fn check_end(bench: &Bench<'_>, revision: i64, lease: i64) -> Result<(), Breach> {
    if let Some(later) = attached_after(bench, lease, revision) {
        let seen = format!("{lease} ended at revision {revision}, and took a key at {later}");
        return Err(("a lease that has ended takes no keys", seen));
    }
    let Some(seen) = bench.seen(revision) else {
        return Ok(());
    };
    let (moment, age) = seen.at;
    match least_end(bench, lease, u64::MAX) {
        Some((end, proof)) if age + STEP < end && !may_be_revoked(bench, lease, moment) => {
            let seen = format!(
                "{lease} ended at revision {revision} when the world was {age:?} old, not {end:?}: {proof:?}"
            );
            Err(("no lease ends early", seen))
        }
        _ => Ok(()),
    }
}

/// The first revision after one that attached a key to a lease.
fn attached_after(bench: &Bench<'_>, lease: i64, revision: i64) -> Option<i64> {
    let attaches = |event: &Event| event.kv.as_ref().is_some_and(|kv| kv.lease == lease);
    let later = revision + 1..=bench.history.end();
    let mut later = later.filter_map(|at| Some((at, bench.seen(at)?)));
    later
        .find(|(_, seen)| seen.events.iter().any(attaches))
        .map(|(at, _)| at)
}

/// Who is told that a lease is gone is not told so early; who ended it finds none of its keys.
fn check_answer(bench: &Bench<'_>, operation: &Operation) -> Result<(), Breach> {
    let gone: Vec<i64> = match (&operation.ask, &operation.said) {
        (Ask::KeepAlive(lease), Said::Alive(false)) => vec![*lease],
        (Ask::Revoke(lease), _) if operation.is_refused(Error::LeaseNotFound) => vec![*lease],
        (Ask::Step(request), _) if operation.is_refused(Error::LeaseNotFound) => leases_of(request),
        (Ask::Revoke(lease), Said::Done(revision)) => {
            let state = bench.history.at(*revision);
            let left = state.is_some_and(|state| state.values().any(|kv| kv.lease == *lease))
                || attached_after(bench, *lease, *revision).is_some();
            let seen = || format!("{operation:?}");
            return match left {
                true => Err(("a revoked lease takes its keys along", seen())),
                false => Ok(()),
            };
        }
        _ => return Ok(()),
    };
    let (moment, age) = operation.returned;
    let lives = |lease: &i64| match least_end(bench, *lease, moment) {
        Some((end, _)) => age + STEP < end && !may_be_revoked(bench, *lease, moment),
        None => false,
    };
    match !gone.is_empty() && gone.iter().all(lives) {
        true => Err(("no lease is called gone early", format!("{operation:?}"))),
        false => Ok(()),
    }
}

/// The least age of the world at which a lease may end, by what was told before a moment, and who was told so.
fn least_end<'a>(bench: &Bench<'a>, lease: i64, moment: u64) -> Option<(Duration, &'a Operation)> {
    let own = bench.evidence.operations.iter();
    let grant = own.clone().find_map(|operation| match operation.ask {
        Ask::Grant(id, seconds) if id == lease => Some(seconds),
        _ => None,
    });
    let life = least_life(grant?);
    let proofs = own.filter(|operation| match (&operation.ask, &operation.said) {
        (Ask::Grant(id, _), Said::Done(_)) | (Ask::KeepAlive(id), Said::Alive(true)) => {
            *id == lease && operation.returned.0 < moment
        }
        _ => false,
    });
    proofs
        .map(|operation| (operation.invoked.1 + life, operation))
        .max_by_key(|(end, _)| *end)
}

fn may_be_revoked(bench: &Bench<'_>, lease: i64, moment: u64) -> bool {
    bench.evidence.operations.iter().any(|operation| {
        matches!(operation.ask, Ask::Revoke(id) if id == lease)
            && operation.invoked.0 < moment
            && may_be_done(operation)
    })
}
