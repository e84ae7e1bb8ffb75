//! The uses of a stream; each has its own, so that a snapshot delays no heartbeat.

use crate::peers::frame::Kind;
use crate::wire::Malformed;

/// What a stream is for. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LaneKind {
    /// Entries for a follower.
    Append = 1,
    /// Heartbeats, votes, hand-overs.
    Control = 2,
    /// Proposals and reads for the leader.
    Forward = 3,
    /// A snapshot for a follower.
    Snapshot = 4,
    /// Questions for the leader's owner: apart from the others, as a program of before them ends the stream they come by.
    Ask = 5,
}

impl LaneKind {
    /// Whether calls of this kind belong on such a stream.
    pub fn carries(self, kind: Kind) -> bool {
        match self {
            LaneKind::Append => matches!(kind, Kind::Append),
            LaneKind::Control => {
                matches!(
                    kind,
                    Kind::Append | Kind::Vote | Kind::PreVote | Kind::Transfer
                )
            }
            LaneKind::Forward => matches!(kind, Kind::Propose | Kind::ReadIndex),
            LaneKind::Ask => matches!(kind, Kind::Ask),
            LaneKind::Snapshot => {
                matches!(
                    kind,
                    Kind::SnapshotBegin | Kind::SnapshotPiece | Kind::SnapshotEnd
                )
            }
        }
    }

    pub fn from_u8(kind: u8) -> Result<LaneKind, Malformed> {
        [
            LaneKind::Append,
            LaneKind::Control,
            LaneKind::Forward,
            LaneKind::Snapshot,
            LaneKind::Ask,
        ]
        .into_iter()
        .find(|known| *known as u8 == kind)
        .ok_or(Malformed("a hello is for an unknown kind of stream"))
    }
}
