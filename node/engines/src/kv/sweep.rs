//! Gives up what nothing can read any more, a little with each entry, so that no entry waits for much of it.

use node_storage::Batch;

use super::progress::Progress;
use super::rows::delete_change;
use super::{Keyspace, KeyspaceChanges, Place, Revision};

/// How many revisions of history are kept though they were given up, so that whoever is answering a write can still look up
/// what it replaced.
pub const REVISIONS_ANSWERED: u64 = 8_192;

/// How many changes one [`super::Command::Sweep`] gives up.
pub(crate) const SWEPT_PER_COMMAND: usize = 1024;

/// How many more changes an entry gives up than it makes: what was compacted goes away in a number of entries that it
/// bounds, and an entry has at most a few times the work that it would have without.
pub(crate) const SWEPT_WITH_ENTRY: usize = 2;

impl Progress {
    /// The last revision whose changes may be given up: what they replaced is read by nobody.
    pub fn sweepable(&self, feature_level: u32) -> Revision {
        match feature_level {
            // Level 1 has no history.
            ..2 => self.revision,
            // The changes of the revision that was compacted stay: who watches from it on is told of them.
            _ => {
                let answered = self.revision.0.saturating_sub(REVISIONS_ANSWERED);
                Revision(self.compacted.0.saturating_sub(1).min(answered))
            }
        }
    }
}

/// Gives up at most `budget` changes, oldest first. Every node gives up the same ones with the same entry.
pub(crate) fn sweep(
    base: &Keyspace,
    changes: &mut KeyspaceChanges,
    progress: &mut Progress,
    feature_level: u32,
    budget: usize,
    batch: &mut Batch,
) {
    let end = Place::before(progress.sweepable(feature_level).next());
    for _ in 0..budget {
        let first = changes.history.first(&base.history);
        let Some(link) = first.filter(|link| link.place() < end) else {
            return;
        };
        if let Some((place, value_bytes)) = link.replaced() {
            delete_change(batch, place, value_bytes);
        }
        if changes.history.pop(&base.history, link).is_some() {
            delete_change(batch, link.place(), 0);
        }
        progress.swept = link.place();
    }
}
