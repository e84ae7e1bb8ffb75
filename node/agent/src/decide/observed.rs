//! Everything that a decision rests on.

use std::time::Duration;

use crds::ClusterNodeStatus;

use super::Action;
use crate::bucket::Bucket;
use crate::node::Node;
use crate::wish::Wish;

/// What the agent sees at one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Monotonic time since any fixed moment.
    pub now: Duration,
    /// UID of the agent's pod.
    pub pod_uid: String,
    /// What the node says of itself.
    pub node: Node,
    /// The node's own ClusterNode; `None` while there is none, or none was seen yet.
    pub own: Option<Wish>,
    /// On the leader: every ClusterNode of the Cluster that was seen, its own among them.
    pub wishes: Vec<Wish>,
    /// What was reported so far.
    pub reporting: Reporting,
    /// What was tried so far.
    pub acting: Acting,
}

/// How reporting stands.
#[derive(Clone, Debug, Default)]
pub struct Reporting {
    /// The last report that the API server took from this process.
    pub last: Option<Reported>,
    /// How many reports may be sent now.
    pub bucket: Bucket,
    /// True while one is under way.
    pub in_flight: bool,
    /// After a failure: no report before this moment.
    pub held_until: Duration,
}

/// A report that arrived.
#[derive(Clone, Debug)]
pub struct Reported {
    /// UID of the ClusterNode it went to.
    pub uid: String,
    /// What it said.
    pub status: ClusterNodeStatus,
    /// When.
    pub at: Duration,
}

/// How the wishes stand that were passed to the node.
#[derive(Clone, Debug, Default)]
pub struct Acting {
    /// True while one is under way.
    pub in_flight: bool,
    /// The latest outcomes.
    pub attempts: Vec<Attempt>,
    /// The latest proof of leadership.
    pub confirmed: Option<Confirmed>,
}

/// An action that was carried out, with or without success.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was tried.
    pub action: Action,
    /// Why it failed; `None` if it did not.
    pub refused: Option<String>,
    /// It is not tried again before this moment.
    pub held_until: Duration,
    /// How often it failed in a row.
    pub failures: u32,
}

/// A majority confirmed the node as the leader of `term` after the operation id was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The operation id.
    pub operation: String,
    /// The term.
    pub term: u64,
}

impl Observed {
    /// The operation id to echo: only that of the wish as it is now, and only while the node leads in the term in
    /// which a majority confirmed it.
    pub fn echo(&self, own: &Wish) -> Option<&str> {
        let confirmed = self.acting.confirmed.as_ref()?;
        let holds = self.node.leads()
            && confirmed.term == self.node.term
            && own.operation.as_ref() == Some(&confirmed.operation)
            && own.is_for(self.node.member);
        holds.then_some(confirmed.operation.as_str())
    }

    /// The latest attempt at exactly this action.
    pub fn attempt(&self, action: &Action) -> Option<&Attempt> {
        self.acting
            .attempts
            .iter()
            .rev()
            .find(|attempt| attempt.action == *action)
    }
}
