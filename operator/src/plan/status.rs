//! `Cluster.status` without its conditions and what is read from them, folded from what the nodes reported.

use crds::{ClusterStatus, LogStatus, OperationStatus, RecoveryStatus, ZoneStatus, clip, labels};

use super::formation::Formation;
use super::outlook::Outlook;
use super::reason::Reason;
use super::view::Node;
use super::{growth, health, recovery};

/// Folds the status.
pub fn status(outlook: &Outlook) -> ClusterStatus {
    let view = outlook.view;
    let count = |holds: &dyn Fn(&Node) -> bool| {
        i32::try_from(view.nodes.iter().filter(|node| holds(node)).count()).unwrap_or(i32::MAX)
    };
    let selector = format!("{}={}", labels::CLUSTER, outlook.subject.name);
    ClusterStatus {
        observed_generation: Some(outlook.subject.generation),
        reason: None,
        replicas: count(&|node| node.pod.is_some()),
        ready_replicas: count(&|node| node.is_alive()),
        updated_replicas: count(&|node| outlook.is_current(node)),
        selector: Some(selector),
        version: health::version(view),
        cluster_id: cluster_id(outlook),
        log: log(outlook),
        zones: zones(outlook),
        operation: operation(outlook),
        recovery: recovery(outlook),
        operator_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        conditions: Vec::new(),
    }
}

/// The id found; the one once found stays, so that its loss is seen.
fn cluster_id(outlook: &Outlook) -> Option<String> {
    let mut ids = outlook.view.cluster_ids.iter();
    match (ids.next(), ids.next()) {
        (Some(id), None) => Some((*id).to_owned()),
        _ => outlook.subject.status.cluster_id.clone(),
    }
}

fn recovery(outlook: &Outlook) -> Option<RecoveryStatus> {
    let acts = outlook.spec.ok().filter(|validated| !validated.paused);
    match acts {
        Some(validated) => {
            let wish = validated.recover_from.as_ref();
            recovery::record(outlook.subject, wish, outlook.view)
        }
        None => outlook.subject.status.recovery.clone(),
    }
}

fn log(outlook: &Outlook) -> Option<LogStatus> {
    let leader = outlook.view.leader.as_ref()?;
    Some(LogStatus {
        leader: leader.fresh.then(|| leader.node.to_owned()),
        leader_id: leader.fresh.then(|| leader.member.to_owned()),
        term: leader.status.term,
        voters: i32::try_from(leader.status.voters.len()).unwrap_or(i32::MAX),
        position: leader.status.position.clone(),
    })
}

fn zones(outlook: &Outlook) -> Vec<ZoneStatus> {
    let ready = |zone: &str| {
        let alive = outlook
            .view
            .nodes
            .iter()
            .filter(|node| node.zone == zone && node.is_alive());
        i32::try_from(alive.count()).unwrap_or(i32::MAX)
    };
    outlook
        .layout
        .iter()
        .filter(|(_, here)| here.desired > 0 || here.nodes > 0)
        .map(|(name, here)| ZoneStatus {
            name: name.clone(),
            desired: i32::try_from(here.desired).unwrap_or(i32::MAX),
            ready: ready(name),
        })
        .collect()
}

/// The one operation under way; its id is stable for as long as it is the same operation.
fn operation(outlook: &Outlook) -> Option<OperationStatus> {
    if outlook.spec.is_err() || outlook.spec.is_ok_and(|validated| validated.paused) {
        return None;
    }
    let waits = outlook.wait.map(|wait| (wait.reason, wait.message.clone()));
    let (type_, step, target) = match outlook.formation {
        Formation::Gathering(_) => ("Form", "Gather".to_owned(), None),
        Formation::Bootstrapping { node, .. } => {
            ("Form", "Bootstrap".to_owned(), Some(node.clone()))
        }
        Formation::Adopting(_) => ("Adopt", "WaitForVolumes".to_owned(), None),
        Formation::Conflict(_) | Formation::Lost(_) => return None,
        Formation::Formed => risky(outlook)
            .or_else(|| scale_up(outlook))
            .or_else(|| growing(outlook))?,
    };
    let id = match &target {
        Some(target) => format!("{type_}-{target}"),
        None => type_.to_owned(),
    };
    Some(OperationStatus {
        type_: type_.to_owned(),
        id,
        step,
        target,
        message: waits.map(|(_, message)| clip(&message)),
    })
}

fn risky(outlook: &Outlook) -> Option<(&'static str, String, Option<String>)> {
    let risk = outlook.risk;
    let type_ = match risk.why? {
        Reason::Recovering => "Recover",
        Reason::ReplacingMember => "ReplaceMember",
        Reason::Fencing => "Fence",
        Reason::RollingPods | Reason::ReplacingBrokenPod => "Roll",
        Reason::GrowingStorage => "GrowStorage",
        _ => "ScaleDown",
    };
    let step = match (&risk.step, &risk.wait) {
        (Some(step), _) => step.name().to_owned(),
        (None, Some(wait)) => wait.reason.to_string(),
        (None, None) => "Begin".to_owned(),
    };
    Some((type_, step, risk.target.clone()))
}

fn scale_up(outlook: &Outlook) -> Option<(&'static str, String, Option<String>)> {
    outlook.view.fresh_leader()?;
    let first = outlook.joining().into_iter().next()?;
    Some(("ScaleUp", "Join".to_owned(), Some(first)))
}

fn growing(outlook: &Outlook) -> Option<(&'static str, String, Option<String>)> {
    let first = growth::growing(outlook.spec.ok()?, outlook.view)
        .first()?
        .to_string();
    Some(("GrowStorage", "Grow".to_owned(), Some(first)))
}
