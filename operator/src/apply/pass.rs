//! One pass of writes: key, objects in the order of their kinds, the sweep, the pod or StatefulSet that is replaced,
//! larger claims.

use rand::TryRng;
use rand::rngs::SysRng;
use serde_json::Value;

use super::drift;
use super::writer::{WriteError, Writer};
use crate::build::{KEY_BYTES, secret};
use crate::observe::Observed;
use crate::plan::{Grow, Plan, Step, Sweep};
use crate::resource::{Kind, Resource};
use crate::validate::Subject;

/// What a pass of writes came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// The first write that failed. Later ones were tried only where it was refused for good and nothing hangs on it.
    pub failure: Option<WriteError>,
    /// True when the step of the plan, if it has one, was taken all the same.
    pub step_taken: bool,
    /// Claims that did not grow.
    pub not_grown: Vec<WriteError>,
}

/// Writes what `plan` wants and `observed` does not have. Stops at the first failure: the next pass goes on from there.
pub async fn apply(
    writer: &Writer,
    subject: &Subject,
    plan: &Plan,
    observed: &Observed,
) -> Applied {
    let written = write(writer, subject, plan, observed).await;
    let mut applied = Applied {
        step_taken: written.is_ok(),
        failure: written.unwrap_or_else(Some),
        not_grown: Vec::new(),
    };
    for Grow { claim, size } in &plan.grow {
        if let Err(error) = writer.grow(&subject.namespace, claim, size).await {
            applied.not_grown.push(error);
        }
    }
    applied
}

/// Everything up to the step; returns what was refused for good and keeps nothing else from being written.
async fn write(
    writer: &Writer,
    subject: &Subject,
    plan: &Plan,
    observed: &Observed,
) -> Result<Option<WriteError>, WriteError> {
    let namespace = &subject.namespace;
    if plan.create_key {
        writer
            .create_secret(namespace, &secret(subject, &draw_key()))
            .await?;
    }
    let mut refused = None;
    for wanted in &plan.resources {
        let seen = seen(wanted, observed);
        if seen.is_some_and(|seen| drift::holds(wanted, seen.hash, seen.live)) {
            continue;
        }
        let uid = seen.map(|seen| seen.uid);
        match writer.apply(namespace, wanted, uid).await {
            // What a person wrote into the spec must not keep lost nodes from being replaced.
            Err(error) if stands_alone(wanted.kind) && error.refusal().is_some() => {
                refused.get_or_insert(error);
            }
            outcome => outcome?,
        }
    }
    for Sweep { kind, name, uid } in &plan.sweep {
        writer.delete(namespace, *kind, name, uid).await?;
    }
    match &plan.step {
        Some(Step::Restart { node, pod_uid, .. }) => {
            writer.delete_pod(namespace, node, pod_uid).await?;
        }
        Some(Step::ReplaceSet { set, uid }) => writer.orphan(namespace, set, uid).await?,
        _ => {}
    }
    Ok(refused)
}

/// Whether nothing else that is written needs it.
fn stands_alone(kind: Kind) -> bool {
    matches!(kind, Kind::NetworkPolicy | Kind::PodDisruptionBudget)
}

/// What stands under the name of a wanted object.
#[derive(Clone, Copy)]
struct Seen<'a> {
    uid: &'a str,
    hash: Option<&'a str>,
    live: &'a Value,
}

fn seen<'a>(wanted: &Resource, observed: &'a Observed) -> Option<Seen<'a>> {
    if wanted.kind == Kind::PersistentVolumeClaim {
        let mut claims = observed.claims.iter();
        return claims
            .find(|claim| claim.name == wanted.name)
            .map(|claim| Seen {
                uid: &claim.uid,
                hash: claim.hash.as_deref(),
                live: &claim.live,
            });
    }
    let mut objects = observed.objects.iter();
    objects
        .find(|object| object.kind == wanted.kind && object.name == wanted.name)
        .map(|object| Seen {
            uid: &object.uid,
            hash: object.hash.as_deref(),
            live: &object.live,
        })
}

fn draw_key() -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    SysRng
        .try_fill_bytes(&mut key)
        .expect("invariant: the operating system gives random bytes");
    key
}
