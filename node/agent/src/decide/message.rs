//! What a person reads about actions, and about wishes that wait.

use std::fmt;

use crds::Membership;

use super::{Action, Attempt};

impl fmt::Display for Action {
    /// As it follows "to".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReportStatus(_) => write!(f, "report"),
            Self::SetFence { fenced: true } => write!(f, "fence the node"),
            Self::SetFence { fenced: false } => write!(f, "take the fence down"),
            Self::Bootstrap { voters, .. } => write!(f, "form a cluster of {voters} voters"),
            Self::Recover { position, .. } => {
                write!(f, "begin anew from this disk alone at {position}")
            }
            Self::ConfirmLeadership { operation } => {
                write!(f, "confirm leadership for operation {operation}")
            }
            Self::TransferLeadership { to } => write!(f, "hand leadership to member {to}"),
            Self::ChangeMember(change) => {
                let wished = membership(change.membership);
                write!(f, "make member {} {wished}", change.member)
            }
        }
    }
}

/// What the last try at `action` came to; `None` if it did not fail.
pub(super) fn refusal(action: &Action, attempt: &Attempt) -> Option<String> {
    let reason = attempt.refused.as_ref()?;
    Some(format!("failed to {action}: {reason}"))
}

/// A membership in words.
pub(super) fn membership(membership: Membership) -> &'static str {
    match membership {
        Membership::Voter => "Voter",
        Membership::Learner => "Learner",
        Membership::Removed => "Removed",
    }
}
