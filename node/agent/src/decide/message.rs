//! What a person reads about wishes that wait.

use crds::Membership;

use super::{Action, Attempt};

/// What the last try at `action` came to; `None` if it did not fail.
pub(super) fn refusal(action: &Action, attempt: &Attempt) -> Option<String> {
    let reason = attempt.refused.as_ref()?;
    let what = match action {
        Action::ReportStatus(_) => "to report".to_owned(),
        Action::Bootstrap { .. } => "to form the cluster".to_owned(),
        Action::ConfirmLeadership { .. } => "to confirm leadership".to_owned(),
        Action::TransferLeadership { to } => format!("to hand leadership to {to}"),
        Action::ChangeMember(change) => format!(
            "to make member {} {}",
            change.member,
            membership(change.membership)
        ),
    };
    Some(format!("failed {what}: {reason}"))
}

/// A membership in words.
pub(super) fn membership(membership: Membership) -> &'static str {
    match membership {
        Membership::Voter => "Voter",
        Membership::Learner => "Learner",
        Membership::Removed => "Removed",
    }
}
