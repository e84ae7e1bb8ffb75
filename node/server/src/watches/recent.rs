//! The last changes, so that many watchers need not read the same ones.

use std::collections::VecDeque;
use std::sync::Arc;

use node_engines::KeyChange;
use node_engines::kv::Revision;

/// Bytes of keys and values that are kept.
const BYTES_MAX: usize = 16 << 20;
/// Changes that are kept.
const CHANGES_MAX: usize = 65_536;

/// The last changes without a gap: those of the first revision that has one, and all after it.
#[derive(Default)]
pub struct Recent {
    changes: VecDeque<Arc<KeyChange>>,
    bytes: usize,
    /// Of this revision some may be gone.
    cut: Option<Revision>,
}

impl Recent {
    /// Adds the next change; older ones go.
    pub fn push(&mut self, change: Arc<KeyChange>) {
        self.bytes += bytes(&change);
        self.changes.push_back(change);
        while self.bytes > BYTES_MAX || self.changes.len() > CHANGES_MAX {
            let Some(gone) = self.changes.pop_front() else {
                return;
            };
            self.bytes -= bytes(&gone);
            self.cut = Some(gone.revision());
        }
    }

    /// The changes from a revision on. Nothing where some of them are not here.
    pub fn from(&self, revision: Revision) -> Option<impl Iterator<Item = &Arc<KeyChange>>> {
        let first = self.changes.front()?.revision();
        let whole = self.cut.is_none_or(|cut| cut < revision);
        if revision < first || !whole {
            return None;
        }
        let start = self
            .changes
            .partition_point(|change| change.revision() < revision);
        Some(self.changes.range(start..))
    }
}

fn bytes(change: &KeyChange) -> usize {
    change.now.key.len() + change.now.value.len()
}
