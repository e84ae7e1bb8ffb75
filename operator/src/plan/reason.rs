//! The closed lists of what a Cluster's status can say: condition types and reasons.

use std::fmt;

/// The conditions of a Cluster; each is present from the first pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Writes commit, and nothing critical is wrong.
    Ready,
    /// A leader with a live majority accepts writes.
    Available,
    /// Something is under way.
    Progressing,
    /// Something is worse than asked for.
    Degraded,
    /// The spec holds no contradiction.
    SpecValid,
    /// A majority of the voters is live and follows one leader.
    QuorumHealthy,
    /// Volumes have room.
    StorageHealthy,
    /// No single zone holds a majority of the voters.
    ZonesSatisfied,
    /// Every pod runs the wanted pod template.
    UpToDate,
    /// The operator only looks.
    ReconciliationPaused,
}

impl ConditionType {
    /// Every condition, in the order in which they are told.
    pub const ALL: [ConditionType; 10] = [
        ConditionType::Ready,
        ConditionType::Available,
        ConditionType::Progressing,
        ConditionType::Degraded,
        ConditionType::SpecValid,
        ConditionType::QuorumHealthy,
        ConditionType::StorageHealthy,
        ConditionType::ZonesSatisfied,
        ConditionType::UpToDate,
        ConditionType::ReconciliationPaused,
    ];
}

/// Why a condition is as it is, or why the operator waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The leader accepts writes and a majority is live.
    WritesCommit,
    /// The spec holds no contradiction.
    Valid,
    /// The spec contradicts itself or cannot be read; the message names field and rule.
    SpecInvalid,
    /// An object with a name that is needed belongs to something else.
    NameConflict,
    /// Objects of a former Cluster of this name are still being deleted.
    FormerClusterLeaving,
    /// Volumes carry the data of two clusters.
    ClusterIdConflict,
    /// The cluster was formed once, and no volume carries its data any more.
    DataLost,
    /// Nodes have yet to start and report.
    WaitingForNodes,
    /// The one node that forms the cluster was told to; it has yet to report.
    Forming,
    /// A volume that carries data has yet to be reported by its node.
    WaitingForVolumes,
    /// Not all intended voters have joined yet, so writes are not accepted.
    VotersJoining,
    /// No node reports that it leads.
    NoLeader,
    /// A majority of the voters is live and follows one leader.
    MajorityLive,
    /// Less than a majority of the voters is live.
    QuorumLost,
    /// The cluster does not exist yet.
    NotFormed,
    /// Nothing is under way.
    Settled,
    /// More nodes are wanted than there are.
    ScalingUp,
    /// Fewer nodes are wanted than there are.
    ScalingDown,
    /// The voters that would remain could not form a majority.
    ScaleDownWouldLoseQuorum,
    /// The node that leads must hand leadership over first.
    MovingLeadership,
    /// The leader is asked to confirm that it still leads.
    ConfirmingLeader,
    /// The leader has yet to remove a member.
    RemovingMember,
    /// A pod has yet to go.
    PodTerminating,
    /// A node lost its disk: its former member is being replaced.
    ReplacingMember,
    /// Pods of an older template are replaced, one by one.
    RollingPods,
    /// A pod of the new template does not start, so no other pod is replaced.
    RollBlocked,
    /// A Secret that the spec names does not exist.
    SecretMissing,
    /// Replacing the next pod would leave no live majority.
    RollWouldLoseQuorum,
    /// A pod that is broken and of an older template is replaced.
    ReplacingBrokenPod,
    /// A fenced node gives up its vote.
    Fencing,
    /// A fenced node goes on voting: the majority needs it.
    FenceWouldLoseQuorum,
    /// Nodes are fenced by `spec.operations.fencedNodes`.
    NodesFenced,
    /// Volumes have yet to become as large as asked for.
    GrowingStorage,
    /// The cluster begins anew from one survivor.
    Recovering,
    /// What `spec.operations.recoverFrom` asks for cannot be done.
    RecoveryRefused,
    /// A leader with a majority that has yet to commit a write of its own.
    WritesUnproven,
    /// A leader with a majority, and yet writes do not commit.
    WritesDoNotCommit,
    /// Every wanted node is ready.
    AllNodesReady,
    /// Some wanted nodes are not ready; the message names them.
    NodesNotReady,
    /// Every reported disk has room.
    RoomEnough,
    /// A disk has little room.
    DiskLow,
    /// A disk is full.
    DiskFull,
    /// A volume cannot grow.
    VolumeNotExpandable,
    /// No node reported yet.
    NotReported,
    /// No zones were asked for.
    NoZones,
    /// No zone holds a majority.
    Spread,
    /// One zone holds a majority: losing it stops writes.
    ZoneHoldsMajority,
    /// Every pod runs the wanted template.
    AllPodsCurrent,
    /// Some pods run an older template; the message names them.
    PodsOutdated,
    /// `spec.operations.paused` is set.
    PausedBySpec,
    /// It is not.
    NotPaused,
    /// The API server refused something; the message tells what.
    WriteFailed,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
