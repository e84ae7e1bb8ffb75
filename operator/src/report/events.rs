//! Events on the Cluster: each step, and each change of a condition that matters to a person.

use crds::RecoveryStatus;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use crate::observe::ObserveError;
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

/// The event of a step that was taken; it names the pod as related.
pub fn of_step(step: &Step, pod: Option<ObjectReference>) -> Event {
    Event {
        type_: EventType::Normal,
        reason: step.name().to_owned(),
        note: Some(step.to_string()),
        action: step.name().to_owned(),
        secondary: pod,
    }
}

/// The event of something that cannot be read.
pub fn of_unread(error: &ObserveError) -> Event {
    Event {
        type_: EventType::Warning,
        reason: "Unreadable".to_owned(),
        note: Some(format!(
            "{error}: {}; nothing is changed until it can be read, so mend or delete it",
            error.source
        )),
        action: "Observe".to_owned(),
        secondary: None,
    }
}

/// The event of a wish to recover that was used up.
pub fn of_recovery(
    before: Option<&RecoveryStatus>,
    after: Option<&RecoveryStatus>,
) -> Option<Event> {
    let now = after.filter(|after| before != Some(after))?;
    let (type_, reason, note) = match &now.refusal {
        None => (
            EventType::Warning,
            "Recovered",
            format!(
                "the cluster began anew from member {} alone, as incarnation {}; what only the lost disks had is gone",
                now.member_id, now.incarnation
            ),
        ),
        Some(why) => (
            EventType::Warning,
            "RecoveryRefused",
            format!("spec.operations.recoverFrom has no effect: {why}"),
        ),
    };
    Some(Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: "Recover".to_owned(),
        secondary: None,
    })
}
