//! Events on the Cluster: each step, and each change of a condition that matters to a person.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use crate::plan::Step;

/// Conditions whose changes are told, and the status that is bad.
const TOLD: [(&str, &str); 6] = [
    ("Ready", "False"),
    ("Degraded", "True"),
    ("SpecValid", "False"),
    ("StorageHealthy", "False"),
    ("UpToDate", "False"),
    ("ReconciliationPaused", "True"),
];

/// Events for the conditions that changed from `before` to `after`. The first report of a Cluster makes none.
pub fn of_conditions(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let find = |list: &'_ [Condition], type_: &str| {
        list.iter()
            .find(|condition| condition.type_ == type_)
            .cloned()
    };
    TOLD.iter()
        .filter_map(|(type_, bad)| {
            let (old, new) = (find(before, type_)?, find(after, type_)?);
            let changed = old.status != new.status || old.reason != new.reason;
            changed.then(|| Event {
                type_: if new.status == *bad {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: new.reason,
                note: Some(format!("{type_}={}: {}", new.status, new.message)),
                action: "Reconcile".to_owned(),
                secondary: None,
            })
        })
        .collect()
}

/// The event of a step that was taken.
pub fn of_step(step: &Step) -> Event {
    let (reason, note) = match step {
        Step::Bootstrap {
            node,
            member,
            voters,
        } => (
            "Bootstrap",
            format!("{node} (member {member}) forms the cluster; {voters} voters are to join"),
        ),
        Step::Remove { node, member } => (
            "Remove",
            format!("member {member} of {node} is told to leave"),
        ),
        Step::Shrink { zone, replicas } => {
            ("Shrink", format!("zone {zone} shrinks to {replicas} pods"))
        }
    };
    Event {
        type_: EventType::Normal,
        reason: reason.to_owned(),
        note: Some(note),
        action: reason.to_owned(),
        secondary: None,
    }
}
