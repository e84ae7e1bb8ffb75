//! A recovery under power losses, at every call to the disk: afterwards the disk is wholly before it or wholly after.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{ClusterKey, ELECTION_MIN_MS, Limits, Timing};
use crate::contract::{Applied, Committed, Export, Fatal, Payload, Rejected};
use crate::errors::Refusal;
use crate::ids::{ClusterId, LogId, MemberId};
use crate::log::tests::memory::{Chance, Memory};
use crate::log::{Record, RecordKind, Vote, Wal};
use crate::membership::{self, Member, Roster};
use crate::status::Role;

const DIR: &str = "/data";
const CLUSTER: ClusterId = ClusterId([6; 16]);
const WITHIN: Duration = Duration::from_secs(30);
/// The last entry that the survivor has.
const LAST: u64 = 20;
/// Recoveries that are cut short at a time: most of each is waiting.
const AT_A_TIME: usize = 8;
/// The leader that is gone.
const GONE: u64 = 2;

/// What was applied, in memory alone: every start applies the log anew.
#[derive(Clone, Default)]
struct Ledger(Arc<std::sync::Mutex<Kept>>);

/// What was applied last, the members, and the commands.
type Kept = (Applied, BTreeSet<u64>, Vec<Bytes>);

impl Machine for Ledger {
    fn applied(&self) -> Result<Option<Applied>, Fatal> {
        let (applied, members, _) = &*self.0.lock().unwrap();
        Ok((!members.is_empty()).then(|| applied.clone()))
    }

    fn apply(&mut self, run: Vec<Committed>) -> Result<Vec<Bytes>, Fatal> {
        let (applied, now, commands) = &mut *self.0.lock().unwrap();
        let count = run.len();
        for Committed { id, payload } in run {
            applied.last = id;
            match payload {
                Payload::Blank => {}
                Payload::Command(command) => commands.push(command),
                Payload::Membership { bytes, members, .. } => {
                    (applied.membership, applied.membership_at) = (bytes, Some(id));
                    applied.removed.extend(now.difference(&members));
                    *now = members;
                }
            }
        }
        Ok(vec![Bytes::new(); count])
    }

    fn persist(&self) -> Result<(), Fatal> {
        Ok(())
    }

    fn export(&self) -> Result<Box<dyn Export>, Fatal> {
        Err(Fatal::new("failed to export: there is nothing"))
    }

    fn import(&mut self, _: &mut dyn Iterator<Item = io::Result<Bytes>>) -> Result<(), Fatal> {
        Err(Fatal::new("failed to import: there is nothing"))
    }
}

struct Plain;

impl Stamper for Plain {
    fn stamp(&self, proposal: &[u8]) -> Result<Bytes, Rejected> {
        Ok(Bytes::copy_from_slice(proposal))
    }
}

fn commands() -> Vec<Bytes> {
    (1..=LAST).map(|n| Bytes::from(format!("{n}"))).collect()
}

/// The disk of one voter of three: a membership and commands, of which it knows few to be committed.
async fn survivor() -> (Memory, MemberId) {
    let disk = Memory::default();
    let host = disk.host();
    let mut identity = Identity::draw(&host);
    identity.cluster = Some(CLUSTER);
    identity.store(&host, Path::new(DIR)).await.unwrap();
    let me = identity.member;
    let members = [me.0, GONE, 3].map(|id| {
        let peer_address = "127.0.0.1:1".to_owned();
        (
            id,
            Member {
                peer_address,
                key: identity.public_key(),
                epoch: 1,
            },
        )
    });
    let roster = Roster {
        configs: vec![members.iter().map(|(id, _)| *id).collect()],
        members: members.into(),
    };
    let record = |index, kind, payload| Record {
        id: LogId {
            term: 3,
            leader: GONE,
            index,
        },
        kind,
        payload,
    };
    let first = record(0, RecordKind::Membership, membership::encode(&roster));
    let rest = (1..)
        .zip(commands())
        .map(|(n, c)| record(n, RecordKind::Command, c));
    let records: Vec<Record> = [first].into_iter().chain(rest).collect();
    let dir = Path::new(DIR).join("log");
    let (wal, _) = Wal::open(&host, &dir, crate::log::Limits::default())
        .await
        .unwrap();
    let vote = Vote {
        term: 3,
        node: GONE,
        committed: true,
    };
    wal.save_vote(vote).await.unwrap();
    wal.save_committed(records[5].id);
    wal.append(records, Box::new(|done| done.unwrap()));
    wal.close().await.unwrap();
    (disk, me)
}

/// A member on this disk, and what it applied.
async fn start(
    disk: &Memory,
) -> Result<(Arc<Lives>, Ledger), Box<dyn std::error::Error + Send + Sync>> {
    let (host, dir) = (disk.host(), Path::new(DIR));
    let limits = Limits {
        log: crate::log::Limits {
            segment_bytes: 64 << 10,
            ..Default::default()
        },
        ..Limits::default()
    };
    let config = Config {
        data_dir: dir.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        advertise: "127.0.0.1:0".to_owned(),
        cluster_key: ClusterKey::new(vec![5; 32]).unwrap(),
        timing: Timing {
            heartbeat_ms: 100,
            election_min_ms: ELECTION_MIN_MS,
            election_max_ms: ELECTION_MIN_MS + 50,
        },
        limits,
    };
    let identity = Identity::load_or_draw(&host, dir).await?;
    let ledger = Ledger::default();
    let machine = Box::new(ledger.clone());
    let lives = Lives::start(host, config, identity, machine, Arc::new(Plain)).await?;
    Ok((Arc::new(lives), ledger))
}

async fn until(lives: &Lives, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = lives.watch();
    let reached = tokio::time::timeout(WITHIN, status.wait_for(|status| wanted(status))).await;
    match reached {
        Ok(status) => status.unwrap().clone(),
        Err(_) => panic!("not in time: {:#?}", lives.node().observer().now()),
    }
}

async fn recover(lives: &Arc<Lives>, incarnation: u32, index: u64) -> Result<u32, AdminError> {
    let asked = Asked { incarnation, index };
    lives
        .recover(asked, |n| Bytes::from(format!("incarnation {n}")))
        .await
}

/// It is the only member, leads, and has everything.
async fn is_wholly_after(lives: &Lives, ledger: &Ledger, me: MemberId) {
    let status = until(lives, |status| status.role == Role::Leader).await;
    let there = |status: &Status| status.applied.map(|id| id.index) > Some(LAST + 2);
    until(lives, there).await;
    assert_eq!((status.incarnation, status.cluster), (1, Some(CLUSTER)));
    assert!(!status.leaderless);
    let ids: Vec<_> = status.members.iter().map(|m| (m.id, m.voter)).collect();
    assert_eq!(ids, [(me, true)]);
    let (applied, _, done) = ledger.0.lock().unwrap().clone();
    assert_eq!(applied.removed, BTreeSet::from([GONE, 3]));
    let (all, last) = done.split_at(commands().len());
    assert_eq!(
        (all, last),
        (&commands()[..], &["incarnation 1".into()][..])
    );
}

/// It waits for the others, as before.
async fn is_wholly_before(disk: &Memory, lives: &Lives, me: MemberId) {
    let status = until(lives, |status| status.members.len() == 3).await;
    assert_eq!((status.incarnation, status.cluster), (0, Some(CLUSTER)));
    assert_eq!(status.last_log.map(|id| id.index), Some(LAST));
    assert!(status.leaderless);
    assert!(status.members.iter().any(|member| member.id == me));
    let note = Note::find(&disk.host(), Path::new(DIR)).await.unwrap();
    assert_eq!(note, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survivor_begins_anew_once_and_without_a_restart() {
    let (disk, me) = survivor().await;
    let (lives, ledger) = start(&disk).await.unwrap();
    let refused = |outcome: Result<u32, AdminError>| match outcome.unwrap_err() {
        AdminError::Refused(refusal) => refusal,
        error => panic!("{error}"),
    };
    let beyond = recover(&lives, 0, LAST + 1).await;
    let last = LAST;
    assert_eq!(
        refused(beyond),
        Refusal::BeyondTheLog {
            given: LAST + 1,
            last
        }
    );
    is_wholly_before(&disk, &lives, me).await;
    assert_eq!(recover(&lives, 0, LAST).await.unwrap(), 1);
    is_wholly_after(&lives, &ledger, me).await;
    let members = lives.node().observer().now().members;
    assert_eq!(members[0].member.peer_address, lives.local_addr());
    let again = recover(&lives, 0, LAST).await;
    let (given, current) = (0, 1);
    assert_eq!(refused(again), Refusal::OtherIncarnation { given, current });
    assert_eq!(refused(recover(&lives, 1, LAST).await), Refusal::Led(me));
    lives.shutdown().await;

    let (lives, ledger) = start(&disk).await.unwrap();
    is_wholly_after(&lives, &ledger, me).await;
    lives.shutdown().await;
}

/// How far a recovery came that a power loss cut short.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It never began.
    Before,
    /// All of it is there.
    After,
    /// The power went after it.
    Through,
}

/// The power goes at so many calls of the disk during a recovery, and during the starts after it.
async fn cut_short(base: Arc<Memory>, me: MemberId, calls: u64) -> Came {
    let mut chance = Chance(calls);
    let disk = base.power_loss(&mut chance);
    let (lives, _) = start(&disk).await.unwrap();
    until(&lives, |status| status.members.len() == 3).await;
    disk.die_after(usize::try_from(calls).unwrap());
    let outcome = recover(&lives, 0, LAST).await;
    let survived = !disk.is_dead();
    let mut disk = disk.power_loss(&mut chance);
    lives.shutdown().await;
    // The starts after it are cut short as well.
    for _ in 0..chance.below(3) {
        disk.die_after(usize::try_from(chance.below(60)).unwrap());
        if let Ok((lives, _)) = start(&disk).await {
            lives.shutdown().await;
        }
        disk = disk.power_loss(&mut chance);
    }

    let started = start(&disk).await;
    let (lives, ledger) = started.unwrap_or_else(|error| panic!("call {calls}: {error}"));
    let came = match lives.node().observer().now().incarnation {
        0 => {
            assert!(outcome.is_err(), "call {calls}: {outcome:?} was undone");
            is_wholly_before(&disk, &lives, me).await;
            Came::Before
        }
        _ => {
            is_wholly_after(&lives, &ledger, me).await;
            Came::After
        }
    };
    lives.shutdown().await;
    match survived {
        true => {
            assert_eq!(outcome.unwrap(), 1);
            Came::Through
        }
        false => came,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_loss_at_any_call_leaves_all_of_it_or_nothing() {
    let (base, me) = survivor().await;
    let base = Arc::new(base);
    let mut came = Vec::new();
    for first in (0_u64..).step_by(AT_A_TIME) {
        let some = (first..).take(AT_A_TIME);
        let some = some.map(|calls| tokio::spawn(cut_short(base.clone(), me, calls)));
        for one in futures::future::join_all(some).await {
            came.push(one.unwrap());
        }
        if came.last() == Some(&Came::Through) {
            break;
        }
    }
    let count = |wanted| came.iter().filter(|came| **came == wanted).count();
    let (before, after) = (count(Came::Before), count(Came::After));
    assert!(before > 10 && after > 10, "{before} before, {after} after");
}
