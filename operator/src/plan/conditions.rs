//! The ten conditions of a Cluster. Each is told on every pass, and its message changes only when its reason or the
//! nodes it names do: a position or a count that moves by itself is never in it.

use crds::{DiskClass, clip};

use super::formation::{Formation, unreported};
use super::growth;
use super::health::{self, Quorum};
use super::outcome::Wait;
use super::outlook::Outlook;
use super::reason::{ConditionType, Reason};
use super::secrets;

/// One condition, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub type_: ConditionType,
    /// True, False, or Unknown when nothing.
    pub holds: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// For a person.
    pub message: String,
}

fn tell(
    type_: ConditionType,
    holds: impl Into<Option<bool>>,
    reason: Reason,
    message: impl AsRef<str>,
) -> Told {
    Told {
        type_,
        holds: holds.into(),
        reason,
        message: clip(message.as_ref()),
    }
}

/// What cannot be said of a spec that is not valid.
const CONTRADICTS: &str = "not known while the spec contradicts itself: see SpecValid";

/// All ten, in order.
pub fn conditions(outlook: &Outlook) -> Vec<Told> {
    let quorum = quorum(outlook);
    let available = available(outlook, &quorum);
    let storage = storage(outlook);
    let degraded = degraded(outlook, [&quorum, &available, &storage]);
    vec![
        ready(outlook, &available),
        available,
        progressing(outlook),
        degraded,
        spec_valid(outlook),
        quorum,
        storage,
        zones(outlook),
        up_to_date(outlook),
        paused(outlook),
    ]
}

/// What stands before everything else, whatever the nodes report.
fn blocked<'a>(outlook: &'a Outlook) -> Option<&'a Wait> {
    match outlook.formation {
        Formation::Conflict(wait) | Formation::Lost(wait) => Some(wait),
        _ => outlook.wait.filter(|wait| {
            matches!(
                wait.reason,
                Reason::NameConflict | Reason::FormerClusterLeaving
            )
        }),
    }
}

fn ready(outlook: &Outlook, available: &Told) -> Told {
    let type_ = ConditionType::Ready;
    // What runs goes on whatever is written into the spec: then SpecValid and Degraded tell of it.
    if let Err(problems) = outlook.spec
        && outlook.formation != &Formation::Formed
    {
        return tell(type_, false, Reason::SpecInvalid, problems.to_string());
    }
    match blocked(outlook) {
        Some(wait) => tell(type_, false, wait.reason, &wait.message),
        None => Told {
            type_,
            holds: Some(available.holds == Some(true)),
            ..available.clone()
        },
    }
}

fn available(outlook: &Outlook, quorum: &Told) -> Told {
    let type_ = ConditionType::Available;
    if let Formation::Conflict(wait)
    | Formation::Lost(wait)
    | Formation::Gathering(wait)
    | Formation::Adopting(wait) = outlook.formation
    {
        return tell(type_, false, wait.reason, &wait.message);
    }
    if let (Formation::Bootstrapping { .. }, Some(wait)) = (outlook.formation, outlook.wait) {
        return tell(type_, false, wait.reason, &wait.message);
    }
    if quorum.holds != Some(true) {
        return Told {
            type_,
            holds: Some(false),
            ..quorum.clone()
        };
    }
    if let Some(joining) = outlook.opening() {
        return tell(type_, false, Reason::VotersJoining, joining);
    }
    match health::commits(outlook.view) {
        Some(true) => tell(
            type_,
            true,
            Reason::WritesCommit,
            "a leader with a live majority accepts writes",
        ),
        Some(false) => refused_writes(outlook),
        None => tell(
            type_,
            None,
            Reason::WritesUnproven,
            "the leader has yet to commit a write of its own term",
        ),
    }
}

/// The leader's own write did not commit, or nobody heard of it: most often a disk is full.
fn refused_writes(outlook: &Outlook) -> Told {
    let type_ = ConditionType::Available;
    let full = health::disks(outlook.view, DiskClass::Full);
    match full.is_empty() {
        true => tell(
            type_,
            false,
            Reason::WritesDoNotCommit,
            "the leader has a live majority, and no write was committed of late",
        ),
        false => tell(
            type_,
            false,
            Reason::DiskFull,
            format!("writes are refused, no room left: {}", full.join(", ")),
        ),
    }
}

fn quorum(outlook: &Outlook) -> Told {
    let type_ = ConditionType::QuorumHealthy;
    if outlook.formation != &Formation::Formed {
        let reason = outlook.wait.map_or(Reason::NotFormed, |wait| wait.reason);
        let reason = if matches!(outlook.formation, Formation::Adopting(_)) {
            reason
        } else {
            Reason::NotFormed
        };
        return tell(type_, None, reason, "the cluster does not run yet");
    }
    match health::quorum(outlook.view) {
        Quorum::NoLeader => {
            let silent = unreported(outlook.view);
            let message = match silent.is_empty() {
                true => "no node that exists now reports that it leads".to_owned(),
                false => format!(
                    "no node leads, and volumes are unreported: {}",
                    silent.join(", ")
                ),
            };
            tell(type_, false, Reason::NoLeader, message)
        }
        // Voters that join are live only moments later, and nothing was written yet.
        Quorum::Lost { live, voters } => match outlook.opening() {
            Some(joining) => tell(type_, None, Reason::VotersJoining, joining),
            None => tell(
                type_,
                false,
                Reason::QuorumLost,
                health::shortage(live, voters),
            ),
        },
        Quorum::Healthy { .. } => tell(
            type_,
            true,
            Reason::MajorityLive,
            "a majority of the voters is live and caught up",
        ),
    }
}

fn progressing(outlook: &Outlook) -> Told {
    let type_ = ConditionType::Progressing;
    if let Ok(validated) = outlook.spec
        && validated.paused
    {
        return tell(
            type_,
            false,
            Reason::PausedBySpec,
            "the operator only looks",
        );
    }
    if let Formation::Conflict(wait) | Formation::Lost(wait) = outlook.formation {
        return tell(type_, false, wait.reason, &wait.message);
    }
    if let Some(wait) = outlook.wait {
        // It is not the operator who can do something about these.
        let stalled = matches!(
            wait.reason,
            Reason::NoLeader | Reason::QuorumLost | Reason::NodesNotReady | Reason::SecretMissing
        );
        let under_way = outlook.risk.why.is_some();
        return tell(type_, under_way || !stalled, wait.reason, &wait.message);
    }
    if let (Some(why), Some(step)) = (outlook.risk.why, &outlook.risk.step) {
        return tell(type_, true, why, step.to_string());
    }
    match outlook.spec {
        Ok(_) => tell(type_, false, Reason::Settled, "nothing is under way"),
        Err(problems) => tell(type_, false, Reason::SpecInvalid, problems.to_string()),
    }
}

fn degraded(outlook: &Outlook, [quorum, available, storage]: [&Told; 3]) -> Told {
    let type_ = ConditionType::Degraded;
    let same_as = |told: &Told| Told {
        type_,
        holds: Some(true),
        ..told.clone()
    };
    if let Some(wait) = blocked(outlook) {
        return tell(type_, true, wait.reason, &wait.message);
    }
    if quorum.holds == Some(false) {
        return same_as(quorum);
    }
    if health::commits(outlook.view) == Some(false) {
        return same_as(available);
    }
    if let Some(wait) = outlook.wait.filter(|wait| {
        matches!(
            wait.reason,
            Reason::RollBlocked | Reason::FenceWouldLoseQuorum | Reason::RecoveryRefused
        )
    }) {
        return tell(type_, true, wait.reason, &wait.message);
    }
    let spec = outlook.spec.ok();
    if let Some(wait) = spec.and_then(|validated| secrets::missing(validated, outlook.view)) {
        return tell(type_, true, wait.reason, wait.message);
    }
    let names = outlook.names().into_iter();
    let fenced: Vec<String> = names.filter(|name| outlook.is_fenced(name)).collect();
    let troubles = outlook.troubles();
    if troubles.is_empty() && storage.holds == Some(false) {
        return same_as(storage);
    }
    if troubles.is_empty() && !fenced.is_empty() {
        let message = format!(
            "fenced by spec.operations.fencedNodes: {}",
            fenced.join(", ")
        );
        return tell(type_, true, Reason::NodesFenced, message);
    }
    match (troubles.is_empty(), outlook.spec) {
        (false, _) => tell(type_, true, Reason::NodesNotReady, troubles.join("; ")),
        (true, Err(problems)) => tell(type_, true, Reason::SpecInvalid, problems.to_string()),
        (true, Ok(_)) => tell(
            type_,
            false,
            Reason::AllNodesReady,
            "every wanted node is ready",
        ),
    }
}

fn spec_valid(outlook: &Outlook) -> Told {
    match outlook.spec {
        Ok(_) => tell(
            ConditionType::SpecValid,
            true,
            Reason::Valid,
            "the spec holds no contradiction",
        ),
        Err(problems) => tell(
            ConditionType::SpecValid,
            false,
            Reason::SpecInvalid,
            problems.to_string(),
        ),
    }
}

fn storage(outlook: &Outlook) -> Told {
    let type_ = ConditionType::StorageHealthy;
    let of = |class| health::disks(outlook.view, class);
    let acts = outlook.spec.ok().filter(|validated| !validated.paused);
    let prospect = acts
        .and_then(|validated| growth::prospect(validated, outlook.view))
        .map_or_else(String::new, |text| format!("; {text}"));
    for (class, reason, what) in [
        (DiskClass::Full, Reason::DiskFull, "no room left"),
        (DiskClass::Low, Reason::DiskLow, "little room left"),
    ] {
        let nodes = of(class);
        if !nodes.is_empty() {
            let message = format!("{what}: {}{prospect}", nodes.join(", "));
            return tell(type_, false, reason, message);
        }
    }
    match of(DiskClass::Ok).is_empty() {
        true => tell(
            type_,
            None,
            Reason::NotReported,
            "no node has reported its disk yet",
        ),
        false => tell(
            type_,
            true,
            Reason::RoomEnough,
            "every reported disk has room",
        ),
    }
}

fn zones(outlook: &Outlook) -> Told {
    let type_ = ConditionType::ZonesSatisfied;
    let Ok(validated) = outlook.spec else {
        return tell(type_, None, Reason::SpecInvalid, CONTRADICTS);
    };
    if !validated.zoned {
        return tell(type_, true, Reason::NoZones, "no zones were asked for");
    }
    match outlook
        .layout
        .iter()
        .find(|(_, zone)| zone.desired * 2 > validated.replicas)
    {
        Some((name, zone)) => {
            let message = format!(
                "{} of {} nodes are in zone {name}",
                zone.desired, validated.replicas
            );
            tell(type_, false, Reason::ZoneHoldsMajority, message)
        }
        None => tell(type_, true, Reason::Spread, "no zone holds a majority"),
    }
}

fn up_to_date(outlook: &Outlook) -> Told {
    let type_ = ConditionType::UpToDate;
    if outlook.spec.is_err() {
        return tell(type_, None, Reason::SpecInvalid, CONTRADICTS);
    }
    let outdated: Vec<&str> = outlook
        .view
        .nodes
        .iter()
        .filter(|node| node.pod.is_some() && !outlook.is_current(node))
        .map(|node| node.name)
        .collect();
    match outdated.is_empty() {
        true => tell(
            type_,
            true,
            Reason::AllPodsCurrent,
            "every pod runs the wanted template",
        ),
        false => {
            let message = format!("pods run an older template: {}", outdated.join(", "));
            tell(type_, false, Reason::PodsOutdated, message)
        }
    }
}

fn paused(outlook: &Outlook) -> Told {
    let type_ = ConditionType::ReconciliationPaused;
    match outlook.spec {
        Ok(validated) if validated.paused => tell(
            type_,
            true,
            Reason::PausedBySpec,
            "spec.operations.paused is set: the operator only looks",
        ),
        _ => tell(type_, false, Reason::NotPaused, "the operator acts"),
    }
}
