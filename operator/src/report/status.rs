//! The status of a Cluster, written only when it differs from what is there in more than times and positions.

use crds::{ClusterStatus, clip};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::core::DynamicObject;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::events::{Event, Recorder};
use serde_json::{Value, json};

use super::conditions::{Shortfall, at_a_glance, complete, merge};
use super::events;
use crate::apply::{Applied, WriteError, Writer};
use crate::metrics::Metrics;
use crate::observe::{ObserveError, PodSeen};
use crate::plan::{ConditionType, Plan, Reason, Told};
use crate::validate::Subject;

/// Reports on behalf of the operator.
#[derive(Clone)]
pub struct Reporter {
    writer: Writer,
    recorder: Recorder,
    metrics: Metrics,
}

impl Reporter {
    /// A reporter.
    pub fn new(writer: Writer, recorder: Recorder, metrics: Metrics) -> Reporter {
        Reporter {
            writer,
            recorder,
            metrics,
        }
    }

    /// Writes the status that `plan` tells, if it is news, and the Events of what changed; the gauges follow it always.
    pub async fn report(
        &self,
        subject: &Subject,
        pods: &[PodSeen],
        plan: Plan,
        applied: &Applied,
    ) -> Result<(), WriteError> {
        let step = plan.step.filter(|_| applied.step_taken);
        let Some(status) = plan.status else {
            self.metrics.forget(&subject.namespace, &subject.name);
            return Ok(());
        };
        let shortfall = Shortfall::of(applied);
        let status = complete(
            status,
            plan.conditions,
            &shortfall,
            subject,
            Timestamp::now(),
        );
        self.metrics
            .told(&subject.namespace, &subject.name, &status);
        if is_news(&subject.status, &status) {
            let value = serde_json::to_value(&status).unwrap_or_default();
            self.writer
                .status(&subject.namespace, &subject.name, &subject.uid, &value)
                .await?;
        }
        for event in events::of_pass(subject, pods, step.as_ref(), &status) {
            self.publish(subject, event).await;
        }
        Ok(())
    }

    /// Tells that something of the Cluster cannot be read: nothing is done for it, and its status stays what it was.
    pub async fn unread(&self, subject: &Subject, error: &ObserveError) {
        self.publish(subject, events::of_unread(error)).await;
    }

    /// An Event is a courtesy: one that cannot be written is logged and holds nothing up.
    async fn publish(&self, subject: &Subject, mut event: Event) {
        event.note = event.note.map(|note| clip(&note));
        let about = ObjectReference {
            api_version: Some("kluster.dev/v1alpha1".to_owned()),
            kind: Some("Cluster".to_owned()),
            name: Some(subject.name.clone()),
            namespace: Some(subject.namespace.clone()),
            uid: Some(subject.uid.clone()),
            ..ObjectReference::default()
        };
        if let Err(error) = self.writer.tell(&self.recorder, &event, &about).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an Event was lost"
            );
        }
    }
}

/// True when the two differ in more than what moves by itself.
fn is_news(before: &ClusterStatus, after: &ClusterStatus) -> bool {
    let still = |status: &ClusterStatus| {
        let mut status = status.clone();
        if let Some(log) = &mut status.log {
            log.position = None;
        }
        status.conditions = timeless(&status.conditions);
        status
    };
    still(before) != still(after)
}

/// Tells that a Cluster cannot be read at all. Its other conditions are not known, and say so.
pub async fn undecodable(writer: &Writer, invalid: &InvalidObject) -> Result<(), ReportError> {
    let metadata = &invalid.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (namespace, name, uid) = (
        text(&metadata.namespace),
        text(&metadata.name),
        text(&metadata.uid),
    );
    let resource = kube::core::ApiResource::erase::<crds::Cluster>(&());
    let api = Api::<DynamicObject>::namespaced_with(writer.client().clone(), &namespace, &resource);
    let Some(raw) = api.get_opt(&name).await.map_err(ReportError::Read)? else {
        return Ok(());
    };
    let before: Vec<Condition> = raw
        .data
        .pointer("/status/conditions")
        .and_then(|conditions| serde_json::from_value(conditions.clone()).ok())
        .unwrap_or_default();
    let generation = metadata.generation.unwrap_or_default();
    let conditions = unreadable(&invalid.error, &before, generation);
    if timeless(&conditions) == timeless(&before) {
        return Ok(());
    }
    let mut status = raw.data.get("status").cloned().unwrap_or_else(|| json!({}));
    if let Value::Object(status) = &mut status {
        status.insert("observedGeneration".to_owned(), json!(generation));
        status.insert("reason".to_owned(), json!(at_a_glance(&conditions)));
        status.insert("conditions".to_owned(), json!(conditions));
    }
    writer
        .status(&namespace, &name, &uid, &status)
        .await
        .map_err(ReportError::Write)
}

/// Every condition of a Cluster that cannot be read: its spec is not valid, it is not ready, and no more is known.
fn unreadable(error: &str, before: &[Condition], generation: i64) -> Vec<Condition> {
    let told = ConditionType::ALL.map(|type_| Told {
        type_,
        holds: match type_ {
            ConditionType::SpecValid | ConditionType::Ready => Some(false),
            _ => None,
        },
        reason: Reason::SpecInvalid,
        message: clip(&format!("the Cluster cannot be read: {error}")),
    });
    let now = Timestamp::now();
    merge(told.into(), &Shortfall::default(), before, generation, now)
}

/// What conditions say, whenever they began to.
fn timeless(conditions: &[Condition]) -> Vec<Condition> {
    let mut conditions = conditions.to_vec();
    for condition in &mut conditions {
        condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
    }
    conditions
}

/// A Cluster that cannot be read could not be told so.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Its former status could not be read.
    #[error("failed to read the status of a Cluster")]
    Read(#[source] kube::Error),
    /// The new one could not be written.
    #[error("failed to report a Cluster that cannot be read")]
    Write(#[source] WriteError),
}
