//! What the cluster knows of itself.

use std::collections::BTreeSet;

use indexmap::IndexSet;

use super::{Command, Reply};
use crate::format;
use crate::kv::rows::Rows;
use crate::tables::{CLUSTER, MEMBERS, SYSTEM};
use crate::{ClusterId, Incarnation, Rejection};

/// How the cluster was formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Genesis {
    pub cluster_id: ClusterId,
    /// How many voters must have joined before data is accepted.
    pub voters: u32,
}

/// The cluster's own state. Two rows of the system table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct System {
    pub genesis: Option<Genesis>,
    /// True once the intended voters have all joined; never false again.
    pub open: bool,
    pub incarnation: Incarnation,
    pub feature_level: u32,
    /// Voters and learners.
    pub members: BTreeSet<u64>,
    pub voters: BTreeSet<u64>,
    /// Every member that ever left, the latest last.
    pub removed: IndexSet<u64>,
}

impl Default for System {
    fn default() -> System {
        System {
            genesis: None,
            open: false,
            incarnation: Incarnation(0),
            feature_level: System::FEATURE_LEVEL_FIRST,
            members: BTreeSet::new(),
            voters: BTreeSet::new(),
            removed: IndexSet::new(),
        }
    }
}

impl System {
    /// The feature level of a new cluster.
    pub const FEATURE_LEVEL_FIRST: u32 = 1;

    /// Carries out one command: its rows go to `rows`.
    pub fn execute(&mut self, command: Command, rows: &mut Rows) -> Result<Reply, Rejection> {
        match command {
            Command::Genesis { cluster_id, voters } => {
                self.form(Genesis { cluster_id, voters }, rows)?;
            }
            Command::Noop => {}
            Command::Recover { incarnation } => self.recover(incarnation, rows),
            Command::Raise { feature_level } => self.raise(feature_level, rows),
        }
        Ok(Reply)
    }

    fn form(&mut self, genesis: Genesis, rows: &mut Rows) -> Result<(), Rejection> {
        if genesis.voters == 0 {
            return Err(Rejection::NoVoters);
        }
        match self.genesis {
            Some(before) if before == genesis => Ok(()),
            Some(_) => Err(Rejection::AlreadyFormed),
            None => {
                self.genesis = Some(genesis);
                self.open_if_complete();
                rows.put(SYSTEM, CLUSTER, format::state::encode_cluster(self));
                Ok(())
            }
        }
    }

    fn recover(&mut self, incarnation: Incarnation, rows: &mut Rows) {
        if incarnation <= self.incarnation {
            return;
        }
        self.incarnation = incarnation;
        // A cluster that was never formed has nothing to recover and stays closed.
        self.open |= self.genesis.is_some();
        rows.put(SYSTEM, CLUSTER, format::state::encode_cluster(self));
    }

    fn raise(&mut self, feature_level: u32, rows: &mut Rows) {
        if feature_level > self.feature_level {
            self.feature_level = feature_level;
            rows.put(SYSTEM, CLUSTER, format::state::encode_cluster(self));
        }
    }

    /// Takes over another membership. Who was a member and is none is remembered as removed.
    pub fn change_members(&mut self, now: BTreeSet<u64>, voters: BTreeSet<u64>, rows: &mut Rows) {
        self.removed.extend(self.members.difference(&now));
        self.members = now;
        self.voters = voters;
        rows.put(SYSTEM, MEMBERS, format::state::encode_members(self));
        if self.open_if_complete() {
            rows.put(SYSTEM, CLUSTER, format::state::encode_cluster(self));
        }
    }

    /// Opens the cluster when the intended voters have joined. True where it opened now.
    fn open_if_complete(&mut self) -> bool {
        let complete = self
            .genesis
            .is_some_and(|genesis| self.voters.len() as u64 >= u64::from(genesis.voters));
        let opens = complete && !self.open;
        self.open |= complete;
        opens
    }
}
