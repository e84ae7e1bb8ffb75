//! What each ClusterNode says. A wish is for a *member id*; where nothing is known that would justify a change, a
//! wish stays as it is, and a ClusterNode without one asks for nothing.

use std::collections::{BTreeMap, BTreeSet};

use crds::{Bootstrap, ClusterNodeSpec, Leadership, Membership};

use super::formation::{Formation, VOTERS_MAX};
use super::layout::leaves;
use super::outcome::ClaimWanted;
use super::outcome::Step;
use super::risk::{Risk, Situation};
use super::view::{Leader, Node, View};
use super::{fence, recovery};
use crate::validate::Subject;

/// The wish of every wanted node, by name.
pub type Wishes = BTreeMap<String, ClusterNodeSpec>;

/// Decides what each of the nodes named in `names` is told.
pub fn wishes(now: &Situation, formation: &Formation, risk: &Risk, names: &[String]) -> Wishes {
    let Situation {
        subject,
        view,
        layout,
        ..
    } = *now;
    let mut voters = Voters::known(view);
    names
        .iter()
        .map(|name| {
            let node = view.nodes.iter().find(|node| node.name == name);
            let old = old_wish(subject, node);
            let mut wish = match (formation, node) {
                (
                    Formation::Bootstrapping {
                        node: chosen,
                        member,
                        voters,
                        ..
                    },
                    Some(node),
                ) => {
                    let bootstrap = Bootstrap {
                        member_id: member.clone(),
                        voters: *voters,
                    };
                    forming(node, &old, (chosen == node.name).then_some(bootstrap))
                }
                (Formation::Formed, Some(node)) => {
                    let desired = layout
                        .get(node.zone)
                        .map(|zone| zone.desired)
                        .unwrap_or_default();
                    let fenced = fence::applies(now, name);
                    formed(node, &old, view, desired, fenced, &mut voters)
                }
                _ => old.clone(),
            };
            settle(&mut wish, name, view, risk);
            fence::settle(&mut wish, name, now, risk);
            recovery::settle(&mut wish, name, now);
            wish.epoch = epoch(&wish, &old, node);
            (name.clone(), wish)
        })
        .collect()
}

fn old_wish(subject: &Subject, node: Option<&Node>) -> ClusterNodeSpec {
    let blank = ClusterNodeSpec {
        cluster: subject.name.clone(),
        member_id: None,
        membership: Membership::Learner,
        bootstrap: None,
        recover: None,
        fenced: false,
        leadership: Leadership::Allowed,
        epoch: 0,
        operation_id: None,
    };
    node.and_then(Node::wish).cloned().unwrap_or(blank)
}

/// While the cluster is being formed: the one that forms it votes, the others begin as learners.
fn forming(node: &Node, old: &ClusterNodeSpec, bootstrap: Option<Bootstrap>) -> ClusterNodeSpec {
    let membership = if bootstrap.is_some() {
        Membership::Voter
    } else {
        Membership::Learner
    };
    ClusterNodeSpec {
        member_id: node
            .reported()
            .map(str::to_owned)
            .or_else(|| old.member_id.clone()),
        membership,
        bootstrap,
        ..old.clone()
    }
}

/// In a formed cluster: who votes goes on voting, who is new learns, and who caught up votes while there is room.
fn formed<'a>(
    node: &Node<'a>,
    old: &ClusterNodeSpec,
    view: &View<'a>,
    desired: u32,
    fenced: bool,
    voters: &mut Voters<'a>,
) -> ClusterNodeSpec {
    let mut wish = ClusterNodeSpec {
        bootstrap: None,
        ..old.clone()
    };
    let Some(leader) = view.fresh_leader() else {
        return wish;
    };
    let removed = old.membership == Membership::Removed;
    if removed && leaves(node, view, desired) {
        return wish;
    }
    let Some(member) = member_of(node, leader) else {
        return wish;
    };
    if removed && node.wished() == Some(member) {
        return wish;
    }
    let same = old.member_id.as_deref() == Some(member);
    wish.member_id = Some(member.to_owned());
    let asked = same && old.membership == Membership::Voter;
    wish.membership = match asked || voters.contains(member) && !fenced {
        true => Membership::Voter,
        false if fenced => Membership::Learner,
        false
            if leader.is_member(member) && leader.has_caught_up(member) && voters.admit(member) =>
        {
            Membership::Voter
        }
        false => Membership::Learner,
    };
    wish
}

/// The member that a node's wish should be for. A member whose disk is gone stays until it was removed; an id that
/// was removed is never asked for again.
fn member_of<'a>(node: &Node<'a>, leader: &Leader) -> Option<&'a str> {
    let member = match (node.wished(), node.reported()) {
        (Some(wished), Some(reported)) if wished != reported && !leader.is_member(wished) => {
            Some(reported)
        }
        (wished, reported) => wished.or(reported),
    };
    member.filter(|member| !leader.has_removed(member))
}

/// What is under way adds: its target must not lead, and may be told to leave; the leader is asked.
fn settle(wish: &mut ClusterNodeSpec, name: &str, view: &View, risk: &Risk) {
    if matches!(&risk.step, Some(Step::Remove { node, .. }) if node == name) {
        wish.membership = Membership::Removed;
    }
    let is_target = risk.target.as_deref() == Some(name);
    let avoid = is_target || wish.membership == Membership::Removed;
    wish.leadership = if avoid {
        Leadership::Avoid
    } else {
        Leadership::Allowed
    };
    let leads = view
        .leader
        .as_ref()
        .is_some_and(|leader| leader.node == name);
    wish.operation_id = risk.operation.clone().filter(|_| leads);
}

/// Rises with each change of who should be what; remembered by the volume, so that it never falls.
fn epoch(wish: &ClusterNodeSpec, old: &ClusterNodeSpec, node: Option<&Node>) -> i64 {
    let remembered = node.and_then(|node| node.claim?.epoch).unwrap_or_default();
    let last = old.epoch.max(remembered);
    let changed = (&wish.member_id, wish.membership) != (&old.member_id, old.membership);
    if changed { last + 1 } else { last }
}

/// Who votes, and who is asked to in this pass.
struct Voters<'a>(BTreeSet<&'a str>);

impl<'a> Voters<'a> {
    fn known(view: &View<'a>) -> Voters<'a> {
        let known = view
            .leader
            .as_ref()
            .map(|leader| leader.status.voters.iter().map(String::as_str).collect());
        let mut voters: BTreeSet<&str> = known.unwrap_or_default();
        let asked = view
            .nodes
            .iter()
            .filter_map(Node::wish)
            .filter(|wish| wish.membership == Membership::Voter);
        let removed = |member: &&str| {
            let leader = view.leader.as_ref();
            leader.is_some_and(|leader| leader.has_removed(member))
        };
        let asked = asked.filter_map(|wish| wish.member_id.as_deref());
        voters.extend(asked.filter(|member| !removed(member)));
        Voters(voters)
    }

    fn contains(&self, member: &str) -> bool {
        self.0.contains(member)
    }

    fn admit(&mut self, member: &'a str) -> bool {
        self.0.len() < VOTERS_MAX && self.0.insert(member)
    }
}

/// What the annotations of every volume claim should say.
pub fn claims(view: &View, wishes: &Wishes) -> Vec<ClaimWanted> {
    let wanted = |node: &Node| {
        let claim = node.claim.filter(|claim| !claim.deleting)?;
        let mut wanted = ClaimWanted {
            name: claim.name.clone(),
            uid: claim.uid.clone(),
            cluster_id: claim.cluster_id.clone(),
            member_id: claim.member_id.clone(),
            epoch: claim.epoch,
            retired: claim.retired,
        };
        match wishes.get(node.name) {
            None => wanted.retired = true,
            Some(wish) => {
                let fresh = node.fresh().filter(|status| status.cluster_id.is_some());
                if let Some(status) = fresh {
                    wanted.cluster_id = status.cluster_id.clone();
                    wanted.member_id = status.member_id.clone();
                    wanted.retired = false;
                }
                wanted.epoch = wish.member_id.as_ref().map(|_| wish.epoch).or(claim.epoch);
            }
        }
        let says_something =
            wanted.cluster_id.is_some() || wanted.epoch.is_some() || wanted.retired;
        says_something.then_some(wanted)
    };
    view.nodes.iter().filter_map(wanted).collect()
}
