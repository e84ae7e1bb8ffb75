//! The one risky thing at a time once a cluster is formed: a member leaves, a disk that was lost is given up, a pod
//! goes. None of them rests on a status that may be stale: before each, the leader is asked to confirm itself.

use crds::Membership;
use serde_json::json;

use super::layout::{Layout, is_replaced, leaves};
use super::outcome::{Step, Wait};
use super::reason::Reason;
use super::view::{Leader, Node, View};
use crate::resource::hash;

/// What is under way, and what of it happens now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The node it is about; it must not lead.
    pub target: Option<String>,
    /// Why nodes go: [`Reason::ScalingDown`] or [`Reason::ReplacingMember`].
    pub why: Option<Reason>,
    /// The node whose member is told to leave now.
    pub remove: Option<String>,
    /// The risky thing that happens now.
    pub step: Option<Step>,
    /// What it waits for.
    pub wait: Option<Wait>,
    /// What the leader is asked to confirm.
    pub operation: Option<String>,
}

impl Removal {
    fn of(node: &Node, why: Reason) -> Removal {
        Removal {
            target: Some(node.name.to_owned()),
            why: Some(why),
            ..Removal::default()
        }
    }

    fn waiting(mut self, reason: Reason, message: impl Into<String>) -> Removal {
        self.wait = Some(Wait::for_(reason, message));
        self
    }

    /// Does `step` if the leader confirmed itself for exactly this, and asks it to otherwise.
    fn confirmed(mut self, leader: &Leader, verb: &str, member: &str, step: Step) -> Removal {
        let id = operation_id(leader, verb, member);
        let echoed = leader.status.operation_id.as_deref() == Some(&id);
        self.operation = Some(id);
        if echoed {
            self.step = Some(step);
            return self;
        }
        let message = format!(
            "{} is asked to confirm that it leads, before {verb} of {member}",
            leader.node
        );
        self.waiting(Reason::ConfirmingLeader, message)
    }
}

/// Names what is asked and every fact that the decision rests on: if one changes, the leader is asked again.
fn operation_id(leader: &Leader, verb: &str, member: &str) -> String {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    let status = leader.status;
    let facts = hash(&json!([
        leader.member,
        status.term,
        status.membership_id,
        sorted(&status.voters),
        sorted(&status.learners),
        sorted(&status.caught_up),
        sorted(&status.peers_reached),
    ]));
    format!("{verb}-{member}-{facts}")
}

/// Decides on the one removal of this pass, for a formed cluster.
pub fn removal(view: &View, layout: &Layout) -> Removal {
    let desired = |node: &Node| {
        layout
            .get(node.zone)
            .map(|zone| zone.desired)
            .unwrap_or_default()
    };
    let leaving = view.nodes.iter().find(|node| {
        node.seen.is_some() && leaves(node, view, desired(node)) && is_in(layout, node)
    });
    let others = view
        .nodes
        .iter()
        .filter(|node| leaving.is_none_or(|leaving| leaving.name != node.name));
    let lost = others
        .filter_map(|node| Some((node, lost_member(view, node)?)))
        .next();
    match (leaving, lost) {
        // A disk was lost after a member was told to leave, which cannot before the lost one is out of the way.
        (Some(leaving), Some((node, member))) if is_stuck(view, leaving) => {
            return replace(view, node, member);
        }
        (Some(leaving), _) => return finish(view, leaving),
        (None, Some((node, member))) => return replace(view, node, member),
        (None, None) => {}
    }
    if let Some(node) = view.nodes.iter().find(|node| is_on_its_way_out(view, node)) {
        let member = node.wished().unwrap_or_default();
        return Removal::of(node, Reason::ReplacingMember).waiting(
            Reason::RemovingMember,
            format!("the leader has yet to remove {member}"),
        );
    }
    match surplus(view, layout) {
        Some(node) => begin(view, node),
        None => Removal::default(),
    }
}

fn is_in(layout: &Layout, node: &Node) -> bool {
    layout
        .get(node.zone)
        .is_some_and(|zone| node.ordinal < zone.nodes)
}

/// The member of a node whose disk now holds another one, while it still counts.
fn lost_member<'a>(view: &View, node: &Node<'a>) -> Option<&'a str> {
    let member = node.wished().filter(|_| is_replaced(node))?;
    view.leader.as_ref()?.is_member(member).then_some(member)
}

/// True when the member of a leaving node cannot go without the majority.
fn is_stuck(view: &View, leaving: &Node) -> bool {
    let told = view.fresh_leader().zip(leaving.wished());
    told.is_some_and(|(leader, member)| {
        would_lose_quorum(view, leader, member, Reason::QuorumLost).is_some()
    })
}

/// True when the member of a node that stays was told to leave, and still counts.
fn is_on_its_way_out(view: &View, node: &Node) -> bool {
    let told = node
        .wish()
        .is_some_and(|wish| wish.membership == Membership::Removed);
    let counts = |member| {
        view.leader
            .as_ref()
            .is_none_or(|leader| leader.is_member(member))
    };
    told && node.wished().is_some_and(counts)
}

/// The highest node of the zone that has most too many.
fn surplus<'v, 'a>(view: &'v View<'a>, layout: &Layout) -> Option<&'v Node<'a>> {
    let (zone, here) = layout
        .iter()
        .filter(|(_, here)| here.nodes > here.desired)
        .max_by_key(|(name, here)| (here.nodes - here.desired, (*name).clone()))?;
    view.node(zone, here.nodes.checked_sub(1)?)
}

/// A member was told to leave: wait until it has, then take its pod away.
fn finish(view: &View, node: &Node) -> Removal {
    let this = Removal::of(node, Reason::ScalingDown);
    let set = view.sets.get(node.zone);
    if set.is_none_or(|set| set.replicas <= node.ordinal) {
        return this.waiting(
            Reason::PodTerminating,
            format!("pod {} has yet to go", node.name),
        );
    }
    let Some(leader) = view.fresh_leader() else {
        return this.waiting(
            Reason::NoLeader,
            "no leader confirms that the member has left",
        );
    };
    let member = node.wished().unwrap_or("none");
    if leader.is_member(member) {
        return this.waiting(
            Reason::RemovingMember,
            format!("{} has yet to remove {member}", leader.node),
        );
    }
    let step = Step::Shrink {
        zone: node.zone.to_owned(),
        replicas: node.ordinal,
    };
    this.confirmed(leader, "shrink", member, step)
}

/// A disk was lost: its member must go before the new one joins from the same node.
fn replace(view: &View, node: &Node, member: &str) -> Removal {
    let mut this = Removal::of(node, Reason::ReplacingMember);
    let Some(leader) = view.fresh_leader() else {
        return this.waiting(
            Reason::NoLeader,
            format!("no leader can remove {member}, whose disk is gone"),
        );
    };
    if node
        .wish()
        .is_some_and(|wish| wish.membership == Membership::Removed)
    {
        return this.waiting(
            Reason::RemovingMember,
            format!("{} has yet to remove {member}", leader.node),
        );
    }
    if let Some(wait) = would_lose_quorum(view, leader, member, Reason::QuorumLost) {
        this.wait = Some(wait);
        return this;
    }
    let step = Step::Remove {
        node: node.name.to_owned(),
        member: member.to_owned(),
    };
    remove_when_confirmed(this, leader, node, member, step)
}

/// More nodes than wanted: the leader goes elsewhere, a majority of the rest is live, then the member is told.
fn begin(view: &View, node: &Node) -> Removal {
    let mut this = Removal::of(node, Reason::ScalingDown);
    let Some(member) = node.wished().or(node.reported()) else {
        this.remove = Some(node.name.to_owned());
        return this;
    };
    let Some(leader) = view.fresh_leader() else {
        return this.waiting(
            Reason::NoLeader,
            format!("no leader can remove {}", node.name),
        );
    };
    if !leader.status.open {
        return this.waiting(
            Reason::VotersJoining,
            "not all intended voters have joined yet",
        );
    }
    if leader.member == member {
        return this.waiting(
            Reason::MovingLeadership,
            format!("{} has yet to hand leadership over", node.name),
        );
    }
    if let Some(wait) = would_lose_quorum(view, leader, member, Reason::ScaleDownWouldLoseQuorum) {
        this.wait = Some(wait);
        return this;
    }
    let step = Step::Remove {
        node: node.name.to_owned(),
        member: member.to_owned(),
    };
    remove_when_confirmed(this, leader, node, member, step)
}

fn remove_when_confirmed(
    this: Removal,
    leader: &Leader,
    node: &Node,
    member: &str,
    step: Step,
) -> Removal {
    let mut this = this.confirmed(leader, "remove", member, step);
    this.remove = this.step.is_some().then(|| node.name.to_owned());
    this
}

fn would_lose_quorum(view: &View, leader: &Leader, member: &str, reason: Reason) -> Option<Wait> {
    if !leader.is_voter(member) {
        return None;
    }
    let rest = || {
        leader
            .status
            .voters
            .iter()
            .map(String::as_str)
            .filter(|voter| *voter != member)
    };
    let (live, count) = (view.live_voters(rest()), rest().count());
    let message = format!(
        "of the {count} voters that would remain without {member}, {live} are live and caught up"
    );
    (live * 2 <= count).then(|| Wait::for_(reason, message))
}
