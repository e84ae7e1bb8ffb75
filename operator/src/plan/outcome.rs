//! What `plan` decides: the objects wanted, at most one risky step or the reason to wait, and the status to report.

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
    /// The status, without its conditions; nothing when the Cluster is being deleted.
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
    /// Have a member removed for ever.
    Remove {
        /// Its node.
        node: String,
        /// Its member id.
        member: String,
    },
    /// Take the last pod of a zone away, whose member is removed.
    Shrink {
        /// The zone.
        zone: String,
        /// Pods that stay.
        replicas: u32,
    },
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
