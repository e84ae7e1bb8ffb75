//! Whether the node may be sent requests.

use node_replication::{Role, Status};

/// Why a node is not ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// It stopped.
    #[error("the node has stopped: {0}")]
    Fatal(String),
    /// It leaves.
    #[error("the node is stopping")]
    Stopping,
    /// It was told to serve no client.
    #[error("fenced: the node serves no client until it is told otherwise")]
    Fenced,
    /// Its id was removed.
    #[error("this member was removed from its cluster")]
    Removed,
    /// It belongs to no cluster.
    #[error("the node belongs to no cluster yet")]
    Waiting,
    /// It has not caught up since its start.
    #[error(
        "the node has not caught up with its cluster since it started{}",
        because(refused)
    )]
    CatchingUp {
        /// Why a peer refuses it, if one does.
        refused: Option<String>,
    },
    /// It fell behind.
    #[error("the node lags {entries} entries behind")]
    Lagging {
        /// Committed entries that it has not applied.
        entries: u64,
    },
}

fn because(refused: &Option<String>) -> String {
    refused
        .as_ref()
        .map_or_else(String::new, |why| format!("; a peer refuses it: {why}"))
}

/// Ready is a node that caught up once since its start, is a member, and lags within a bound while it knows a leader.
/// Losing the leader alone makes no node unready.
pub fn judge(
    status: &Status,
    caught_up_once: bool,
    stopping: bool,
    lag_entries_max: u64,
) -> Result<(), NotReady> {
    if let Some(fatal) = &status.fatal {
        return Err(NotReady::Fatal(fatal.clone()));
    }
    if stopping {
        return Err(NotReady::Stopping);
    }
    if status.self_removed {
        return Err(NotReady::Removed);
    }
    if status.role == Role::Waiting {
        return Err(NotReady::Waiting);
    }
    if !caught_up_once {
        let refused = status.refused_by.last().map(|(_, why)| why.clone());
        return Err(NotReady::CatchingUp { refused });
    }
    let lag = lag_entries(status);
    match status.leader.is_some() && lag > lag_entries_max {
        true => Err(NotReady::Lagging { entries: lag }),
        false => Ok(()),
    }
}

/// Committed entries that the node knows of and has not applied.
pub fn lag_entries(status: &Status) -> u64 {
    let index = |id: Option<node_replication::LogId>| id.map_or(0, |id| id.index);
    index(status.committed).saturating_sub(index(status.applied))
}

#[cfg(test)]
mod tests {
    use node_replication::{LogId, MemberId};

    use super::*;

    fn at(index: u64) -> Option<LogId> {
        Some(LogId {
            term: 1,
            leader: 1,
            index,
        })
    }

    fn healthy() -> Status {
        Status {
            role: Role::Follower,
            leader: Some(MemberId(1)),
            committed: at(100),
            applied: at(100),
            ..Status::default()
        }
    }

    #[test]
    fn losing_the_leader_alone_unreadies_nobody() {
        let alone = Status {
            leader: None,
            ..healthy()
        };
        assert_eq!(judge(&alone, true, false, 10), Ok(()));
        let behind = Status {
            leader: None,
            applied: at(1),
            ..healthy()
        };
        assert_eq!(judge(&behind, true, false, 10), Ok(()));
    }

    #[test]
    fn every_other_reason_is_named() {
        let check = |status: Status, caught_up, stopping, expected| {
            assert_eq!(judge(&status, caught_up, stopping, 10), expected);
        };
        check(healthy(), true, false, Ok(()));
        check(
            healthy(),
            false,
            false,
            Err(NotReady::CatchingUp { refused: None }),
        );
        check(healthy(), true, true, Err(NotReady::Stopping));
        let lagging = Status {
            applied: at(89),
            ..healthy()
        };
        check(lagging, true, false, Err(NotReady::Lagging { entries: 11 }));
        check(
            Status {
                applied: at(90),
                ..healthy()
            },
            true,
            false,
            Ok(()),
        );
        check(
            Status {
                self_removed: true,
                ..healthy()
            },
            true,
            false,
            Err(NotReady::Removed),
        );
        check(
            Status {
                role: Role::Waiting,
                ..healthy()
            },
            true,
            false,
            Err(NotReady::Waiting),
        );
        let fatal = Status {
            fatal: Some("disk".to_owned()),
            ..healthy()
        };
        check(fatal, true, false, Err(NotReady::Fatal("disk".to_owned())));
    }
}
