//! What an invariant is, and all of them.

use node_replication::LogId;
use node_server::NodeStatus;

use crate::World;
use crate::clients::History;

/// What an invariant looks at: the world after a step, and the nodes that had news in it.
pub struct Sight<'a> {
    /// The world.
    pub world: &'a World,
    /// What clients did and saw.
    pub history: &'a History,
}

impl Sight<'_> {
    /// The machines whose nodes had news, and what these say of themselves.
    pub fn news(&self) -> impl Iterator<Item = (usize, &NodeStatus)> {
        self.world.news().iter().map(|(n, status)| (*n, status))
    }
}

/// Something that must hold.
pub trait Invariant {
    /// What holds, in words.
    fn name(&self) -> &'static str;
    /// Looks after a step.
    ///
    /// # Errors
    /// With what was seen, where it does not hold.
    fn look(&mut self, sight: &Sight) -> Result<(), String>;
}

/// All of them, for a world that begins.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<super::leaders_follow_each_other::LeadersFollowEachOther>::default(),
        Box::<super::committed_entries_never_change::CommittedEntriesNeverChange>::default(),
        Box::<super::applied_prefixes_are_equal::AppliedPrefixesAreEqual>::default(),
        Box::<super::acknowledged_entries_stay::AcknowledgedEntriesStay>::default(),
        Box::<super::ids_are_never_reused::IdsAreNeverReused>::default(),
        Box::<super::purges_stay_behind_what_is_persisted::PurgesStayBehindWhatIsPersisted>::default(),
    ]
}

pub(super) fn index(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index)
}
