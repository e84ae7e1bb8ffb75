//! What a read asks for, and what it finds.

use std::cmp::Ordering;

use bytes::Bytes;

use super::{Keys, LeaseId, Revision, Version};

/// A key with everything that is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// Its value; empty where none was asked for.
    pub value: Bytes,
    /// The revision that made the key.
    pub created: Revision,
    /// The revision that wrote the value.
    pub modified: Revision,
    /// How often it was put since it was made.
    pub version: u64,
    /// The lease that it is attached to.
    pub lease: LeaseId,
}

impl KeyValue {
    pub(crate) fn new(key: Bytes, version: Version, value: Bytes) -> KeyValue {
        KeyValue {
            key,
            value,
            created: version.created,
            modified: version.modified,
            version: version.count,
            lease: version.lease,
        }
    }
}

/// A read of a range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which keys.
    pub keys: Keys,
    /// As of which revision; the last one where none is given.
    pub revision: Option<Revision>,
    /// How many keys at most; all where none is given.
    pub limit: Option<usize>,
    /// Whether values are wanted.
    pub values: bool,
    /// Whether nothing but their number is wanted.
    pub count_only: bool,
    /// In which order; by key where none is given.
    pub order: Option<(Sort, Order)>,
    /// Which revisions a key must have to be shown. It is counted all the same.
    pub filter: Filter,
}

/// Bounds, themselves included, of the revisions that are shown; 0 is no bound. Below zero nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The least revision that wrote the value.
    pub modified_min: i64,
    /// The greatest one.
    pub modified_max: i64,
    /// The least revision that made the key.
    pub created_min: i64,
    /// The greatest one.
    pub created_max: i64,
}

/// By what keys are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Sort {
    Key,
    Version,
    Created,
    Modified,
    Value,
}

/// Which way keys are ordered. Equal ones stay in the order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Order {
    Ascending,
    Descending,
    /// Ascending, of no more than the first keys that the limit lets in and one more: what etcd does with a sort without an
    /// order.
    OfPage,
}

/// What a read found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queried {
    /// The keys.
    pub items: Vec<KeyValue>,
    /// How many keys lie in the range, shown or not.
    pub count: u64,
    /// Whether the limit left some out.
    pub more: bool,
}

impl Query {
    /// Every key of a range, as of the last revision, with its value.
    pub fn all(keys: Keys) -> Query {
        Query {
            keys,
            revision: None,
            limit: None,
            values: true,
            count_only: false,
            order: None,
            filter: Filter::default(),
        }
    }

    /// Whether keys must be looked at that the limit may leave out.
    pub(crate) fn looks_at_all(&self) -> bool {
        self.filter != Filter::default()
            || !matches!(
                self.order,
                None | Some((Sort::Key, Order::Ascending) | (_, Order::OfPage))
            )
    }

    /// How many keys are looked at, of those that lie in the range.
    pub(crate) fn looks_at(&self) -> usize {
        match (self.looks_at_all(), self.limit, self.order) {
            (true, ..) | (_, None, _) => usize::MAX,
            (false, Some(limit), Some((_, Order::OfPage))) => limit.saturating_add(1),
            (false, Some(limit), _) => limit,
        }
    }

    /// Leaves out what the filter does not show, orders the rest, and cuts it to the limit.
    pub(crate) fn arrange(&self, found: &mut Queried) {
        found.items.retain(|item| self.filter.shows(item));
        if let Some((sort, order)) = self.order {
            found.items.sort_by(|one, other| {
                let ascending = sort.compare(one, other);
                match order {
                    Order::Ascending | Order::OfPage => ascending,
                    Order::Descending => ascending.reverse(),
                }
            });
        }
        if let Some(limit) = self.limit.filter(|limit| *limit < found.items.len()) {
            found.items.truncate(limit);
            found.more = true;
        }
        if !self.values {
            for item in &mut found.items {
                item.value = Bytes::new();
            }
        }
    }

    /// Whether values must be read.
    pub(crate) fn reads_values(&self) -> bool {
        self.values || matches!(self.order, Some((Sort::Value, _)))
    }
}

impl Filter {
    fn shows(&self, item: &KeyValue) -> bool {
        let within = |revision: Revision, min: i64, max: i64| {
            let revision = i64::try_from(revision.0).unwrap_or(i64::MAX);
            revision >= min && (max == 0 || revision <= max)
        };
        within(item.modified, self.modified_min, self.modified_max)
            && within(item.created, self.created_min, self.created_max)
    }
}

impl Sort {
    fn compare(self, one: &KeyValue, other: &KeyValue) -> Ordering {
        match self {
            Sort::Key => one.key.cmp(&other.key),
            Sort::Version => one.version.cmp(&other.version),
            Sort::Created => one.created.cmp(&other.created),
            Sort::Modified => one.modified.cmp(&other.modified),
            Sort::Value => one.value.cmp(&other.value),
        }
    }
}
