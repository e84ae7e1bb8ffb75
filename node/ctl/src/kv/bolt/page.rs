//! The bytes of a page.

use bytes::Bytes;

/// The length of what each page begins with.
pub const HEADER_BYTES: usize = 16;
const ELEMENT_BYTES: usize = 16;
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// The bytes of a meta that its checksum covers, and where it begins in its page.
const META_BYTES: usize = 56;
const PAGE_BYTES_MIN: u32 = 1 << 10;
const PAGE_BYTES_MAX: u32 = 1 << 16;

/// The number of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pairs.
    Leaf,
    /// Pages, by the first key of each.
    Branch,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The value is a bucket.
    pub is_bucket: bool,
}

/// What a page begins with.
pub struct Header {
    pub id: PageId,
    pub further_pages: u32,
    kind: u16,
    items: u16,
}

/// A page, of which only the header is known to make sense.
#[derive(Clone, Debug)]
pub struct Page {
    bytes: Bytes,
    pub kind: Kind,
    pub items: u16,
}

/// What is wrong with a page.
pub type Wrong = &'static str;

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Wrong> {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
    field.copied().ok_or("it ends within a field")
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Wrong> {
    field(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Wrong> {
    field(bytes, at).map(u32::from_le_bytes)
}

pub fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Wrong> {
    field(bytes, at).map(u64::from_le_bytes)
}

impl Header {
    pub fn of(bytes: &[u8]) -> Result<Header, Wrong> {
        Ok(Header {
            id: PageId(u64_at(bytes, 0)?),
            kind: u16_at(bytes, 8)?,
            items: u16_at(bytes, 10)?,
            further_pages: u32_at(bytes, 12)?,
        })
    }
}

impl Page {
    /// The page of these bytes, those of its further pages among them.
    pub fn of(bytes: Bytes) -> Result<Page, Wrong> {
        let Header { kind, items, .. } = Header::of(&bytes)?;
        let kind = match kind {
            0x01 => Kind::Branch,
            0x02 => Kind::Leaf,
            _ => return Err("it is no page of a tree"),
        };
        match HEADER_BYTES + ELEMENT_BYTES * usize::from(items) > bytes.len() {
            true => Err("it has more items than it has room for"),
            false => Ok(Page { bytes, kind, items }),
        }
    }

    fn element(item: u16) -> usize {
        HEADER_BYTES + ELEMENT_BYTES * usize::from(item)
    }

    /// The page that an item of a branch leads to.
    pub fn child(&self, item: u16) -> Result<PageId, Wrong> {
        u64_at(&self.bytes, Page::element(item) + 8).map(PageId)
    }

    /// An item of a leaf.
    pub fn pair(&self, item: u16) -> Result<Pair, Wrong> {
        if self.kind != Kind::Leaf || item >= self.items {
            return Err("it has no such item");
        }
        let element = Page::element(item);
        let number = |at: usize| u32_at(&self.bytes, element + at).map(|number| number as usize);
        let key = element.saturating_add(number(4)?);
        let value = key.saturating_add(number(8)?);
        let end = value.saturating_add(number(12)?);
        if end > self.bytes.len() {
            return Err("an item ends beyond it");
        }
        Ok(Pair {
            key: self.bytes.slice(key..value),
            value: self.bytes.slice(value..end),
            is_bucket: number(0)? & 1 == 1,
        })
    }
}

/// Where everything is, as a transaction left it.
pub struct Meta {
    pub page_bytes: u32,
    /// The root of the bucket of buckets.
    pub root: PageId,
    /// How many pages there are.
    pub pages: u64,
    pub transaction: u64,
}

impl Meta {
    /// The meta in the first bytes of its page; nothing where there is none that is whole.
    pub fn of(page: &[u8]) -> Option<Meta> {
        let meta = page.get(HEADER_BYTES..)?;
        let checksum = fnv_1a(meta.get(..META_BYTES)?);
        let page_bytes = u32_at(meta, 8).ok()?;
        let is_one = u32_at(meta, 0) == Ok(MAGIC)
            && u32_at(meta, 4) == Ok(VERSION)
            && u64_at(meta, META_BYTES) == Ok(checksum)
            && page_bytes.is_power_of_two()
            && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes);
        is_one.then_some(Meta {
            page_bytes,
            root: PageId(u64_at(meta, 16).ok()?),
            pages: u64_at(meta, 40).ok()?,
            transaction: u64_at(meta, 48).ok()?,
        })
    }
}

/// The 64-bit hash of Fowler, Noll and Vo (RFC 9923).
fn fnv_1a(bytes: &[u8]) -> u64 {
    let basis = 0xCBF2_9CE4_8422_2325;
    bytes.iter().fold(basis, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
