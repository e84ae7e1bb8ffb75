//! A roll: pods of an outdated template are replaced one by one, followers zone by zone, the leader last after it
//! handed leadership over, and never while another node is down.

use super::health::trouble;
use super::outcome::Step;
use super::reason::Reason;
use super::risk::{Risk, Situation};
use super::secrets;
use super::view::{Leader, Node};

/// A pod that was made from another template than the wanted one, and stays until somebody deletes it.
pub struct Outdated<'a> {
    /// Its node.
    pub node: &'a Node<'a>,
    /// Its UID.
    pub pod_uid: &'a str,
}

/// Pods whose deletion would bring the wanted template: Kubernetes has taken it already.
pub fn outdated<'a>(now: &Situation<'a>) -> impl Iterator<Item = Outdated<'a>> {
    let Situation {
        view, templates, ..
    } = *now;
    view.nodes.iter().filter_map(move |node| {
        let wanted = &templates.get(node.zone)?.hash;
        let taken = view.sets.get(node.zone)?.restart_hash.as_ref();
        let pod = node.pod.filter(|pod| !pod.deleting)?;
        let stale = taken == Some(wanted) && pod.restart_hash.as_ref() != Some(wanted);
        stale.then_some(Outdated {
            node,
            pod_uid: &pod.uid,
        })
    })
}

/// The pod that is replaced now.
pub fn risk(now: &Situation) -> Risk {
    let leads = |node: &Node| {
        let leader = now.view.leader.as_ref();
        leader.is_some_and(|leader| leader.node == node.name)
    };
    let mut all: Vec<Outdated> = outdated(now).collect();
    all.sort_by_key(|outdated| {
        (
            leads(outdated.node),
            outdated.node.zone,
            outdated.node.ordinal,
        )
    });
    let Some(next) = all.into_iter().next() else {
        return template_to_take(now);
    };
    if let Some(missing) = secrets::missing(now.validated, now.view) {
        return Risk {
            wait: Some(missing),
            ..Risk::default()
        };
    }
    if let Some(down) = down(now) {
        return down;
    }
    replace(now, &next)
}

/// Kubernetes has yet to take a template: a pod deleted before would come back as it was.
fn template_to_take(now: &Situation) -> Risk {
    let mut pods = now.view.nodes.iter().filter(|node| node.pod.is_some());
    let outdated = pods.find(|node| {
        let wanted = now.templates.get(node.zone).map(|template| &template.hash);
        node.pod
            .is_some_and(|pod| !pod.deleting && pod.restart_hash.as_ref() != wanted)
    });
    match outdated {
        None => Risk::default(),
        Some(node) => Risk {
            why: Some(Reason::RollingPods),
            ..Risk::default()
        }
        .waiting(
            Reason::RollingPods,
            format!(
                "Kubernetes has yet to take the new template of zone {}",
                node.zone
            ),
        ),
    }
}

/// The node that has yet to be well before another one goes. It does not lead before it is.
fn down(now: &Situation) -> Option<Risk> {
    let expected = |name: &String| !now.validated.fenced.contains(name);
    let (name, node) = now
        .wanted()
        .find(|(name, node)| expected(name) && !node.is_some_and(Node::is_alive))?;
    let stuck = node.is_some_and(|node| {
        let wanted = now.templates.get(node.zone).map(|template| &template.hash);
        match node.pod {
            Some(pod) => pod.trouble.is_some() && pod.restart_hash.as_ref() == wanted,
            None => node.refused.is_some(),
        }
    });
    let reason = if stuck {
        Reason::RollBlocked
    } else {
        Reason::RollingPods
    };
    let message = trouble(&name, node).unwrap_or_default();
    let message = match stuck {
        true => format!("the new template does not work, so no other pod is replaced: {message}"),
        false => format!("one pod at a time: {message}"),
    };
    let this = Risk {
        target: Some(name),
        why: Some(Reason::RollingPods),
        ..Risk::default()
    };
    Some(this.waiting(reason, message))
}

fn replace(now: &Situation, next: &Outdated) -> Risk {
    let (node, this) = (next.node, Risk::of(next.node, Reason::RollingPods));
    let Some(leader) = now.view.fresh_leader() else {
        return this.waiting(Reason::NoLeader, "no pod is replaced without a leader");
    };
    if !leader.status.open {
        return this.waiting(
            Reason::VotersJoining,
            "not all intended voters have joined yet",
        );
    }
    let member = node.reported().unwrap_or_default();
    if leader.is_voter(member) && !majority_without(now, leader, member) {
        return this.waiting(
            Reason::RollWouldLoseQuorum,
            format!(
                "without {} no majority of the voters would be live",
                node.name
            ),
        );
    }
    let alone = leader.other_voters(member).next().is_none();
    if leader.member == member && !alone {
        return this.waiting(
            Reason::MovingLeadership,
            format!("{} has yet to hand leadership over", node.name),
        );
    }
    // Who votes alone has nobody to hand leadership over to.
    let this = Risk {
        target: this.target.filter(|_| leader.member != member),
        ..this
    };
    let step = Step::Restart {
        node: node.name.to_owned(),
        pod_uid: next.pod_uid.to_owned(),
        why: "its template is outdated",
    };
    this.confirmed(leader, "restart", next.pod_uid, step)
}

/// True when writes commit while `member` is down; or, of one or two voters, when all others are live, which is the
/// most that such a cluster has.
pub fn majority_without(now: &Situation, leader: &Leader, member: &str) -> bool {
    let voters = leader.status.voters.len();
    let live = now.view.live_voters(leader.other_voters(member));
    live * 2 > voters || (voters <= 2 && live + 1 >= voters)
}
