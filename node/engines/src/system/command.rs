//! What the cluster itself writes into its log.

use crate::{ClusterId, Incarnation};

/// A change to the cluster's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Forms the cluster: its id, and how many voters must have joined before data is accepted. Repeating it changes nothing;
    /// another id or number is refused.
    Genesis {
        /// The cluster's id.
        cluster_id: ClusterId,
        /// How many voters must have joined before the cluster opens, at least 1.
        voters: u32,
    },
    /// Changes nothing; proves that writes commit.
    Noop,
    /// The cluster began anew from one member's disk: what follows is another history, and data is accepted, however few
    /// vote. Repeating it, or one of an earlier incarnation, changes nothing.
    Recover {
        /// The incarnation that begins with this entry.
        incarnation: Incarnation,
    },
    /// The cluster has reached a feature level: every member's program knows it. One that does not stops at this entry.
    /// Repeating it, or a lower one, changes nothing.
    Raise {
        /// The level, up to [`crate::FEATURE_LEVEL_MAX`].
        feature_level: u32,
    },
}

/// The answer to an accepted [`Command`]: it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply;
