//! Writes a database that bbolt opens, the store of etcd: sorted pairs in named buckets, each a tree of pages.
//!
//! The format is that of `go.etcd.io/bbolt` (version 2 of its file): little endian, in pages of 4 KiB. Page 0 and 1 say where
//! everything is, page 2 holds the list of free pages, of which there are none. Pages are written in the order in which their
//! pairs come; of a tree no more than one open page a level is in memory. What this does not do: read, or change.

mod page;

use std::io::{self, Seek, SeekFrom, Write};

use page::{Item, Kind, PAGE_BYTES, PAGE_HEADER_BYTES, PageId};

/// The list of free pages.
const FREE_LIST: PageId = PageId(2);
/// The first page of a tree.
const FIRST: PageId = PageId(3);

/// A database that is being written: bucket by bucket, in the order of their names.
pub struct Writer<W> {
    out: W,
    next: PageId,
    /// The buckets that are written.
    buckets: Vec<Item>,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a database at the beginning of `out`, which is empty.
    pub fn new(mut out: W) -> io::Result<Writer<W>> {
        // What they hold is known in the end.
        out.write_all(&vec![0; 2 * PAGE_BYTES])?;
        out.write_all(&page::page(FREE_LIST, Kind::FreeList, &[]))?;
        Ok(Writer {
            out,
            next: FIRST,
            buckets: Vec::new(),
        })
    }

    /// Writes a bucket of these pairs, which come in the order of their keys.
    pub fn bucket<E: From<io::Error>>(
        &mut self,
        name: &[u8],
        pairs: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>>,
    ) -> Result<(), E> {
        let mut tree = Tree::new(self);
        for pair in pairs {
            let (key, value) = pair?;
            tree.push(0, Item::pair(key, value))?;
        }
        let root = tree.end()?;
        self.buckets.push(Item::bucket(name, root));
        Ok(())
    }

    /// Writes the root, and what says where it is; gives the length of the whole.
    pub fn finish(mut self) -> io::Result<u64> {
        let buckets = std::mem::take(&mut self.buckets);
        let mut tree = Tree::new(&mut self);
        for bucket in buckets {
            tree.push(0, bucket)?;
        }
        let root = tree.end()?;
        let pages = self.next;
        self.out.seek(SeekFrom::Start(0))?;
        for transaction in [0, 1] {
            let meta = page::meta(transaction, root, FREE_LIST, pages);
            self.out.write_all(&meta)?;
        }
        self.out.flush()?;
        Ok(pages.0 * PAGE_BYTES as u64)
    }

    fn page(&mut self, kind: Kind, items: &[Item]) -> io::Result<PageId> {
        let (id, page) = (self.next, page::page(self.next, kind, items));
        self.out.write_all(&page)?;
        self.next = PageId(id.0 + (page.len() / PAGE_BYTES) as u64);
        Ok(id)
    }
}

/// A tree of which the last page of each level is open.
struct Tree<'a, W> {
    writer: &'a mut Writer<W>,
    /// The leaf first.
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    items: Vec<Item>,
    bytes: usize,
}

impl<'a, W: Write + Seek> Tree<'a, W> {
    fn new(writer: &'a mut Writer<W>) -> Tree<'a, W> {
        Tree {
            writer,
            levels: vec![Level::default()],
        }
    }

    /// Adds an item to a level; writes the page that it does not fit into any more. An item that is longer than a page has one
    /// of its own, of several times the length.
    fn push(&mut self, number: usize, item: Item) -> io::Result<()> {
        let bytes = item.bytes();
        let is_full = self.levels.get(number).is_some_and(|level| {
            let filled = PAGE_HEADER_BYTES + level.bytes + bytes;
            !level.items.is_empty() && filled > PAGE_BYTES
        });
        if is_full {
            self.close(number)?;
        }
        if self.levels.len() == number {
            self.levels.push(Level::default());
        }
        if let Some(level) = self.levels.get_mut(number) {
            level.bytes += bytes;
            level.items.push(item);
        }
        Ok(())
    }

    /// Writes the open page of a level, and adds it to the level above.
    fn close(&mut self, number: usize) -> io::Result<()> {
        let items = self.take(number);
        let first = items.first().map(|item| item.key.clone());
        let page = self.write(number, &items)?;
        self.push(number + 1, Item::child(first.unwrap_or_default(), page))
    }

    /// Writes what is open; gives the root.
    fn end(mut self) -> io::Result<PageId> {
        let mut number = 0;
        while number + 1 < self.levels.len() {
            self.close(number)?;
            number += 1;
        }
        let items = self.take(number);
        match items.as_slice() {
            // One page is no branch.
            [only] if number > 0 => Ok(only.child),
            items => self.write(number, items),
        }
    }

    fn take(&mut self, number: usize) -> Vec<Item> {
        let level = self.levels.get_mut(number).map(std::mem::take);
        level.unwrap_or_default().items
    }

    fn write(&mut self, number: usize, items: &[Item]) -> io::Result<PageId> {
        let kind = match number {
            0 => Kind::Leaf,
            _ => Kind::Branch,
        };
        self.writer.page(kind, items)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    type Pair = (Vec<u8>, Vec<u8>);

    fn u16_at(bytes: &[u8], at: usize) -> usize {
        usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()))
    }

    fn u32_at(bytes: &[u8], at: usize) -> usize {
        usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
    }

    fn u64_at(bytes: &[u8], at: usize) -> usize {
        usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
    }

    /// The pairs of a tree, as a reader finds them; each page is noted as seen.
    fn walk(file: &[u8], id: usize, seen: &mut Vec<usize>, found: &mut Vec<Pair>) {
        let page = &file[id * PAGE_BYTES..];
        assert_eq!(u64_at(page, 0), id);
        seen.extend(id..=id + u32_at(page, 12));
        for number in 0..u16_at(page, 10) {
            let element = &page[16 + 16 * number..];
            if u16_at(page, 8) == 1 {
                let (at, len) = (u32_at(element, 0), u32_at(element, 4));
                let (child, before) = (u64_at(element, 8), found.len());
                walk(file, child, seen, found);
                assert_eq!(element[at..at + len], found[before].0);
            } else {
                let (at, key) = (u32_at(element, 4), u32_at(element, 8));
                let value = at + key + u32_at(element, 12);
                let pair = (
                    element[at..at + key].to_vec(),
                    element[at + key..value].to_vec(),
                );
                found.push(pair);
            }
        }
    }

    fn round(pairs: &[Pair]) -> usize {
        let mut file = Cursor::new(Vec::new());
        let mut writer = Writer::new(&mut file).unwrap();
        let none: [io::Result<Pair>; 0] = [];
        writer.bucket(b"empty", none.into_iter()).unwrap();
        writer
            .bucket(b"full", pairs.iter().cloned().map(io::Result::Ok))
            .unwrap();
        let bytes = writer.finish().unwrap();
        let file = file.into_inner();
        assert_eq!(file.len() as u64, bytes);
        let (mut seen, mut buckets) = (vec![0, 1, 2], Vec::new());
        walk(&file, u64_at(&file, 32), &mut seen, &mut buckets);
        let names: Vec<&[u8]> = buckets.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [b"empty".as_slice(), b"full"]);
        for ((_, root), expected) in buckets.iter().zip([&[], pairs]) {
            let mut found = Vec::new();
            walk(&file, u64_at(root, 0), &mut seen, &mut found);
            assert_eq!(found, expected);
        }
        // No page is lost or shared.
        seen.sort_unstable();
        assert_eq!(seen, (0..file.len() / PAGE_BYTES).collect::<Vec<_>>());
        seen.len()
    }

    #[test]
    fn every_pair_is_found_and_every_page_is_used() {
        let pairs = |count: u32, bytes: usize| -> Vec<Pair> {
            let pair = |number: u32| (number.to_be_bytes().to_vec(), vec![b'v'; bytes]);
            (0..count).map(pair).collect()
        };
        assert_eq!(round(&pairs(0, 0)), 6);
        assert_eq!(round(&pairs(1, 10)), 6);
        // 16 of the page, 20 and the value of each.
        assert_eq!(round(&pairs(4, 1000)), 6);
        assert_eq!(round(&pairs(5, 1000)), 8);
        assert_eq!(round(&pairs(1, 10_000)), 8);
        // 204 children are a page.
        assert_eq!(round(&pairs(4 * 204, 1000)), 5 + 204 + 1);
        assert_eq!(round(&pairs(4 * 204 + 1, 1000)), 5 + 205 + 3);
        let mut mixed = pairs(3000, 3);
        for (number, (_, value)) in mixed.iter_mut().enumerate() {
            value.resize(number * 7919 % 9000, b'm');
        }
        assert!(round(&mixed) > 3000);
    }
}
