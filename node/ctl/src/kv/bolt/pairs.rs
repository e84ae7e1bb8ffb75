//! The way through a tree, from leaf to leaf.

use anyhow::Result;
use bytes::Bytes;

use super::file::{Bolt, Bucket};
use super::page::{Kind, Page, PageId, Pair};

/// No tree is deeper: each level has twice the pages of the one above.
const DEPTH_MAX: usize = 64;

/// Where a pair lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// The page, or that in which its page lies.
    pub page: PageId,
    /// Its number in the page.
    pub item: u16,
}

/// The pairs of a bucket, in order, each with its place. After an error there are none.
pub struct Pairs<'a> {
    bolt: &'a Bolt,
    /// From the root on: each page, and its next item.
    open: Vec<(PageId, Page, u16)>,
    /// How many pages may still be read: a tree has none twice.
    left: u64,
    last: Option<Bytes>,
}

impl<'a> Pairs<'a> {
    /// The pairs of a bucket.
    pub fn of(bolt: &'a Bolt, bucket: &Bucket) -> Result<Pairs<'a>> {
        let (id, page) = match bucket {
            Bucket::Tree(root) => (*root, bolt.page(*root)?),
            Bucket::Inline(page, within) => (*within, page.clone()),
        };
        Ok(Pairs {
            bolt,
            open: vec![(id, page, 0)],
            left: bolt.pages(),
            last: None,
        })
    }

    fn advance(&mut self) -> Result<Option<(At, Pair)>> {
        while let Some((id, page, next)) = self.open.last_mut() {
            let (id, item) = (*id, *next);
            if item >= page.items {
                self.open.pop();
                continue;
            }
            *next += 1;
            match page.kind {
                Kind::Leaf => {
                    let pair = page.pair(item).map_err(|why| self.bolt.garbled(id, why))?;
                    return self.in_order(At { page: id, item }, pair).map(Some);
                }
                Kind::Branch => {
                    let child = page.child(item);
                    let child = child.map_err(|why| self.bolt.garbled(id, why))?;
                    self.enter(id, child)?;
                }
            }
        }
        Ok(None)
    }

    fn enter(&mut self, from: PageId, child: PageId) -> Result<()> {
        if self.left == 0 || self.open.len() >= DEPTH_MAX {
            return Err(self.bolt.garbled(from, "it leads back to itself"));
        }
        self.left -= 1;
        self.open.push((child, self.bolt.page(child)?, 0));
        Ok(())
    }

    fn in_order(&mut self, at: At, pair: Pair) -> Result<(At, Pair)> {
        match self.last.replace(pair.key.clone()) {
            Some(last) if last >= pair.key => {
                Err(self.bolt.garbled(at.page, "its keys are out of order"))
            }
            _ => Ok((at, pair)),
        }
    }
}

impl Iterator for Pairs<'_> {
    type Item = Result<(At, Pair)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.open.clear();
        }
        next.transpose()
    }
}
