//! The bytes of a page.
//!
//! ```text
//! page     id u64, kind u16, items u16, further pages u32 | an element for each item | their keys and values
//! leaf     bucket u32 (1 if it is one), place of the key from here on u32, length of the key u32, of the value u32
//! branch   place of the key from here on u32, length of the key u32, page u64
//! bucket   page of its root u64, sequence u64 (the value of an item of a leaf)
//! meta     magic u32, version u32, bytes of a page u32, flags u32, bucket of buckets, page of the list of free pages u64,
//!          pages u64, transaction u64, checksum u64 (FNV-1a of what is before it)
//! ```

/// The length of a page.
pub const PAGE_BYTES: usize = 4096;
/// The length of what each page begins with.
pub const PAGE_HEADER_BYTES: usize = 16;
const ELEMENT_BYTES: usize = 16;
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;

/// The number of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageId(pub u64);

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pairs.
    Leaf,
    /// Pages, by the first key of each.
    Branch,
    /// The list of free pages.
    FreeList,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::Branch => 0x01,
            Kind::Leaf => 0x02,
            Kind::FreeList => 0x10,
        }
    }
}

/// What a page holds.
pub struct Item {
    pub key: Vec<u8>,
    value: Vec<u8>,
    is_bucket: bool,
    /// Of a branch: the page.
    pub child: PageId,
}

impl Item {
    /// A pair.
    pub fn pair(key: Vec<u8>, value: Vec<u8>) -> Item {
        Item {
            key,
            value,
            is_bucket: false,
            child: PageId::default(),
        }
    }

    /// A bucket by its name.
    pub fn bucket(name: &[u8], root: PageId) -> Item {
        Item {
            is_bucket: true,
            ..Item::pair(name.to_vec(), bucket(root))
        }
    }

    /// A page by its first key.
    pub fn child(first: Vec<u8>, child: PageId) -> Item {
        Item {
            child,
            ..Item::pair(first, Vec::new())
        }
    }

    /// What it takes of a page.
    pub fn bytes(&self) -> usize {
        ELEMENT_BYTES + self.key.len() + self.value.len()
    }
}

fn bucket(root: PageId) -> Vec<u8> {
    let mut bucket = root.0.to_le_bytes().to_vec();
    bucket.extend_from_slice(&0_u64.to_le_bytes());
    bucket
}

fn u32_of(number: usize) -> [u8; 4] {
    let number = u32::try_from(number).expect("invariant: keys, values and pages are bounded");
    number.to_le_bytes()
}

/// A page of these items; of several times the length where they take more.
pub fn page(id: PageId, kind: Kind, items: &[Item]) -> Vec<u8> {
    let used = PAGE_HEADER_BYTES + items.iter().map(Item::bytes).sum::<usize>();
    let pages = used.div_ceil(PAGE_BYTES);
    let count = u16::try_from(items.len()).expect("invariant: a page has room for few items");
    let mut page = Vec::with_capacity(pages * PAGE_BYTES);
    page.extend_from_slice(&id.0.to_le_bytes());
    page.extend_from_slice(&kind.number().to_le_bytes());
    page.extend_from_slice(&count.to_le_bytes());
    page.extend_from_slice(&u32_of(pages - 1));
    let mut data = PAGE_HEADER_BYTES + ELEMENT_BYTES * items.len();
    for item in items {
        let place = u32_of(data - page.len());
        match kind {
            Kind::Branch => {
                page.extend_from_slice(&place);
                page.extend_from_slice(&u32_of(item.key.len()));
                page.extend_from_slice(&item.child.0.to_le_bytes());
            }
            Kind::Leaf | Kind::FreeList => {
                page.extend_from_slice(&u32::from(item.is_bucket).to_le_bytes());
                page.extend_from_slice(&place);
                page.extend_from_slice(&u32_of(item.key.len()));
                page.extend_from_slice(&u32_of(item.value.len()));
            }
        }
        data += item.key.len() + item.value.len();
    }
    for item in items {
        page.extend_from_slice(&item.key);
        page.extend_from_slice(&item.value);
    }
    page.resize(pages * PAGE_BYTES, 0);
    page
}

/// The page that says where everything is, as a transaction left it: page 0 or 1, in turns.
pub fn meta(transaction: u64, root: PageId, free_list: PageId, pages: PageId) -> Vec<u8> {
    let mut meta = Vec::with_capacity(64);
    for number in [MAGIC, VERSION] {
        meta.extend_from_slice(&number.to_le_bytes());
    }
    meta.extend_from_slice(&u32_of(PAGE_BYTES));
    meta.extend_from_slice(&0_u32.to_le_bytes());
    meta.extend_from_slice(&bucket(root));
    for number in [free_list.0, pages.0, transaction] {
        meta.extend_from_slice(&number.to_le_bytes());
    }
    let checksum = fnv_1a(&meta);
    meta.extend_from_slice(&checksum.to_le_bytes());

    let mut page = Vec::with_capacity(PAGE_BYTES);
    page.extend_from_slice(&transaction.to_le_bytes());
    page.extend_from_slice(&0x04_u16.to_le_bytes());
    page.resize(PAGE_HEADER_BYTES, 0);
    page.extend_from_slice(&meta);
    page.resize(PAGE_BYTES, 0);
    page
}

/// The 64-bit hash of Fowler, Noll and Vo (RFC 9923).
fn fnv_1a(bytes: &[u8]) -> u64 {
    let basis = 0xCBF2_9CE4_8422_2325;
    bytes.iter().fold(basis, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
