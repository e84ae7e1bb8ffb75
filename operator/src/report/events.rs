//! Events on the Cluster: each step, and each change of a condition that matters to a person.

use crds::{ClusterStatus, RecoveryStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use crate::observe::{ObserveError, PodSeen};
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

/// What a pass that saw `pods` has to tell: the step that it took, and what of `after` was not so in the last status of
/// `subject`. The pod that it is about is named as related, where it exists.
pub fn of_pass(
    subject: &Subject,
    pods: &[PodSeen],
    taken: Option<&Step>,
    after: &ClusterStatus,
) -> Vec<Event> {
    let before = &subject.status;
    let step = taken.map(of_step);
    let recovery = of_recovery(before.recovery.as_ref(), after.recovery.as_ref());
    let changed = of_conditions(&before.conditions, &after.conditions);
    let events = step.into_iter().chain(recovery).chain(changed);
    events
        .map(|event| {
            let about = event.note.as_deref().and_then(|note| named(pods, note));
            Event {
                secondary: about.map(|pod| related(subject, pod)),
                ..event
            }
        })
        .collect()
}

/// The pod that a text names first.
fn named<'a>(pods: &'a [PodSeen], text: &str) -> Option<&'a PodSeen> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.find_map(|word| pods.iter().find(|pod| pod.name == word))
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

/// The event of a step that was taken.
fn of_step(step: &Step) -> Event {
    Event {
        type_: EventType::Normal,
        reason: step.name().to_owned(),
        note: Some(step.to_string()),
        action: step.name().to_owned(),
        secondary: None,
    }
}

fn related(subject: &Subject, pod: &PodSeen) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name.clone()),
        namespace: Some(subject.namespace.clone()),
        uid: Some(pod.uid.clone()),
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
