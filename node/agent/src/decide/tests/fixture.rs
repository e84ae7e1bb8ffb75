//! A cluster of three as its leader `a` sees it, written as YAML, and what a case changes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::{ClusterNode, Role};
use serde::Deserialize;
use serde_json::Value;

use crate::decide::{Acting, Action, Attempt, Change, Confirmed, Observed, Reporting};
use crate::ids::{MemberId, MembershipId};
use crate::node::{Disk, Member, Node};
use crate::wish::Wish;

/// One case: what is seen (laid over the leader's view below) and what must be decided.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    #[serde(default)]
    pub node: Value,
    #[serde(default)]
    pub own: Option<String>,
    #[serde(default)]
    pub cluster_nodes: BTreeMap<String, Value>,
    #[serde(default)]
    pub attempts: Vec<Tried>,
    #[serde(default)]
    pub acting: bool,
    #[serde(default)]
    pub confirmed: Option<(String, u64)>,
    pub actions: Vec<String>,
    #[serde(default)]
    pub status: BTreeMap<String, Value>,
}

/// An attempt, named by the action it was.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tried {
    pub transfer: Option<String>,
    pub bootstrap: Option<u32>,
    pub recover: Option<String>,
    pub change: Option<String>,
    pub fence: Option<bool>,
    pub refused: Option<String>,
    /// Seconds from now.
    pub held_for: u64,
}

/// What the leader `a` of three voters says of itself.
const LEADER: &str = "
member: a
cluster: 00112233445566778899aabbccddeeff
role: Leader
term: 7
leader: a
members:
- {id: a, voter: true, epoch: 1, matched: 42, caughtUp: true, reached: true}
- {id: b, voter: true, epoch: 1, matched: 42, caughtUp: true, reached: true}
- {id: c, voter: true, epoch: 1, matched: 40, caughtUp: true, reached: true}
membership: {term: 7, leader: a, index: 9}
lastIndex: 42
removed: []
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NodeText {
    member: Id,
    cluster: Option<String>,
    role: Role,
    term: u64,
    leader: Option<Id>,
    #[serde(default)]
    leaderless: bool,
    #[serde(default)]
    incarnation: u64,
    members: Vec<MemberText>,
    membership: Option<MembershipText>,
    last_index: Option<u64>,
    removed: Vec<Id>,
    not_ready: Option<String>,
    fatal: Option<String>,
    #[serde(default)]
    fenced: bool,
    commits: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MemberText {
    id: Id,
    voter: bool,
    epoch: u64,
    matched: Option<u64>,
    caught_up: bool,
    reached: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembershipText {
    term: u64,
    leader: Id,
    index: u64,
}

/// A member id without its leading zeros.
#[derive(Deserialize)]
struct Id(String);

impl From<Id> for MemberId {
    fn from(id: Id) -> Self {
        MemberId(u64::from_str_radix(&id.0, 16).unwrap())
    }
}

/// `over` laid over `base`, maps key by key.
fn lay(base: &mut Value, over: &Value) {
    match (base, over) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                base.insert(key.clone(), value.clone());
            }
        }
        (base, over) => *base = over.clone(),
    }
}

pub fn node(over: &Value) -> Node {
    let mut value: Value = serde_yaml_ng::from_str(LEADER).unwrap();
    lay(&mut value, over);
    let text: NodeText = serde_json::from_value(value).unwrap();
    Node {
        member: text.member.into(),
        public_key: "ab".repeat(32),
        cluster: text.cluster,
        incarnation: text.incarnation,
        role: text.role,
        term: text.term,
        leader: text.leader.map(Into::into),
        leaderless: text.leaderless,
        members: text.members.into_iter().map(member).collect(),
        membership: text.membership.map(|m| MembershipId {
            term: m.term,
            leader: m.leader.into(),
            index: m.index,
        }),
        last_index: text.last_index,
        last_term: text.last_index.map(|_| text.term),
        committed_index: text.last_index,
        applied_index: text.last_index,
        position: text
            .last_index
            .map(|index| format!("0.{}.{index}", text.incarnation)),
        digest: Some((0, "00".repeat(32))),
        open: true,
        removed: text.removed.into_iter().map(Into::into).collect(),
        not_ready: text.not_ready,
        fenced: text.fenced,
        commits: text.commits,
        disk: Some(Disk {
            total_bytes: 1000,
            available_bytes: 700,
            refuses_writes: false,
        }),
        version: "0.1.0".to_owned(),
        feature_level: 1,
        peer_address: "demo-a-0.demo-peers.apps.svc:6356".to_owned(),
        fatal: text.fatal,
    }
}

fn member(text: MemberText) -> Member {
    let id: MemberId = text.id.into();
    Member {
        id,
        peer_address: address(id),
        voter: text.voter,
        epoch: text.epoch,
        matched: text.matched,
        caught_up: text.caught_up,
        reached: text.reached,
    }
}

fn address(id: MemberId) -> String {
    format!("node-{:x}:6356", id.0)
}

/// A ClusterNode of the Cluster demo; `over` holds spec and status, ids without their leading zeros.
pub fn wish(name: &str, over: &Value) -> Option<Wish> {
    let mut over = over.clone();
    for (path, id) in [
        ("/spec", "memberId"),
        ("/spec/bootstrap", "memberId"),
        ("/spec/recover", "memberId"),
        ("/status", "memberId"),
    ] {
        if let Some(Value::String(text)) = over.pointer_mut(path).and_then(|at| at.get_mut(id)) {
            *text = MemberId::from(Id(text.clone())).to_string();
        }
    }
    let mut spec = serde_json::json!({ "cluster": "demo" });
    lay(&mut spec, &over["spec"]);
    let mut object = serde_json::json!({
        "apiVersion": "kluster.dev/v1alpha1",
        "kind": "ClusterNode",
        "metadata": { "name": name, "uid": format!("uid-{name}"), "generation": 3 },
        "spec": spec,
    });
    if let Value::Object(status) = &over["status"] {
        object["status"] = Value::Object(status.clone());
        if let Some(Value::String(id)) = status.get("memberId") {
            let id: MemberId = id.parse().unwrap();
            let introduced = &mut object["status"];
            if status.get("publicKey").is_none() {
                introduced["publicKey"] = Value::String("cd".repeat(32));
            }
            if status.get("peerAddress").is_none() {
                introduced["peerAddress"] = Value::String(address(id));
            }
        }
    }
    Wish::read(
        &serde_json::from_value::<ClusterNode>(object).unwrap(),
        "demo",
    )
}

impl Case {
    pub fn observed(&self) -> Observed {
        let now = Duration::from_secs(100);
        let wishes: Vec<Wish> = self
            .cluster_nodes
            .iter()
            .filter_map(|(name, over)| wish(name, over))
            .collect();
        let own = self.own.as_ref().and_then(|name| {
            let found = wishes.iter().find(|wish| wish.name == *name);
            found.cloned()
        });
        let mut seen = Observed {
            now,
            pod_uid: "pod-uid".to_owned(),
            node: node(&self.node),
            own,
            wishes,
            reporting: Reporting::default(),
            acting: Acting {
                in_flight: self.acting,
                attempts: Vec::new(),
                confirmed: self
                    .confirmed
                    .clone()
                    .map(|(operation, term)| Confirmed { operation, term }),
            },
        };
        seen.acting.attempts = self.attempts.iter().map(|a| a.attempt(&seen)).collect();
        seen
    }
}

impl Tried {
    fn attempt(&self, seen: &Observed) -> Attempt {
        let action = if let Some(to) = &self.transfer {
            let to = Id(to.clone()).into();
            Action::TransferLeadership { to }
        } else if let Some(fenced) = self.fence {
            Action::SetFence { fenced }
        } else if let Some(voters) = self.bootstrap {
            Action::Bootstrap {
                member: seen.node.member,
                voters,
            }
        } else if let Some(position) = &self.recover {
            Action::Recover {
                member: seen.node.member,
                position: position.clone(),
            }
        } else {
            let name = self.change.as_ref().unwrap();
            let wish = seen.wishes.iter().find(|w| w.name == *name).unwrap();
            Action::ChangeMember(Change {
                member: wish.member.unwrap(),
                membership: wish.membership,
                peer_address: wish.reported.peer_address.clone().unwrap(),
                key: wish.reported.key,
                epoch: wish.epoch,
                expected: seen.node.membership,
            })
        };
        Attempt {
            action,
            refused: self.refused.clone(),
            held_until: seen.now + Duration::from_secs(self.held_for),
            failures: 1,
        }
    }
}

/// An action as a case writes it.
pub fn text(action: &Action) -> String {
    let expected = |at: Option<MembershipId>| {
        at.map_or("none".to_owned(), |m| {
            format!("{}.{:x}.{}", m.term, m.leader.0, m.index)
        })
    };
    match action {
        Action::ReportStatus(_) => "report".to_owned(),
        Action::SetFence { fenced } => format!("fence {fenced}"),
        Action::Bootstrap { member: _, voters } => format!("bootstrap voters={voters}"),
        Action::Recover {
            member: _,
            position,
        } => format!("recover position={position}"),
        Action::ConfirmLeadership { operation } => format!("confirm {operation}"),
        Action::TransferLeadership { to } => format!("transfer to={:x}", to.0),
        Action::ChangeMember(change) => format!(
            "change {:x} {:?} epoch={} at={} key={} expected={}",
            change.member.0,
            change.membership,
            change.epoch,
            change.peer_address,
            if change.key.is_some() { "yes" } else { "no" },
            expected(change.expected),
        ),
    }
}
