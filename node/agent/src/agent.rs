//! One agent, but for its calls: what it has seen, what it has tried, and what it would do next. It reads no clock and
//! opens no connection, so that the simulator runs it as it is.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::ClusterNode;

use crate::backoff::Backoff;
use crate::decide::{Acting, Action, Confirmed, Observed, Reported, Reporting, decide};
use crate::node::Node;
use crate::wish::Wish;

/// First and longest wait after a report that failed.
const REPORT_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// First and longest wait after an action that failed.
const ACT_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// After a success: the time in which the node's status must show it.
const SETTLE: Duration = Duration::from_secs(2);

/// What an agent would have done now. At most one of each is under way.
#[derive(Clone, Debug)]
pub enum Due {
    /// Write this status into the ClusterNode of that name; then tell [`Agent::reported`].
    Report(String, Box<Reported>),
    /// Have the node do this; then tell [`Agent::acted`].
    Act(Action),
}

/// What an action led to.
pub enum Acted {
    /// It was done.
    Done,
    /// A majority confirmed the leader in this term; what the node says of itself since.
    Confirmed(Box<Node>, u64),
}

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    name: String,
    cluster: String,
    pod_uid: String,
    node: Option<Node>,
    wishes: BTreeMap<String, Wish>,
    reporting: Reporting,
    report_backoff: Backoff,
    acting: Acting,
    act_backoff: Backoff,
}

impl Agent {
    /// The agent of the node whose ClusterNode and pod have this name, which has seen nothing yet.
    pub fn new(name: &str, cluster: &str, pod_uid: &str) -> Agent {
        let backoff = |(first, longest): (_, _)| Backoff::new(first, longest, name);
        Agent {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            pod_uid: pod_uid.to_owned(),
            node: None,
            wishes: BTreeMap::new(),
            reporting: Reporting::default(),
            report_backoff: backoff(REPORT_RETRY),
            acting: Acting::default(),
            act_backoff: backoff(ACT_RETRY),
        }
    }

    /// True while its node leads, as it last said.
    pub fn leads(&self) -> bool {
        self.node.as_ref().is_some_and(Node::leads)
    }

    /// The node says this of itself. What was on its way while a younger status came (the answer to a confirmation) is
    /// dropped.
    pub fn see_node(&mut self, node: Node) {
        let progress = |node: &Node| (node.term, node.committed_index, node.applied_index);
        let older = self.node.as_ref().is_some_and(|known| {
            known.member == node.member
                && known.role == crds::Role::Leader
                && node.role == crds::Role::Leader
                && progress(&node) < progress(known)
        });
        if !older {
            self.node = Some(node);
        }
    }

    /// The ClusterNode of that name is so now; nothing where there is none.
    pub fn see_wish(&mut self, name: String, object: Option<&ClusterNode>) {
        match object.and_then(|object| Wish::read(object, &self.cluster)) {
            Some(wish) => self.wishes.insert(name, wish),
            None => self.wishes.remove(&name),
        };
    }

    /// Forgets the ClusterNodes that are not to be seen any more.
    pub fn keep_wishes(&mut self, seen: impl Fn(&str) -> bool) {
        self.wishes.retain(|name, _| seen(name));
    }

    /// What is to be done now, which from then on is under way.
    pub fn due(&mut self, now: Duration) -> Vec<Due> {
        let Some(node) = self.node.clone() else {
            return Vec::new();
        };
        let observed = Observed {
            now,
            pod_uid: self.pod_uid.clone(),
            node,
            own: self.wishes.get(&self.name).cloned(),
            wishes: self.wishes.values().cloned().collect(),
            reporting: self.reporting.clone(),
            acting: self.acting.clone(),
        };
        let mut due = Vec::new();
        for action in decide(&observed) {
            match (action, &observed.own) {
                (Action::ReportStatus(status), Some(own)) => {
                    self.reporting.bucket.take(now);
                    self.reporting.in_flight = true;
                    let report = Reported {
                        uid: own.uid.clone(),
                        status: *status,
                        at: now,
                    };
                    due.push(Due::Report(own.name.clone(), Box::new(report)));
                }
                (Action::ReportStatus(_), None) => {}
                (action, _) => {
                    self.acting.in_flight = true;
                    due.push(Due::Act(action));
                }
            }
        }
        due
    }

    /// The report under way arrived, or did not.
    pub fn reported(&mut self, report: Reported, arrived: bool, now: Duration) {
        self.reporting.in_flight = false;
        if arrived {
            self.report_backoff.reset();
            self.reporting.last = Some(report);
        } else {
            self.reporting.held_until = now + self.report_backoff.fail();
        }
    }

    /// The action under way was done, or why it was not. True if that is another reason than the last time.
    pub fn acted(&mut self, action: Action, outcome: Result<Acted, String>, now: Duration) -> bool {
        match outcome {
            Ok(acted) => {
                if let (Acted::Confirmed(node, term), Action::ConfirmLeadership { operation }) =
                    (acted, &action)
                {
                    self.node = Some(*node);
                    self.acting.confirmed = Some(Confirmed {
                        operation: operation.clone(),
                        term,
                    });
                }
                self.acting.succeeded(action, now + SETTLE);
                false
            }
            Err(reason) => {
                let held_until = now + self.act_backoff.delay(self.acting.failures(&action));
                let news = self.acting.last_refusal(&action) != Some(&reason);
                self.acting.failed(action, reason, held_until);
                news
            }
        }
    }
}
