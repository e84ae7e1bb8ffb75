//! What `plan` decides: the objects wanted, at most one risky step or the reason to wait, and the status to report.

use std::fmt;

use crds::ClusterStatus;

use super::conditions::Told;
use super::reason::Reason;
use crate::resource::{Kind, Resource};

/// What to do in this pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Every object wanted, in full. Empty when nothing may be written.
    pub resources: Vec<Resource>,
    /// Create the cluster key, which does not exist.
    pub create_key: bool,
    /// Volume claims to enlarge.
    pub grow: Vec<Grow>,
    /// Objects to delete: ours, and no longer wanted.
    pub sweep: Vec<Sweep>,
    /// The one risky thing that `resources` already contain.
    pub step: Option<Step>,
    /// Why nothing more is done now.
    pub wait: Option<Wait>,
    /// The conditions, without their times.
    pub conditions: Vec<Told>,
    /// The status, without its conditions and what is read from them; nothing when the Cluster is being deleted.
    pub status: Option<ClusterStatus>,
}

impl Plan {
    /// Do nothing and say nothing.
    pub fn nothing() -> Plan {
        Plan {
            resources: Vec::new(),
            create_key: false,
            grow: Vec::new(),
            sweep: Vec::new(),
            step: None,
            wait: None,
            conditions: Vec::new(),
            status: None,
        }
    }
}

/// A risky thing; a plan holds at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Have one member form the cluster.
    Bootstrap {
        /// Its node.
        node: String,
        /// Its member id.
        member: String,
        /// How many voters must join before writes are accepted.
        voters: i32,
    },
    /// Begin anew from the disk of one survivor.
    Recover {
        /// Its node.
        node: String,
        /// Its member id.
        member: String,
        /// What it must have at least.
        position: String,
    },
    /// Have a member removed for ever.
    Remove {
        /// Its node.
        node: String,
        /// Its member id; nothing where the node never had one.
        member: Option<String>,
    },
    /// Have a fenced member give up its vote.
    TakeVote {
        /// Its node.
        node: String,
        /// Its member id.
        member: String,
    },
    /// Replace a pod by one of the wanted template.
    Restart {
        /// Its node.
        node: String,
        /// UID of the pod: no other one is deleted.
        pod_uid: String,
        /// For a person.
        why: &'static str,
    },
    /// Replace a StatefulSet whose claim template is too small; its pods stay.
    ReplaceSet {
        /// Its name.
        set: String,
        /// Its UID: no other one is deleted.
        uid: String,
    },
    /// Take the last pod of a zone away, whose member is removed.
    Shrink {
        /// Its node.
        node: String,
        /// The zone.
        zone: String,
        /// Pods that stay.
        replicas: u32,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Bootstrap {
                node,
                member,
                voters,
            } => write!(
                f,
                "{node} (member {member}) forms the cluster; {voters} voters are to join"
            ),
            Step::Recover {
                node,
                member,
                position,
            } => write!(
                f,
                "{node} (member {member}) begins anew from its disk alone, at {position} or later"
            ),
            Step::Remove {
                node,
                member: Some(member),
            } => write!(f, "member {member} of {node} is told to leave"),
            Step::Remove { node, member: None } => {
                write!(f, "{node}, which holds no member, is told to leave")
            }
            Step::TakeVote { node, member } => {
                write!(
                    f,
                    "member {member} of {node}, which is fenced, gives up its vote"
                )
            }
            Step::Restart { node, why, .. } => write!(f, "pod {node} is replaced: {why}"),
            Step::ReplaceSet { set, .. } => write!(
                f,
                "StatefulSet {set} is replaced by one with larger volumes; its pods stay"
            ),
            Step::Shrink {
                node,
                zone,
                replicas,
            } => {
                write!(f, "pod {node} goes: zone {zone} shrinks to {replicas} pods")
            }
        }
    }
}

impl Step {
    /// The name of the step.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Bootstrap { .. } => "Bootstrap",
            Step::Recover { .. } => "Recover",
            Step::Remove { .. } => "Remove",
            Step::TakeVote { .. } => "TakeVote",
            Step::Restart { .. } => "Restart",
            Step::ReplaceSet { .. } => "ReplaceSet",
            Step::Shrink { .. } => "Shrink",
        }
    }
}

/// Why nothing more is done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The reason.
    pub reason: Reason,
    /// For a person.
    pub message: String,
}

impl Wait {
    pub(super) fn for_(reason: Reason, message: impl Into<String>) -> Wait {
        Wait {
            reason,
            message: message.into(),
        }
    }
}

/// What a volume claim's annotations should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimWanted {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The cluster whose data it holds.
    pub cluster_id: Option<String>,
    /// The member whose data it holds.
    pub member_id: Option<String>,
    /// Epoch of the last wish for it.
    pub epoch: Option<i64>,
    /// True once the member was removed and the node is gone.
    pub retired: bool,
}

/// A volume claim to enlarge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grow {
    /// Its name.
    pub claim: String,
    /// The size it should ask for.
    pub size: String,
}

/// An object to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its UID: nothing else of that name is touched.
    pub uid: String,
}
