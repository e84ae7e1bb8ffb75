//! Members that leave: of a node that is not wanted any more, or of a disk that was lost.

use crds::Membership;

use super::layout::{Layout, is_replaced, leaves};
use super::outcome::Step;
use super::reason::Reason;
use super::risk::{Risk, Situation, would_lose_quorum};
use super::view::{Node, View};

/// The member that leaves now.
pub fn risk(now: &Situation) -> Risk {
    let Situation { view, layout, .. } = *now;
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
        return Risk::of(node, Reason::ReplacingMember).waiting(
            Reason::RemovingMember,
            format!(
                "the leader has yet to remove member {member} of {}",
                node.name
            ),
        );
    }
    match surplus(view, layout) {
        Some(node) => begin(view, node),
        None => Risk::default(),
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
fn finish(view: &View, node: &Node) -> Risk {
    let this = Risk::of(node, Reason::ScalingDown);
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
            format!(
                "{} has yet to remove member {member} of {}",
                leader.node, node.name
            ),
        );
    }
    let step = Step::Shrink {
        node: node.name.to_owned(),
        zone: node.zone.to_owned(),
        replicas: node.ordinal,
    };
    this.confirmed(leader, "shrink", member, step)
}

/// A disk was lost: its member must go before the new one joins from the same node.
fn replace(view: &View, node: &Node, member: &str) -> Risk {
    let mut this = Risk::of(node, Reason::ReplacingMember);
    let Some(leader) = view.fresh_leader() else {
        return this.waiting(
            Reason::NoLeader,
            format!(
                "no leader can remove member {member} of {}, whose disk is gone",
                node.name
            ),
        );
    };
    if node
        .wish()
        .is_some_and(|wish| wish.membership == Membership::Removed)
    {
        return this.waiting(
            Reason::RemovingMember,
            format!(
                "{} has yet to remove member {member} of {}",
                leader.node, node.name
            ),
        );
    }
    if let Some(wait) = would_lose_quorum(view, leader, member, Reason::QuorumLost) {
        this.wait = Some(wait);
        return this;
    }
    let step = Step::Remove {
        node: node.name.to_owned(),
        member: Some(member.to_owned()),
    };
    this.confirmed(leader, "remove", member, step)
}

/// More nodes than wanted: the leader goes elsewhere, a majority of the rest is live, then the member is told.
fn begin(view: &View, node: &Node) -> Risk {
    let mut this = Risk::of(node, Reason::ScalingDown);
    let Some(member) = node.wished().or(node.reported()) else {
        this.step = Some(Step::Remove {
            node: node.name.to_owned(),
            member: None,
        });
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
        member: Some(member.to_owned()),
    };
    this.confirmed(leader, "remove", member, step)
}
