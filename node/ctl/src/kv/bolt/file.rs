//! The file: its pages and its buckets.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::{Bytes, BytesMut};

use super::page::{HEADER_BYTES, Header, Meta, Page, PageId, Pair, Wrong, u64_at};
use super::pairs::{At, Pairs};

/// The sizes of pages that a machine may have.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 10..=16;
/// No page with its further ones is longer: etcd stores what came in one request.
const PAGE_BYTES_MAX: u64 = 256 << 20;

/// A file of bbolt.
pub struct Bolt {
    file: File,
    name: String,
    meta: Meta,
}

/// A bucket: a tree of pages, or one page that lies in another.
#[derive(Clone, Debug)]
pub enum Bucket {
    /// The root.
    Tree(PageId),
    /// The one page, and the page in which it lies.
    Inline(Page, PageId),
}

impl Bolt {
    /// The file, of which the first `bytes` are bbolt's. It is called `name` in what is said of it.
    ///
    /// # Errors
    /// When it is no file of bbolt, or is cut.
    pub fn open(file: File, bytes: u64, name: String) -> Result<Bolt> {
        let metas = PAGE_SIZES.map(|size| 1_u64 << size);
        let metas = [0].into_iter().chain(metas).filter_map(|at| {
            let mut page = [0; 128];
            file.read_exact_at(&mut page, at).ok()?;
            let meta = Meta::of(&page)?;
            (at == 0 || at == u64::from(meta.page_bytes)).then_some(meta)
        });
        let meta = metas.max_by_key(|meta| meta.transaction);
        let meta = meta.with_context(|| {
            format!("{name} is no snapshot of an etcd: page 0 and 1 do not say where its data is")
        })?;
        let needed = meta.pages.saturating_mul(meta.page_bytes.into());
        ensure!(
            needed <= bytes,
            "{name} is cut: it has {bytes} bytes of {needed}; take the snapshot anew"
        );
        Ok(Bolt { file, name, meta })
    }

    /// How many pages there are.
    pub fn pages(&self) -> u64 {
        self.meta.pages
    }

    /// Says that a page is not what it should be.
    pub fn garbled(&self, page: PageId, why: impl std::fmt::Display) -> anyhow::Error {
        let at = page.0.saturating_mul(self.meta.page_bytes.into());
        anyhow!(
            "{} is garbled at page {} (byte {at}): {why}; take the snapshot anew",
            self.name,
            page.0
        )
    }

    /// Reads a page with its further ones.
    pub fn page(&self, id: PageId) -> Result<Page> {
        let wrong = |why: Wrong| self.garbled(id, why);
        if !(2..self.meta.pages).contains(&id.0) {
            return Err(wrong("the file has no such page"));
        }
        let page_bytes = u64::from(self.meta.page_bytes);
        let mut bytes = BytesMut::zeroed(self.meta.page_bytes as usize);
        let read = |bytes: &mut [u8], at: u64| {
            let read = self.file.read_exact_at(bytes, at);
            read.with_context(|| format!("failed to read {} at byte {at}", self.name))
        };
        read(&mut bytes, id.0 * page_bytes)?;
        let header = Header::of(&bytes).map_err(wrong)?;
        let further = u64::from(header.further_pages);
        if header.id != id {
            return Err(wrong("another page lies there"));
        }
        if id.0 + further >= self.meta.pages || further * page_bytes > PAGE_BYTES_MAX {
            return Err(wrong("it is longer than it can be"));
        }
        if let Ok(more @ 1..) = usize::try_from(further * page_bytes) {
            let first = bytes.len();
            bytes.resize(first + more, 0);
            let rest = bytes.get_mut(first..).unwrap_or_default();
            read(rest, (id.0 + 1) * page_bytes)?;
        }
        Page::of(bytes.freeze()).map_err(wrong)
    }

    /// The bucket of this name.
    ///
    /// # Errors
    /// When the file is garbled on the way there.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket>> {
        for found in Pairs::of(self, &Bucket::Tree(self.meta.root))? {
            let (At { page, .. }, pair) = found?;
            if pair.key == name {
                let bucket = self.bucket_of(page, &pair);
                return bucket.map(Some).map_err(|why| self.garbled(page, why));
            }
        }
        Ok(None)
    }

    fn bucket_of(&self, page: PageId, pair: &Pair) -> Result<Bucket, Wrong> {
        if !pair.is_bucket {
            return Err("what should be a bucket is none");
        }
        match u64_at(&pair.value, 0)? {
            0 if pair.value.len() < 2 * HEADER_BYTES => Err("a bucket within it is cut"),
            // Copied: it may outlive the page it lies in.
            0 => Page::of(Bytes::copy_from_slice(
                pair.value.get(HEADER_BYTES..).unwrap_or_default(),
            ))
            .map(|inline| Bucket::Inline(inline, page)),
            root => Ok(Bucket::Tree(PageId(root))),
        }
    }

    /// The pairs of a bucket, in order.
    ///
    /// # Errors
    /// When the bucket's root is garbled.
    pub fn pairs(&self, bucket: &Bucket) -> Result<Pairs<'_>> {
        Pairs::of(self, bucket)
    }

    /// The pair at a place that [`Bolt::pairs`] gave.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub fn pair(&self, bucket: &Bucket, at: At) -> Result<Pair> {
        let pair = match bucket {
            Bucket::Inline(page, _) => page.pair(at.item),
            Bucket::Tree(_) => self.page(at.page)?.pair(at.item),
        };
        pair.map_err(|why| self.garbled(at.page, why))
    }
}
