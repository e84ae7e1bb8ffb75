//! Mistakes that a node can be told to make, so that the simulator can show that it would find them.

/// A mistake. A real machine has none: [`crate::Host::real`] never names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A batch of the log counts as durable before the disk has it.
    AckBeforeSync,
    /// A vote is not written down.
    ForgetVote,
    /// It is not written down that the log's end was given up.
    ForgetTruncation,
    /// A new segment of the log gets its name without the folder being synced.
    SkipFolderSync,
    /// Damage anywhere in the log is taken for a torn end.
    DamageIsTheEnd,
    /// The log is given up though the state it led to is not persisted.
    PurgeUnpersisted,
    /// A leader confirms reads without asking anybody.
    StaleLeaderRead,
    /// A follower answers linearizable reads from what it has.
    StaleFollowerRead,
    /// A read at a position does not wait for it.
    StaleSession,
    /// A repeated request is carried out again.
    ForgetRequests,
    /// A write with an unknown outcome is sent once more by the node itself.
    RetryUnknown,
    /// Which requests were carried out is kept in memory alone.
    RequestsInMemory,
    /// How far the state has come is written apart from the state.
    AppliedApart,
    /// The last batch of the log counts as durable after a start because it can be read.
    TrustUnsynced,
    /// A follower that does not answer counts as one that has the entries.
    CommitOnMinority,
    /// A new disk gets the id of the one before.
    ReuseId,
    /// A transaction takes its first branch, whatever it compares.
    CompareNothing,
    /// The delete of a range leaves its first key.
    DeleteLeavesOne,
    /// A compaction takes the last change before it along.
    CompactTooMuch,
    /// A watch that is behind goes on with the last change it was to be told of.
    WatchSkips,
    /// A watch that goes on is told once more of what it was told last.
    WatchRepeats,
    /// Progress is told of without looking whether every watch was told of everything.
    ProgressEarly,
    /// A lease ends though it was another leader that found its time over.
    ExpireUnfenced,
    /// Who leads again counts leases on from where it had been.
    ExpireByOldCount,
    /// A node says that it kept a lease alive without asking the leader.
    KeepAliveUnasked,
}

impl Flaw {
    /// Every mistake.
    pub const ALL: [Flaw; 25] = [
        Flaw::AckBeforeSync,
        Flaw::ForgetVote,
        Flaw::ForgetTruncation,
        Flaw::SkipFolderSync,
        Flaw::DamageIsTheEnd,
        Flaw::PurgeUnpersisted,
        Flaw::StaleLeaderRead,
        Flaw::StaleFollowerRead,
        Flaw::StaleSession,
        Flaw::ForgetRequests,
        Flaw::RetryUnknown,
        Flaw::RequestsInMemory,
        Flaw::AppliedApart,
        Flaw::TrustUnsynced,
        Flaw::CommitOnMinority,
        Flaw::ReuseId,
        Flaw::CompareNothing,
        Flaw::DeleteLeavesOne,
        Flaw::CompactTooMuch,
        Flaw::WatchSkips,
        Flaw::WatchRepeats,
        Flaw::ProgressEarly,
        Flaw::ExpireUnfenced,
        Flaw::ExpireByOldCount,
        Flaw::KeepAliveUnasked,
    ];
}
