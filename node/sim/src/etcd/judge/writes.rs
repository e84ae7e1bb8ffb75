//! Each revision is one write's, done as the rules say, answered so, and in the order of time.

use std::collections::BTreeMap;

use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::response_op::Response;
use node_api::etcd::etcdserverpb::{DeleteRangeRequest, PutRequest};
use node_api::etcd::mvccpb::Event;

use super::super::asks::with_revision;
use super::super::model::Doing;
use super::{Bench, Breach, is_local, leases, wrote};
use crate::clients::{Action, Answer, key_name};
use crate::etcd::{Ask, Said};

/// Whose a revision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The step of this operation.
    Step(usize),
    /// This operation of a plain client.
    Plain(usize),
    /// The end of this lease.
    End(i64),
}

/// Finds the writer of every revision.
pub fn check(bench: &Bench<'_>) -> Result<BTreeMap<i64, Writer>, Breach> {
    let mut writers = claims(bench)?;
    for (revision, writer) in &writers {
        check_claim(bench, *revision, *writer)?;
    }
    let unclaimed = bench.history.base + 1..=bench.history.end();
    let unclaimed: Vec<i64> = unclaimed.filter(|r| !writers.contains_key(r)).collect();
    let candidates = candidates(bench);
    let fits: Vec<Vec<usize>> = unclaimed
        .iter()
        .map(|revision| {
            let fits = |n: &usize| {
                candidates
                    .get(*n)
                    .is_some_and(|w| fits(bench, *revision, *w))
            };
            (0..candidates.len()).filter(fits).collect()
        })
        .collect();
    let mut taken = vec![None; candidates.len()];
    for (n, revision) in unclaimed.iter().enumerate() {
        if !place(n, &fits, &mut taken, &mut vec![false; candidates.len()]) {
            return Err(nobodys(bench, *revision, &candidates));
        }
    }
    for (candidate, n) in candidates.iter().zip(taken) {
        if let Some(revision) = n.and_then(|n| unclaimed.get(n)) {
            writers.insert(*revision, *candidate);
        }
    }
    Ok(writers)
}

/// A revision that is nobody's is of a lease that had no right to end, or there is no excuse for it at all.
fn nobodys(bench: &Bench<'_>, revision: i64, candidates: &[Writer]) -> Breach {
    for writer in candidates {
        if let Writer::End(lease) = writer
            && does(bench, revision, *writer)
            && let Err(breach) = leases::check_end(bench, revision, *lease)
        {
            return breach;
        }
    }
    let seen = bench.seen(revision).map(|seen| &seen.events);
    let seen = format!("{revision}: {seen:?}");
    ("every revision is a write of somebody's", seen)
}

/// Revisions of which somebody was told that they are theirs.
fn claims(bench: &Bench<'_>) -> Result<BTreeMap<i64, Writer>, Breach> {
    let mut claims: BTreeMap<i64, Writer> = BTreeMap::new();
    let ours = bench.evidence.operations.iter().enumerate();
    let ours = ours.filter(|(_, operation)| wrote(operation));
    let ours = ours.filter_map(|(n, operation)| Some((operation.revision()?, Writer::Step(n))));
    let plain = bench.evidence.plain.iter().enumerate();
    let plain = plain.filter_map(|(n, operation)| match operation.answer {
        Some(Answer::Wrote { revision, .. }) => {
            Some((i64::try_from(revision.0).ok()?, Writer::Plain(n)))
        }
        _ => None,
    });
    for (revision, writer) in ours.chain(plain) {
        if revision <= bench.history.base {
            continue;
        }
        if let Some(other) = claims.insert(revision, writer) {
            let seen = format!(
                "{revision}: {}, {}",
                tell(bench, other),
                tell(bench, writer)
            );
            return Err(("no revision is two writes'", seen));
        }
    }
    Ok(claims)
}

fn check_claim(bench: &Bench<'_>, revision: i64, writer: Writer) -> Result<(), Breach> {
    let told = || format!("revision {revision} of {}", tell(bench, writer));
    let Some(seen) = bench.seen(revision) else {
        return Err(("every acknowledged write is in the history", told()));
    };
    let (answer, events) = carry_out(bench, revision, writer).unwrap_or_default();
    if events != seen.events {
        let seen = format!("{}: {:?}, not {events:?}", told(), seen.events);
        return Err(("a write does what it says", seen));
    }
    if let Writer::Step(n) = writer
        && let Some(operation) = bench.evidence.operations.get(n)
        && operation.said != answer.clone().map_or(Said::Unknown, Said::Step)
    {
        let seen = format!("{}: not {answer:?}", told());
        return Err(("a write is answered with what it found", seen));
    }
    match in_time(bench, revision, writer) {
        true => Ok(()),
        false => Err(("revisions keep the order of time, over all clients", told())),
    }
}

/// Whether it began before its revision was there, and after every earlier one was acknowledged that it must follow.
fn in_time(bench: &Bench<'_>, revision: i64, writer: Writer) -> bool {
    let invoked = match writer {
        Writer::Step(n) => bench.evidence.operations.get(n).map(|o| o.invoked.0),
        Writer::Plain(n) => bench.evidence.plain.get(n).map(|o| o.invoked),
        Writer::End(_) => return true,
    };
    let (Some(invoked), Some(seen)) = (invoked, bench.seen(revision)) else {
        return false;
    };
    invoked < seen.at.0 && revision > bench.floor.before(invoked)
}

/// What the rules say that a writer does as this revision, and is answered.
fn carry_out(
    bench: &Bench<'_>,
    revision: i64,
    writer: Writer,
) -> Option<(Option<Response>, Vec<Event>)> {
    let mut doing = Doing::after(&bench.history, revision - 1)?;
    let answer = match writer {
        Writer::Step(n) => match &bench.evidence.operations.get(n)?.ask {
            Ask::Step(request) => Some(doing.step(request)),
            _ => return None,
        },
        Writer::Plain(n) => {
            let operation = bench.evidence.plain.get(n)?;
            Some(doing.step(&plain(operation.key, operation.action)?))
        }
        Writer::End(lease) => {
            doing.end_lease(lease);
            None
        }
    };
    let answer = answer.map(|answer| with_revision(answer, revision));
    Some((answer, doing.events))
}

fn plain(key: u64, action: Action) -> Option<Request> {
    let key = key_name(key);
    match action {
        Action::Put(value) => Some(Request::RequestPut(PutRequest {
            key,
            value: value.to_string().into(),
            ..PutRequest::default()
        })),
        Action::Delete => Some(Request::RequestDeleteRange(DeleteRangeRequest {
            key,
            ..DeleteRangeRequest::default()
        })),
        Action::Get => None,
    }
}

/// Everything that may have been done though nobody was told at which revision.
fn candidates(bench: &Bench<'_>) -> Vec<Writer> {
    let ours = bench.evidence.operations.iter().enumerate();
    let ours = ours.filter_map(|(n, operation)| match (&operation.ask, &operation.said) {
        (Ask::Step(_), Said::Unknown) if !is_local(operation) => Some(Writer::Step(n)),
        (Ask::Grant(lease, _), _) => Some(Writer::End(*lease)),
        _ => None,
    });
    let plain = bench.evidence.plain.iter().enumerate();
    let plain = plain.filter(|(_, operation)| {
        operation.writes() && matches!(operation.answer, None | Some(Answer::Unknown))
    });
    ours.chain(plain.map(|(n, _)| Writer::Plain(n))).collect()
}

fn fits(bench: &Bench<'_>, revision: i64, writer: Writer) -> bool {
    let in_time = match writer {
        Writer::End(lease) => leases::check_end(bench, revision, lease).is_ok(),
        Writer::Step(_) | Writer::Plain(_) => in_time(bench, revision, writer),
    };
    in_time && does(bench, revision, writer)
}

/// Whether what a writer does as this revision is what was seen.
fn does(bench: &Bench<'_>, revision: i64, writer: Writer) -> bool {
    let Some((_, events)) = carry_out(bench, revision, writer) else {
        return false;
    };
    // A plain delete takes a revision though there is nothing to delete.
    let writes = !events.is_empty() || matches!(writer, Writer::Plain(_));
    writes
        && bench
            .seen(revision)
            .is_some_and(|seen| seen.events == events)
}

/// Kuhn's way to find everybody a place: who holds one may have to move to another.
fn place(n: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for candidate in fits.get(n).into_iter().flatten() {
        let (Some(tried_it), Some(holder)) = (tried.get_mut(*candidate), taken.get(*candidate))
        else {
            continue;
        };
        if std::mem::replace(tried_it, true) {
            continue;
        }
        let holder = *holder;
        if holder.is_none_or(|holder| place(holder, fits, taken, tried)) {
            if let Some(holder) = taken.get_mut(*candidate) {
                *holder = Some(n);
            }
            return true;
        }
    }
    false
}

/// The writer in words.
pub fn tell(bench: &Bench<'_>, writer: Writer) -> String {
    match writer {
        Writer::Step(n) => format!("{:?}", bench.evidence.operations.get(n)),
        Writer::Plain(n) => format!("{:?}", bench.evidence.plain.get(n)),
        Writer::End(lease) => format!("the end of lease {lease}"),
    }
}
