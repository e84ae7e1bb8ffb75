//! What the node reports, and when.

use std::time::Duration;

use crds::{ClusterNodeStatus, DigestStatus, DiskClass, DiskStatus, clip};

use super::Observed;
use crate::ids::MemberId;
use crate::node::{Disk, Member, Node};
use crate::wish::Wish;

/// What is no transition waits this long after the report before.
const QUIET: Duration = Duration::from_secs(10);
/// A position that moves alone is told this long after the report before: a person looks at it, nobody waits for it, and
/// each report is a write of the API server's.
const MOVED: Duration = Duration::from_secs(300);
/// Most ids in one list of the status; of the removed ones the latest.
const IDS_MAX: usize = 64;
/// From this share on a disk has little room.
const LOW_PERCENT: u64 = 85;
/// From this share on a disk counts as full, also where it is so large that the node still writes.
const FULL_PERCENT: u64 = 95;

/// The status to write now: at once on a transition, as far as the bucket allows; otherwise after [`QUIET`], and
/// only if something but the position changed; the position alone after [`MOVED`].
pub(super) fn due(seen: &Observed, own: &Wish, obstacles: &[String]) -> Option<ClusterNodeStatus> {
    let reporting = &seen.reporting;
    if reporting.in_flight || seen.now < reporting.held_until {
        return None;
    }
    let status = status(seen, own, obstacles);
    let last = reporting.last.as_ref().filter(|last| last.uid == own.uid);
    let rested = |for_: Duration| last.is_none_or(|last| seen.now.saturating_sub(last.at) >= for_);
    let due = match News::between(last.map(|last| &last.status), &status) {
        News::Nothing => false,
        News::Position => rested(MOVED),
        News::Quiet => rested(QUIET),
        News::Transition => true,
    };
    (due && reporting.bucket.has_token(seen.now)).then_some(status)
}

/// What changed since the last report.
enum News {
    /// Nothing.
    Nothing,
    /// The position alone.
    Position,
    /// Details that can wait.
    Quiet,
    /// What somebody waits for.
    Transition,
}

impl News {
    fn between(old: Option<&ClusterNodeStatus>, new: &ClusterNodeStatus) -> Self {
        let Some(old) = old else {
            return Self::Transition;
        };
        if old == new {
            return Self::Nothing;
        }
        let mut levelled = old.clone();
        levelled.position.clone_from(&new.position);
        levelled.applied_index = new.applied_index;
        levelled.committed_index = new.committed_index;
        levelled.last_log.clone_from(&new.last_log);
        levelled.digest.clone_from(&new.digest);
        if levelled == *new {
            return Self::Position;
        }
        level_details(&mut levelled, new);
        if levelled == *new {
            return Self::Quiet;
        }
        Self::Transition
    }
}

/// A changed wording or share is a detail; one that comes or goes, or another class, is not.
fn level_details(old: &mut ClusterNodeStatus, new: &ClusterNodeStatus) {
    if old.ready_message.is_some() == new.ready_message.is_some() {
        old.ready_message.clone_from(&new.ready_message);
    }
    if old.message.is_some() == new.message.is_some() {
        old.message.clone_from(&new.message);
    }
    if let (Some(old), Some(new)) = (&mut old.disk, &new.disk) {
        old.total_bytes = new.total_bytes;
        old.used_percent = new.used_percent;
    }
}

fn status(seen: &Observed, own: &Wish, obstacles: &[String]) -> ClusterNodeStatus {
    let node = &seen.node;
    let leads = node.leads();
    let ids = |wanted: &dyn Fn(&Member) -> bool| {
        list(node.members.iter().filter(|m| wanted(m)).map(|m| m.id))
    };
    ClusterNodeStatus {
        observed_generation: own.generation,
        member_id: Some(node.member.to_string()),
        cluster_id: node.cluster.clone(),
        incarnation: number(node.incarnation),
        public_key: Some(node.public_key.clone()),
        peer_address: Some(node.peer_address.clone()),
        pod_uid: Some(seen.pod_uid.clone()).filter(|uid| !uid.is_empty()),
        role: Some(node.role),
        leader_id: node.leader.map(|id| id.to_string()),
        term: number(node.term),
        position: node.position.clone(),
        applied_index: node.applied_index.map(number),
        committed_index: node.committed_index.map(number),
        last_log: last_log(node),
        membership_id: node.membership.map(|id| id.to_string()),
        voters: ids(&|m| m.voter),
        learners: ids(&|m| !m.voter),
        removed_ids: removed(&node.removed),
        caught_up: ids(&|m| leads && m.caught_up),
        peers_reached: ids(&|m| m.reached && m.id != node.member),
        ready: node.not_ready.is_none() && node.fatal.is_none(),
        ready_message: node.not_ready.as_deref().map(clip),
        open: node.open,
        fenced: node.fenced,
        commits: node.commits,
        disk: node.disk.map(disk),
        digest: node.digest.as_ref().map(|(index, value)| DigestStatus {
            index: number(*index),
            value: value.clone(),
        }),
        version: Some(node.version.clone()),
        feature_level: i32::try_from(node.feature_level).unwrap_or(i32::MAX),
        operation_id: seen.echo(own).map(str::to_owned),
        message: message(node, obstacles),
        conditions: Vec::new(),
    }
}

fn last_log(node: &Node) -> Option<String> {
    let (term, index) = (node.last_term?, node.last_index?);
    Some(format!("{term}.{index}"))
}

fn message(node: &Node, obstacles: &[String]) -> Option<String> {
    let fatal = node.fatal.as_ref().map(|fatal| format!("stopped: {fatal}"));
    // Not ready for as long as somebody wants it so: whoever sees that should see why.
    let fenced = node
        .fenced
        .then(|| "fenced: it serves no client".to_owned());
    let said = fatal.into_iter().chain(fenced);
    let all: Vec<String> = said.chain(obstacles.iter().cloned()).collect();
    (!all.is_empty()).then(|| clip(&all.join("; ")))
}

fn list(ids: impl Iterator<Item = MemberId>) -> Vec<String> {
    let mut ids: Vec<MemberId> = ids.collect();
    ids.sort_unstable();
    ids.iter().take(IDS_MAX).map(MemberId::to_string).collect()
}

/// The node lists them in the order in which they were removed: of more than fit, the latest count.
fn removed(ids: &[MemberId]) -> Vec<String> {
    let skipped = ids.len().saturating_sub(IDS_MAX);
    ids.iter().skip(skipped).map(MemberId::to_string).collect()
}

fn disk(disk: Disk) -> DiskStatus {
    let used = disk.total_bytes.saturating_sub(disk.available_bytes);
    let share = |parts: u128| {
        let scaled = u128::from(used) * parts;
        let total = u128::from(disk.total_bytes.max(1));
        u64::try_from(scaled / total).unwrap_or(u64::MAX)
    };
    let percent = share(100);
    DiskStatus {
        total_bytes: Some(number(disk.total_bytes)),
        // Rounded to the nearest 5: one fortieth of the disk more or less does not count.
        used_percent: i32::try_from(share(40).div_ceil(2) * 5).unwrap_or(i32::MAX),
        class: match percent {
            _ if disk.refuses_writes => DiskClass::Full,
            FULL_PERCENT.. => DiskClass::Full,
            LOW_PERCENT.. => DiskClass::Low,
            _ => DiskClass::Ok,
        },
    }
}

/// Kubernetes has signed numbers only; ours stay far below their end.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
