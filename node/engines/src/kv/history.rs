//! What came before the last version of each key, as far as it is kept.

use std::collections::VecDeque;

use bytes::Bytes;
use byteview::ByteView;

use super::{Place, Revision, Version, row_bytes};

/// A change, and the version of the same key that it replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    revision: Revision,
    /// 0 where there was none.
    before: Revision,
    sub: u32,
    before_sub: u32,
    before_bytes: u32,
    /// The key's length; [`u16::MAX`] where it is longer.
    key_bytes: u16,
    before_alive: bool,
}

impl Link {
    /// The link from the change at `place`, of a key of so many bytes, to the version it replaced.
    pub fn new(place: Place, key_bytes: usize, before: Option<Version>) -> Link {
        let at = before.map_or(Place::default(), |before| before.place());
        Link {
            revision: place.revision,
            before: at.revision,
            sub: place.sub,
            before_sub: at.sub,
            before_bytes: before.map_or(0, |before| before.value_bytes),
            key_bytes: u16::try_from(key_bytes).unwrap_or(u16::MAX),
            before_alive: before.is_some_and(|before| before.is_alive()),
        }
    }

    /// The place of the change.
    pub fn place(&self) -> Place {
        Place {
            revision: self.revision,
            sub: self.sub,
        }
    }

    /// The place of what it replaced, and whether that was a value.
    pub fn before(&self) -> Option<(Place, bool)> {
        let place = Place {
            revision: self.before,
            sub: self.before_sub,
        };
        (self.before.0 > 0).then_some((place, self.before_alive))
    }

    /// The value that it replaced, and its length.
    pub fn replaced(&self) -> Option<(Place, u32)> {
        let (place, alive) = self.before()?;
        alive.then_some((place, self.before_bytes))
    }

    /// What the value that it replaced takes in the storage, about.
    fn held(&self) -> u64 {
        match self.before_alive {
            true => row_bytes(self.key_bytes.into(), self.before_bytes as usize),
            false => 0,
        }
    }
}

/// A key that was deleted, and where.
pub(crate) type Deleted = (Place, ByteView);

/// The changes that are kept, in their order, so that from a key's last version every earlier one is found.
///
/// A link takes 32 bytes, whatever the key; old ones go from the front. How many steps lie between a version and the last
/// one is bounded by how often the key was changed since, so by the history that is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    links: VecDeque<Link>,
    deleted: VecDeque<Deleted>,
    /// Bytes of the values that were replaced.
    bytes: u64,
    /// How many of the first links, and of the first deletions, were given up and are not swept yet.
    given_up: (usize, usize),
    /// What the others hold in the storage, about.
    held: u64,
}

/// What a deletion holds in the storage, about.
fn held((_, key): &Deleted) -> u64 {
    row_bytes(key.len(), 0)
}

impl History {
    /// Adds the next change.
    pub fn push(&mut self, link: Link) {
        self.bytes += u64::from(link.before_bytes);
        self.held += link.held();
        self.links.push_back(link);
    }

    /// Adds the next change's key, where it is a deletion. The key is copied: the one given may share its buffer.
    pub fn push_deleted(&mut self, place: Place, key: &[u8]) {
        let deleted = (place, ByteView::new(key));
        self.held += held(&deleted);
        self.deleted.push_back(deleted);
    }

    /// The history before a revision is given up: what was replaced up to it, and deletions before it, count no longer.
    pub fn give_up(&mut self, before: Revision) {
        let (replaced, deleted) = (Place::before(before.next()), Place::before(before));
        let links = self.links.partition_point(|link| link.place() < replaced);
        let deletions = self.deleted.partition_point(|(place, _)| *place < deleted);
        self.no_longer_hold(links, deletions);
    }

    fn no_longer_hold(&mut self, links: usize, deleted: usize) {
        let (from, from_deleted) = self.given_up;
        let given_up = self.links.range(from.min(links)..links).map(Link::held);
        self.held -= given_up.sum::<u64>();
        let given_up = self.deleted.range(from_deleted.min(deleted)..deleted);
        self.held -= given_up.map(held).sum::<u64>();
        self.given_up = (from.max(links), from_deleted.max(deleted));
    }

    /// Forgets the first changes, and the first deletions.
    pub fn sweep(&mut self, links: usize, deleted: usize) {
        self.no_longer_hold(links, deleted);
        self.given_up.0 -= links;
        self.given_up.1 -= deleted;
        for link in self.links.drain(..links) {
            self.bytes -= u64::from(link.before_bytes);
        }
        self.deleted.drain(..deleted);
    }

    /// The number of changes that are kept.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Bytes of values that are kept though they were replaced.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the history that is not given up holds in the storage, about.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// How many of the changes lie up to the end of a revision.
    pub fn up_to(&self, revision: Revision) -> usize {
        let end = Place::before(revision.next());
        self.links.partition_point(|link| link.place() < end)
    }

    pub fn link(&self, number: usize) -> Option<&Link> {
        self.links.get(number)
    }

    pub fn deleted(&self, number: usize) -> Option<&Deleted> {
        self.deleted.get(number)
    }

    /// The links, each without what it replaced where that was deleted up to `swept`: its row is gone.
    pub fn links(&self, swept: Place) -> impl Iterator<Item = Link> {
        self.links.iter().map(move |link| match link.before() {
            Some((place, false)) if place <= swept => {
                Link::new(link.place(), link.key_bytes.into(), None)
            }
            _ => *link,
        })
    }

    /// Where the value lies that a key had before the change at `bound`, going back from its last version.
    pub fn before(&self, last: Version, bound: Place) -> Option<Place> {
        let (mut place, mut alive) = (last.place(), last.is_alive());
        while place >= bound {
            (place, alive) = self.find(place)?.before()?;
        }
        alive.then_some(place)
    }

    /// Where the value lies that the change at `place` replaced.
    pub fn replaced(&self, place: Place) -> Option<Place> {
        self.find(place)?.replaced().map(|(place, _)| place)
    }

    fn find(&self, place: Place) -> Option<&Link> {
        let number = self.links.binary_search_by_key(&place, Link::place).ok()?;
        self.links.get(number)
    }
}

/// The history as the entries of one run see it and change it.
#[derive(Debug, Default)]
pub(crate) struct HistoryChanges {
    pub links: Vec<Link>,
    pub deleted: Vec<(Place, Bytes)>,
    /// How many of the first links, those of the history before the run first, are gone; and how many of the deletions.
    pub swept: (usize, usize),
    /// Keys whose deletion is given up.
    pub forgotten: Vec<Deleted>,
}

impl HistoryChanges {
    /// The first change that is kept.
    pub fn first(&self, base: &History) -> Option<Link> {
        let (swept, _) = self.swept;
        let added = || self.links.get(swept.checked_sub(base.len())?);
        base.link(swept).or_else(added).copied()
    }

    /// Takes the first change away, and gives the key if it is a deletion.
    pub fn pop(&mut self, base: &History, link: Link) -> Option<Deleted> {
        let (links, deleted) = self.swept;
        let of_run = || {
            let (place, key) = self.deleted.get(deleted.checked_sub(base.deleted.len())?)?;
            Some((*place, ByteView::new(key)))
        };
        let first = base.deleted(deleted).cloned().or_else(of_run);
        let first = first.filter(|(place, _)| *place == link.place());
        self.swept = (links + 1, deleted + usize::from(first.is_some()));
        if let Some(first) = &first {
            self.forgotten.push(first.clone());
        }
        first
    }

    /// Puts everything but what is forgotten into the history.
    pub fn merge_into(self, history: &mut History) -> Vec<Deleted> {
        for link in self.links {
            history.push(link);
        }
        for (place, key) in self.deleted {
            history.push_deleted(place, &key);
        }
        let (links, deleted) = self.swept;
        history.sweep(links, deleted);
        self.forgotten
    }
}
