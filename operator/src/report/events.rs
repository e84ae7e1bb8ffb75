//! Events on the Cluster: each step, and each change of a condition that matters to a person.

use crds::{ClusterStatus, RecoveryStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use crate::observe::ObserveError;
use crate::plan::Step;
use crate::validate::Subject;

/// Conditions whose changes are told, and the status that is bad.
const TOLD: [(&str, &str); 6] = [
    ("Ready", "False"),
    ("Degraded", "True"),
    ("SpecValid", "False"),
    ("StorageHealthy", "False"),
    ("UpToDate", "False"),
    ("ReconciliationPaused", "True"),
];

/// What a pass has to tell: the step that it took, and what of `after` was not so in the last status of `subject`.
pub fn of_pass(subject: &Subject, taken: Option<&Step>, after: &ClusterStatus) -> Vec<Event> {
    let before = &subject.status;
    let step = taken.map(|step| of_step(subject, step));
    let recovery = of_recovery(before.recovery.as_ref(), after.recovery.as_ref());
    let changed = of_conditions(&before.conditions, &after.conditions);
    step.into_iter().chain(recovery).chain(changed).collect()
}

/// Events for the conditions that changed from `before` to `after`. The first report of a Cluster makes none.
fn of_conditions(before: &[Condition], after: &[Condition]) -> Vec<Event> {
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
fn of_step(subject: &Subject, step: &Step) -> Event {
    Event {
        type_: EventType::Normal,
        reason: step.name().to_owned(),
        note: Some(step.to_string()),
        action: step.name().to_owned(),
        secondary: step.pod().map(|name| pod(subject, step, name)),
    }
}

/// The pod that a step is about.
fn pod(subject: &Subject, step: &Step, name: &str) -> ObjectReference {
    let uid = match step {
        Step::Restart { pod_uid, .. } => Some(pod_uid.clone()),
        _ => None,
    };
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(subject.namespace.clone()),
        uid,
        ..ObjectReference::default()
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
fn of_recovery(before: Option<&RecoveryStatus>, after: Option<&RecoveryStatus>) -> Option<Event> {
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
