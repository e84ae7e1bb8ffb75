//! After the storm: everything is healed, all nodes become alike, and what clients saw is looked over.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::run::{Broken, Stage};
use crate::World;
use crate::clients::{self, Answer, NotLinearizable, Operation};
use crate::etcd::{self, Evidence, Judged};

/// How long it may take until all is well again.
const WITHIN: Duration = Duration::from_secs(90);

/// Everything a node holds: how many writes it saw, and its keys with values and revisions.
type Content = (u64, Vec<(Vec<u8>, Vec<u8>, u64)>);

/// Heals the world and checks what must hold in the end.
pub fn check(stage: &mut Stage) -> Result<Judged, Broken> {
    for n in 0..stage.world.size() {
        stage.world.make_whole(n);
    }
    stage.clients.close();
    stage.etcd.close();
    stage.watchers.close();
    until(stage, "every request is answered", |stage| {
        stage.clients.are_idle() && stage.etcd.are_idle()
    })?;
    until(stage, "every lease has ended", no_leases)?;
    until(stage, "all nodes are alike", alike)?;
    let content = same_content(stage)?;
    for n in stage.hands.wanted() {
        stage.record.look_at(&stage.world, *n);
    }
    until(stage, "every watch is told of everything", |stage| {
        stage.watchers.have_all(&stage.record)
    })?;
    let operations = stage.clients.history().operations();
    let judged = etcd::judge(&Evidence {
        record: &stage.record,
        operations: stage.etcd.operations(),
        plain: &operations,
        legs: stage.watchers.legs(),
    });
    let judged = judged.map_err(|(promise, seen)| Broken::new(promise, seen))?;
    // What is left of the revisions are those that plain clients wrote.
    let most = content.0.saturating_sub(judged.not_plain);
    let least = most.saturating_sub(judged.not_plain_perhaps);
    check_history(&operations, least..=most)?;
    if let Some(seen) = stage.clients.history().broken().into_iter().next() {
        return Err(Broken::new("a session never goes back", seen));
    }

    // Nothing but the log, and what was persisted, is left of any state.
    for n in 0..stage.world.size() {
        stage.world.crash_hard(n);
    }
    until(stage, "all nodes are alike once more", alike)?;
    let replayed = same_content(stage)?;
    match replayed == content {
        true => Ok(judged),
        false => Err(Broken::new(
            "state equals a replay",
            format!("before {content:?}, after {replayed:?}"),
        )),
    }
}

fn until(stage: &mut Stage, what: &str, holds: impl Fn(&Stage) -> bool) -> Result<(), Broken> {
    let end = stage.world.age() + WITHIN;
    while !holds(stage) {
        if stage.world.age() >= end {
            let world = &stage.world;
            let states: Vec<String> = (0..world.size()).map(|n| describe(world, n)).collect();
            return Err(Broken::new(
                "a healed cluster recovers",
                format!("not within {WITHIN:?}: {what}; {}", states.join("; ")),
            ));
        }
        stage.step()?;
    }
    Ok(())
}

fn describe(world: &World, n: usize) -> String {
    match world.status(n) {
        None => format!("n{n} does not run"),
        Some(status) => format!(
            "n{n} is {:?} in term {}, applied {:?}, sees {:?}, refused by {:?}, {:?}",
            status.log.role,
            status.log.term,
            status.log.applied,
            status
                .log
                .members
                .iter()
                .map(|m| (m.id, m.voter, m.matched, m.caught_up, m.reached))
                .collect::<Vec<_>>(),
            status.log.refused_by,
            status.ready
        ),
    }
}

/// Nobody keeps any alive.
fn no_leases(stage: &Stage) -> bool {
    let world = &stage.world;
    let leader = world.leader().and_then(|n| world.node(n));
    leader.is_some_and(|node| node.reader().leases().is_empty())
}

/// Every wanted node is ready and has applied the same, and nobody else is a member.
fn alike(stage: &Stage) -> bool {
    let world = &stage.world;
    let wanted = stage.hands.wanted();
    let states: Vec<_> = wanted.iter().map(|n| world.status(*n)).collect();
    let Some(leader) = world.leader().and_then(|n| world.status(n)) else {
        return false;
    };
    let voters = leader
        .log
        .members
        .iter()
        .filter(|member| member.voter)
        .count();
    let same = |status: &Option<node_server::NodeStatus>| {
        status
            .as_ref()
            .is_some_and(|status| status.ready.is_ok() && status.log.applied == leader.log.last_log)
    };
    voters == wanted.len() && leader.log.members.len() == voters && states.iter().all(same)
}

fn same_content(stage: &Stage) -> Result<Content, Broken> {
    let promise = "all nodes hold the same";
    let mut first: Option<(usize, Content)> = None;
    for n in stage.hands.wanted() {
        let held = content(&stage.world, *n).map_err(|why| Broken::new(promise, why))?;
        match &first {
            None => first = Some((*n, held)),
            Some((_, same)) if *same == held => {}
            Some((other, same)) => {
                let seen = format!("n{other} holds {same:?}, n{n} holds {held:?}");
                return Err(Broken::new(promise, seen));
            }
        }
    }
    Ok(first.map(|(_, content)| content).unwrap_or_default())
}

fn content(world: &World, n: usize) -> Result<Content, String> {
    let node = world.node(n).ok_or("a wanted node does not run")?;
    let reader = node.reader();
    let mut rows = Vec::new();
    for (key, revision, _) in reader.list(b"", None, usize::MAX).items {
        let found = reader.get(&key).map_err(|error| error.to_string())?;
        let value = found.map(|found| found.value.to_vec()).unwrap_or_default();
        rows.push((key.to_vec(), value, revision.0));
    }
    // Each write of a plain client has a revision, and so has the rise to the second feature level.
    let risen = u64::from(reader.feature_level() > 1);
    Ok((reader.revision().0 - risen, rows))
}

/// What clients saw, and how often each write was done: any was so often as `written` has.
fn check_history(operations: &[Operation], written: RangeInclusive<u64>) -> Result<(), Broken> {
    clients::check_linearizable(operations).map_err(|not| {
        let promise = match not {
            NotLinearizable::Key { .. } => "each key is linearizable",
            NotLinearizable::Undecided { .. } => "a history can be judged",
        };
        Broken::new(promise, not.to_string())
    })?;
    clients::check_order(operations)
        .map_err(|seen| Broken::new("revisions keep the order of time", seen))?;
    let writes = || operations.iter().filter(|operation| operation.writes());
    let done = writes().filter(|o| matches!(o.answer, Some(Answer::Wrote { .. })));
    let done = done.count() as u64;
    let unknown = writes().filter(|o| matches!(o.answer, None | Some(Answer::Unknown)));
    let unknown = unknown.count() as u64;
    match *written.start() <= done + unknown && done <= *written.end() {
        true => Ok(()),
        false => Err(Broken::new(
            "every write is done once",
            format!("{written:?} were done; {done} surely were, and {unknown} may have been"),
        )),
    }
}
