//! How calls on [`crate::Replication`] fail. Unavailable (surely not applied) and unknown (may have been) are never mixed.

use std::io;

use crate::contract::{Fatal, Rejected};
use crate::ids::{LogId, MemberId};
use crate::log;

/// Why a proposal has no reply.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// Surely not applied, and never will be.
    #[error("failed to propose: {reason}")]
    Unavailable {
        /// What stood in the way.
        reason: String,
        /// The leader, where one is known.
        leader: Option<MemberId>,
    },
    /// May have been applied, or may still be.
    #[error("failed to learn the outcome of a proposal: {reason}")]
    Unknown {
        /// What was lost.
        reason: String,
    },
    /// Surely not applied: more proposals are waiting than the node takes.
    #[error("failed to propose: too many proposals are waiting")]
    Busy,
    /// Surely not applied: the node is stopping or has stopped.
    #[error("failed to propose: the node has stopped")]
    Stopped,
    /// Surely not applied: the leader's stamper turned it down.
    #[error("failed to propose: the leader turned it down")]
    Rejected(Rejected),
}

/// A read could not be placed after every write acknowledged before it. Nothing was changed by asking.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed to confirm a read: {reason}")]
pub struct Unavailable {
    /// What stood in the way.
    pub reason: String,
    /// The leader, where one is known.
    pub leader: Option<MemberId>,
}

/// Why an administrative call was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AdminError {
    /// Only the leader does this; nothing was changed.
    #[error("failed: this node is not the leader")]
    NotLeader {
        /// The leader, where one is known.
        leader: Option<MemberId>,
    },
    /// A guard forbids it; nothing was changed.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It could not be done now; nothing was changed.
    #[error("failed: {reason}")]
    Unavailable {
        /// What stood in the way.
        reason: String,
    },
    /// It may have been done, in whole or in part.
    #[error("failed to learn the outcome: {reason}")]
    Unknown {
        /// What was lost.
        reason: String,
    },
    /// The node is stopping or has stopped; nothing was changed.
    #[error("failed: the node has stopped")]
    Stopped,
}

/// What a guard found wrong with an administrative call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The node has a cluster id or a log.
    #[error("the node already belongs to a cluster")]
    AlreadyBootstrapped,
    /// The membership is another than the caller believes.
    #[error("the membership is {}, not the expected one", at.map_or("none".to_owned(), |id| id.to_string()))]
    MembershipMoved {
        /// The membership in force.
        at: Option<LogId>,
    },
    /// An earlier change is not finished.
    #[error("another change of membership is under way")]
    ChangeUnderWay,
    /// The change names no member.
    #[error("the change is empty")]
    Empty,
    /// The same member is to be set and removed.
    #[error("member {0} is both set and removed")]
    Contradiction(MemberId),
    /// More voters than the log carries.
    #[error("{count} voters are more than the most, {max}")]
    TooManyVoters {
        /// Voters after the change.
        count: usize,
        /// The most there may be.
        max: usize,
    },
    /// No voter would be left.
    #[error("no voter would be left")]
    NoVoters,
    /// A member must be a learner before it votes.
    #[error("member {0} is not a learner yet")]
    NotALearner(MemberId),
    /// A new voter lacks too much of the log.
    #[error("member {0} has not caught up")]
    NotCaughtUp(MemberId),
    /// The voters after the change would lack a live majority that is caught up.
    #[error("{live} of {voters} voters would be reached and caught up, fewer than a majority")]
    NoMajority {
        /// Voters after the change that are reached and caught up.
        live: usize,
        /// Voters after the change.
        voters: usize,
    },
    /// The wish is older than one that was already carried out.
    #[error("epoch {given} of member {member} is not above {known}")]
    StaleEpoch {
        /// The member.
        member: MemberId,
        /// The epoch in the change.
        given: u64,
        /// The epoch in the log.
        known: u64,
    },
    /// Removed ids never return.
    #[error("member {0} was removed and never returns")]
    Removed(MemberId),
    /// A member to be removed is none.
    #[error("member {0} is not in the membership")]
    NotAMember(MemberId),
    /// A member keeps the credential it joined with.
    #[error("member {0} is registered with another credential")]
    CredentialChanged(MemberId),
    /// An address or a field is out of bounds.
    #[error("the address of member {0} is not 1 to 255 bytes")]
    BadAddress(MemberId),
    /// Leadership cannot go to a member that is no voter, or not caught up.
    #[error("member {0} cannot lead now")]
    CannotLead(MemberId),
    /// The node has no cluster id.
    #[error("the node belongs to no cluster")]
    NoCluster,
    /// A recovery is asked for another history than the node's: it was done before, or is meant for other data.
    #[error(
        "the position is of incarnation {given}, and the data of incarnation {current}: a recovery is done once"
    )]
    OtherIncarnation {
        /// That of the position.
        given: u32,
        /// That of the node.
        current: u32,
    },
    /// The node lacks what the one who asks for a recovery knows of.
    #[error(
        "the position is at index {given}, and this node's log ends at {last}: another node has more"
    )]
    BeyondTheLog {
        /// The index of the position.
        given: u64,
        /// The last index of the log.
        last: u64,
    },
    /// A leader is there: nothing was lost for good.
    #[error("member {0} leads: there is nothing to recover")]
    Led(MemberId),
    /// Voters enough to elect a leader are there: nothing was lost for good.
    #[error(
        "{reached} of {voters} voters are reached, which is a majority: there is nothing to recover"
    )]
    MajorityReached {
        /// Voters that answer, this one among them.
        reached: usize,
        /// Voters of the membership.
        voters: usize,
    },
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not hold together.
    #[error("failed to accept the configuration: {0}")]
    Config(String),
    /// The log on disk does not open.
    #[error("failed to open the log")]
    Log(#[source] log::OpenError),
    /// Files of the node are not readable or writable.
    #[error("failed to {action}")]
    Files {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The address for peers could not be bound.
    #[error("failed to listen for peers at {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The machine or what it keeps is not usable.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// A recovery was decided, and the disk is not as it was then.
    #[error("failed to carry out a recovery that was decided on this disk: {0}")]
    Recovery(&'static str),
    /// The Raft core did not start on what was recovered.
    #[error("failed to start the raft core: {0}")]
    Core(String),
}
