//! What an agent does about what it sees: a pure function, without a client and without a clock.
//!
//! It decides; carrying out, waiting and repeating are the shell's. An absent ClusterNode means "change nothing".

mod act;
mod message;
mod observed;
mod report;
#[cfg(test)]
mod tests;

pub use act::{Action, Change};
pub use observed::{Acting, Attempt, Confirmed, Observed, Reported, Reporting};

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
