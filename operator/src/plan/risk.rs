//! The one risky thing at a time once a cluster is formed: who chooses it, and what it looks like. None of them rests
//! on a status that may be stale: before each, the leader is asked to confirm itself.

use serde_json::json;

use super::layout::Layout;
use super::outcome::{Step, Wait};
use super::reason::Reason;
use super::view::{Leader, Node, View};
use super::{fence, growth, mend, recovery, removal, roll};
use crate::build::Templates;
use crate::resource::hash;
use crate::validate::{Subject, Validated};

/// What the choice rests on.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The Cluster.
    pub subject: &'a Subject,
    /// Its spec.
    pub validated: &'a Validated,
    /// What was observed.
    pub view: &'a View<'a>,
    /// Which nodes there should be.
    pub layout: &'a Layout,
    /// The wanted pod templates.
    pub templates: &'a Templates,
}

impl Situation<'_> {
    /// Names of the nodes that the spec wants, in order.
    pub fn wanted(&self) -> impl Iterator<Item = (String, Option<&Node<'_>>)> {
        self.layout.iter().flat_map(move |(zone, here)| {
            (0..here.desired).map(move |ordinal| {
                let name = crds::names::pod(&self.subject.name, zone, ordinal);
                (name, self.view.node(zone, ordinal))
            })
        })
    }
}

/// What is under way, and what of it happens now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Risk {
    /// The node it is about; it must not lead.
    pub target: Option<String>,
    /// Why: the reason that the status tells while nothing else is waited for.
    pub why: Option<Reason>,
    /// The risky thing that happens now.
    pub step: Option<Step>,
    /// What it waits for.
    pub wait: Option<Wait>,
    /// What the leader is asked to confirm.
    pub operation: Option<String>,
}

impl Risk {
    pub(super) fn of(node: &Node, why: Reason) -> Risk {
        Risk {
            target: Some(node.name.to_owned()),
            why: Some(why),
            ..Risk::default()
        }
    }

    pub(super) fn waiting(mut self, reason: Reason, message: impl Into<String>) -> Risk {
        self.wait = Some(Wait::for_(reason, message));
        self
    }

    /// Does `step` if the leader confirmed itself for exactly this, and asks it to otherwise.
    pub(super) fn confirmed(
        mut self,
        leader: &Leader,
        verb: &str,
        about: &str,
        step: Step,
    ) -> Risk {
        let id = operation_id(leader, verb, about);
        let echoed = leader.status.operation_id.as_deref() == Some(&id);
        self.operation = Some(id);
        if echoed {
            self.step = Some(step);
            return self;
        }
        let message = format!(
            "{} is asked to confirm that it leads, before {verb} of {about}",
            leader.node
        );
        self.waiting(Reason::ConfirmingLeader, message)
    }

    fn is_nothing(&self) -> bool {
        self.why.is_none() && self.step.is_none() && self.wait.is_none()
    }
}

/// Names what is asked and every fact that the decision rests on: if one changes, the leader is asked again.
fn operation_id(leader: &Leader, verb: &str, about: &str) -> String {
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
    format!("{verb}-{about}-{facts}")
}

/// Chooses the one risky thing of this pass, for a formed cluster. What mends comes before what was asked for, and a
/// pod that is broken may be replaced whatever else waits.
pub fn risk(now: &Situation) -> Risk {
    let under_way = first(&[recovery::risk, removal::risk, fence::risk], now);
    if under_way.step.is_some() {
        return under_way;
    }
    if let Some(broken) = mend::broken(now) {
        return mend::replace(under_way, broken);
    }
    if !under_way.is_nothing() {
        return under_way;
    }
    first(&[roll::risk, growth::risk, fence::refused], now)
}

fn first(choices: &[fn(&Situation) -> Risk], now: &Situation) -> Risk {
    let mut risks = choices.iter().map(|choose| choose(now));
    risks.find(|risk| !risk.is_nothing()).unwrap_or_default()
}

/// Why `member` cannot leave the voters: those that would remain have no live majority.
pub(super) fn would_lose_quorum(
    view: &View,
    leader: &Leader,
    member: &str,
    reason: Reason,
) -> Option<Wait> {
    if !leader.is_voter(member) {
        return None;
    }
    let rest = || leader.other_voters(member);
    let (live, count) = (view.live_voters(rest()), rest().count());
    let message = format!(
        "of the {count} voters that would remain without {member}, {live} are live and caught up"
    );
    (live * 2 <= count).then(|| Wait::for_(reason, message))
}
