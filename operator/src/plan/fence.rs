//! Nodes that a person fenced: each gives up its vote first, and serves no client after that. One whose vote the
//! majority needs keeps both, and the status says so.

use crds::{ClusterNodeSpec, Membership};

use super::formation::VOTERS_MAX;
use super::outcome::Step;
use super::reason::Reason;
use super::risk::{Risk, Situation, would_lose_quorum};
use super::view::{Leader, Node};

/// The fenced node that gives up its vote now.
pub fn risk(now: &Situation) -> Risk {
    let Some(leader) = now.view.fresh_leader() else {
        return Risk::default();
    };
    let mut voting =
        voting(now, leader).filter(|(_, member)| refusal(now, leader, member).is_none());
    let Some((node, member)) = voting.next() else {
        return Risk::default();
    };
    let this = Risk::of(node, Reason::Fencing);
    if leader.member == member {
        return this.waiting(
            Reason::MovingLeadership,
            format!("{} has yet to hand leadership over", node.name),
        );
    }
    if node
        .wish()
        .is_some_and(|wish| wish.membership == Membership::Learner)
    {
        return this.waiting(
            Reason::Fencing,
            format!("{} has yet to take the vote of {}", leader.node, node.name),
        );
    }
    let step = Step::TakeVote {
        node: node.name.to_owned(),
        member: member.to_owned(),
    };
    this.confirmed(leader, "fence", member, step)
}

/// The fenced node whose vote the majority needs.
pub fn refused(now: &Situation) -> Risk {
    let needed = now.view.fresh_leader().and_then(|leader| {
        voting(now, leader).find_map(|(node, member)| Some((node, refusal(now, leader, member)?)))
    });
    match needed {
        Some((node, message)) => Risk {
            target: None,
            ..Risk::of(node, Reason::Fencing)
        }
        .waiting(
            Reason::FenceWouldLoseQuorum,
            format!("{} goes on voting: {message}", node.name),
        ),
        None => Risk::default(),
    }
}

/// Fenced nodes that vote, and their members.
fn voting<'a>(
    now: &Situation<'a>,
    leader: &'a Leader,
) -> impl Iterator<Item = (&'a Node<'a>, &'a str)> {
    let fenced = &now.validated.fenced;
    let nodes = now.view.nodes.iter();
    nodes
        .filter(|node| {
            fenced.contains(node.name)
                && node
                    .wish()
                    .is_some_and(|wish| wish.membership != Membership::Removed)
        })
        .filter_map(|node| Some((node, node.wished()?)))
        .filter(|(_, member)| leader.is_voter(member))
}

/// Why a member cannot give up its vote: those that would remain have no live majority, or are too few. A write must be on
/// a majority of the wanted nodes' disks, however many of them are fenced.
fn refusal(now: &Situation, leader: &Leader, member: &str) -> Option<String> {
    let wanted = (now.validated.replicas as usize).min(VOTERS_MAX);
    let rest = leader.other_voters(member).count();
    if rest * 2 <= wanted {
        return Some(format!(
            "{rest} of {wanted} nodes would go on voting, which is no majority of them"
        ));
    }
    let reason = Reason::FenceWouldLoseQuorum;
    would_lose_quorum(now.view, leader, member, reason).map(|wait| wait.message)
}

/// True when the node is listed, and the cluster has come far enough for a fence to mean something.
pub fn applies(now: &Situation, name: &str) -> bool {
    let open = now
        .view
        .leader
        .as_ref()
        .is_some_and(|leader| leader.status.open);
    open && now.validated.fenced.contains(name)
}

/// Puts the fence into the wish of a node: once it gave up its vote, it serves nobody.
pub fn settle(wish: &mut ClusterNodeSpec, name: &str, now: &Situation, risk: &Risk) {
    if matches!(&risk.step, Some(Step::TakeVote { node, .. }) if node == name) {
        wish.membership = Membership::Learner;
    }
    let listed = now.validated.fenced.contains(name);
    let begins = applies(now, name) && wish.membership == Membership::Learner;
    wish.fenced = begins || listed && wish.fenced;
}
