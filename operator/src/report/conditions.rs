//! From what `plan` told, and what became of the writes, to conditions with times.

use crds::ClusterStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::apply::{Applied, WriteError};
use crate::plan::{ConditionType, Reason, Told};
use crate::validate::Subject;

/// What the writes of a pass could not do, for a person to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// A write that the API server refuses for good.
    pub refused: Option<String>,
    /// A volume that cannot grow.
    pub not_grown: Option<String>,
}

impl Shortfall {
    /// What of `applied` will not mend itself by trying again.
    pub fn of(applied: &Applied) -> Shortfall {
        Shortfall {
            refused: applied.failure.as_ref().and_then(WriteError::refusal),
            not_grown: applied.not_grown.iter().find_map(WriteError::refusal),
        }
    }

    fn tell(&self, told: &mut [Told]) {
        let mut put = |type_: ConditionType, holds: bool, reason: Reason, message: &str| {
            if let Some(told) = told.iter_mut().find(|told| told.type_ == type_) {
                *told = Told {
                    type_,
                    holds: Some(holds),
                    reason,
                    message: crds::clip(message),
                };
            }
        };
        if let Some(message) = &self.not_grown {
            for (type_, holds) in [
                (ConditionType::StorageHealthy, false),
                (ConditionType::Degraded, true),
            ] {
                put(type_, holds, Reason::VolumeNotExpandable, message);
            }
        }
        if let Some(message) = &self.refused {
            put(ConditionType::Degraded, true, Reason::WriteFailed, message);
            put(
                ConditionType::Progressing,
                true,
                Reason::WriteFailed,
                message,
            );
        }
    }
}

/// A status with its conditions, and the one reason to read first.
pub fn complete(
    status: ClusterStatus,
    told: Vec<Told>,
    shortfall: &Shortfall,
    subject: &Subject,
    now: Timestamp,
) -> ClusterStatus {
    let before = &subject.status.conditions;
    let conditions = merge(told, shortfall, before, subject.generation, now);
    ClusterStatus {
        reason: at_a_glance(&conditions),
        conditions,
        ..status
    }
}

/// The one reason to read first: of what is wrong, else of what is not as a person might expect, else of what is well.
pub fn at_a_glance(conditions: &[Condition]) -> Option<String> {
    let noteworthy = [
        (ConditionType::Ready, "False"),
        (ConditionType::Ready, "Unknown"),
        (ConditionType::Degraded, "True"),
        (ConditionType::ReconciliationPaused, "True"),
        (ConditionType::Progressing, "True"),
        (ConditionType::Ready, "True"),
    ];
    let reason = |(type_, status): (ConditionType, &str)| {
        let type_ = type_.to_string();
        let mut all = conditions.iter();
        all.find(|condition| condition.type_ == type_ && condition.status == status)
            .map(|condition| condition.reason.clone())
    };
    noteworthy.into_iter().find_map(reason)
}

/// The conditions to write: those told, with the time at which each last changed its status.
pub fn merge(
    mut told: Vec<Told>,
    shortfall: &Shortfall,
    before: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    shortfall.tell(&mut told);
    told.into_iter()
        .map(
            |Told {
                 type_,
                 holds,
                 reason,
                 message,
             }| {
                let type_ = type_.to_string();
                let status = match holds {
                    Some(true) => "True",
                    Some(false) => "False",
                    None => "Unknown",
                };
                let same = before
                    .iter()
                    .find(|before| before.type_ == type_ && before.status == status);
                Condition {
                    last_transition_time: same
                        .map_or(Time(now), |before| before.last_transition_time.clone()),
                    observed_generation: Some(generation),
                    status: status.to_owned(),
                    reason: reason.to_string(),
                    message,
                    type_,
                }
            },
        )
        .collect()
}
