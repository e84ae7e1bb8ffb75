//! Chance from the seed: one stream of numbers for each purpose, so that one more draw here changes nothing there.

use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A stream of chance. Clones draw from the same stream.
#[derive(Clone, Debug)]
pub struct Chance(Arc<Mutex<SmallRng>>);

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))))
    }

    /// A stream of its own, told by this one's seed.
    pub fn split(&self) -> Self {
        Self::new(self.below(u64::MAX))
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        node_host::Random::fill(self, &mut bytes);
        u64::from_le_bytes(bytes) % end.max(1)
    }
}

impl node_host::Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        let mut random = self
            .0
            .lock()
            .expect("invariant: nobody panics while drawing");
        random.fill_bytes(bytes);
    }
}
