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

/// Most outcomes that are remembered; the oldest go first.
const ATTEMPTS_MAX: usize = 64;

impl Acting {
    /// The latest outcome of exactly this action.
    pub fn attempt(&self, action: &Action) -> Option<&Attempt> {
        self.attempts
            .iter()
            .find(|attempt| attempt.action == *action)
    }

    /// How often this action failed in a row.
    pub fn failures(&self, action: &Action) -> u32 {
        self.attempt(action).map_or(0, |attempt| attempt.failures)
    }

    /// Why this action failed the last time.
    pub fn last_refusal(&self, action: &Action) -> Option<&String> {
        self.attempt(action)?.refused.as_ref()
    }

    /// The action under way was done; it is not repeated before the node had the time to show it.
    pub fn succeeded(&mut self, action: Action, held_until: Duration) {
        self.finish(Attempt {
            action,
            refused: None,
            held_until,
            failures: 0,
        });
    }

    /// The action under way failed; it is tried again in time.
    pub fn failed(&mut self, action: Action, reason: String, held_until: Duration) {
        let failures = self.failures(&action).saturating_add(1);
        self.finish(Attempt {
            action,
            refused: Some(reason),
            held_until,
            failures,
        });
    }

    fn finish(&mut self, attempt: Attempt) {
        self.in_flight = false;
        self.attempts
            .retain(|earlier| earlier.action != attempt.action);
        self.attempts.push(attempt);
        let surplus = self.attempts.len().saturating_sub(ATTEMPTS_MAX);
        self.attempts.drain(..surplus);
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemberId;

    fn transfer(to: u64) -> Action {
        Action::TransferLeadership { to: MemberId(to) }
    }

    #[test]
    fn failures_are_counted_for_each_action_until_it_succeeds() {
        let mut acting = Acting::default();
        let later = Duration::from_secs(1);
        for _ in 0..3 {
            acting.in_flight = true;
            acting.failed(transfer(1), "no".to_owned(), later);
        }
        acting.failed(transfer(2), "never".to_owned(), later);
        assert!(!acting.in_flight);
        assert_eq!(
            (acting.failures(&transfer(1)), acting.failures(&transfer(2))),
            (3, 1)
        );
        assert_eq!(acting.last_refusal(&transfer(2)).unwrap(), "never");
        acting.succeeded(transfer(1), later);
        assert_eq!(acting.failures(&transfer(1)), 0);
        assert_eq!(acting.last_refusal(&transfer(1)), None);
    }

    #[test]
    fn only_the_latest_outcomes_are_remembered() {
        let mut acting = Acting::default();
        for to in 0..1000 {
            acting.failed(transfer(to), "no".to_owned(), Duration::ZERO);
        }
        assert_eq!(acting.attempts.len(), ATTEMPTS_MAX);
        assert!(acting.attempt(&transfer(999)).is_some());
        assert!(acting.attempt(&transfer(0)).is_none());
    }
}
