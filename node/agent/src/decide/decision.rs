//! The decision itself.

use super::{Action, Observed, act, report};

/// What to do now. At most one [`Action::ReportStatus`], then at most one action that changes the cluster or asks
/// it something, and neither while the one before is still under way.
pub fn decide(seen: &Observed) -> Vec<Action> {
    let Some(own) = &seen.own else {
        return Vec::new();
    };
    let wanted = act::wanted(seen, own);
    let mut actions = Vec::new();
    if let Some(status) = report::due(seen, own, &wanted.obstacles) {
        actions.push(Action::ReportStatus(Box::new(status)));
    }
    if !seen.acting.in_flight {
        actions.extend(wanted.first_not_held(seen));
    }
    actions
}
