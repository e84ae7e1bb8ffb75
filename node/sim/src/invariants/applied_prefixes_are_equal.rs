//! Nodes that applied the same entries have the same digest of all they did.

use std::collections::BTreeMap;

use node_storage::Digest;

use super::{Invariant, Sight};

/// The digest first seen after each index of each incarnation.
#[derive(Default)]
pub struct AppliedPrefixesAreEqual(BTreeMap<(u32, u64), (usize, Digest)>);

impl Invariant for AppliedPrefixesAreEqual {
    fn name(&self) -> &'static str {
        "applied prefixes are equal"
    }

    fn look(&mut self, sight: &Sight) -> Result<(), String> {
        for (n, status) in sight.news() {
            let (index, digest) = status.digest;
            let at = (status.log.incarnation, index.0);
            let (whose, first) = *self.0.entry(at).or_insert((n, digest));
            if first != digest {
                return Err(format!(
                    "after entry {} n{whose} had {first:?}, and n{n} has {digest:?}",
                    index.0
                ));
            }
        }
        Ok(())
    }
}
