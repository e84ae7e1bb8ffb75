//! How far the keys have come, and where their history begins.

use super::{Place, Revision};

/// How far the keys have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The revision of the last write.
    pub revision: Revision,
    /// Up to where the history was given up by a compaction.
    pub compacted: Revision,
    /// The last change that was given up.
    pub swept: Place,
}

impl Progress {
    /// Where the history begins. Of a cluster that was of feature level 1 this may be later than what was compacted: that level
    /// gave up what writes replaced without being asked.
    pub fn begins(&self) -> Revision {
        let kept = self.swept.revision.next().min(self.revision);
        match self.swept.revision {
            Revision(0) => self.compacted,
            _ => self.compacted.max(kept),
        }
    }

    /// Whether every change from a revision on is kept. At feature level 1 not even that of the last one may be.
    pub fn tells_from(&self, revision: Revision) -> bool {
        revision >= self.begins() && revision > self.swept.revision
    }

    /// The cluster went from one feature level to another. To reach the second takes a revision, at which nothing changed: so an
    /// empty store is at revision 1, as etcd's is, whose clients take 0 for none.
    pub fn raise(&mut self, from: u32, to: u32) {
        if from < 2 && to >= 2 {
            self.revision = self.revision.next();
        }
    }
}
