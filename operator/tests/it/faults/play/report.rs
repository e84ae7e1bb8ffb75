//! What the agent of one played node reports.

use crds::ClusterNodeSpec;
use serde_json::{Value, json};

use super::log::{Log, Running};

/// Id of every played cluster.
pub const CLUSTER_ID: &str = "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1";

/// The whole status of a node with this wish; `joined` is true once its disk holds the cluster's data.
pub fn status(
    node: &Running,
    wish: &ClusterNodeSpec,
    generation: Option<i64>,
    joined: bool,
    log: &Log,
    running: &[Running],
) -> Value {
    let leader = log.leader.as_ref().map(|(member, _)| member.clone());
    let leads = joined && leader.as_ref() == Some(&node.member);
    let role = match joined && log.is_member(&node.member) {
        false => "Waiting",
        true if leads => "Leader",
        true if log.voters.contains(&node.member) => "Follower",
        true => "Learner",
    };
    let members: Vec<&str> = running
        .iter()
        .map(|one| one.member.as_str())
        .filter(|member| log.is_member(member))
        .collect();
    let others: Vec<&&str> = members
        .iter()
        .filter(|member| **member != node.member)
        .collect();
    let known = |value: Value| if joined { value } else { Value::Null };
    let mut status = json!({
        "observedGeneration": generation,
        "memberId": node.member,
        "clusterId": known(json!(CLUSTER_ID)),
        "podUid": node.pod,
        "role": role,
        "leaderId": known(json!(leader)),
        "term": if joined { log.term } else { 0 },
        "membershipId": known(json!(format!("{}.0.{}", 1, log.changes))),
        "voters": known(json!(log.voters)),
        "learners": known(json!(log.learners)),
        "removedIds": known(json!(log.removed)),
        "caughtUp": if leads { json!(members) } else { Value::Null },
        "peersReached": known(json!(others)),
        "ready": joined && log.is_member(&node.member) && leader.is_some() && !wish.fenced,
        "open": joined && log.open,
        "fenced": if wish.fenced { json!(true) } else { Value::Null },
        "commits": if leads { json!(true) } else { Value::Null },
        "disk": { "usedPercent": 5, "class": "Ok" },
        "version": "0.1.0",
        "featureLevel": 1,
        "operationId": if leads { json!(wish.operation_id) } else { Value::Null },
    });
    // An empty list is left out, as the real agents' is.
    if let Value::Object(fields) = &mut status {
        for value in fields.values_mut() {
            if value.as_array().is_some_and(Vec::is_empty) {
                *value = Value::Null;
            }
        }
    }
    status
}
