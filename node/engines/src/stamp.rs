//! The time and chance of an entry.

/// When an entry was ordered, and its share of chance: drawn by the leader, the same on every node.
///
/// A hybrid logical clock: `millis` follows the leader's wall clock (since the Unix epoch), `logical` orders entries of one
/// millisecond. Time never goes back: apply takes [`Stamp::no_earlier_than`] the entry before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds since the Unix epoch.
    pub millis: u64,
    /// Order within the millisecond.
    pub logical: u32,
    /// Chance for the engines. It plays no part in the order.
    pub seed: u64,
}

impl Stamp {
    /// This stamp, its time raised to that of `previous` where it lies before it. The seed stays its own.
    pub fn no_earlier_than(self, previous: Stamp) -> Stamp {
        let (millis, logical) =
            (self.millis, self.logical).max((previous.millis, previous.logical));
        Stamp {
            millis,
            logical,
            seed: self.seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn stamp(millis: u64, logical: u32, seed: u64) -> Stamp {
        Stamp {
            millis,
            logical,
            seed,
        }
    }

    #[test]
    fn time_never_goes_back_and_the_seed_stays() {
        for (own, previous, expected) in [
            (stamp(5, 0, 1), stamp(4, 9, 2), stamp(5, 0, 1)),
            (stamp(4, 0, 1), stamp(5, 3, 2), stamp(5, 3, 1)),
            (stamp(5, 1, 1), stamp(5, 3, 2), stamp(5, 3, 1)),
            (stamp(5, 4, 1), stamp(5, 3, 2), stamp(5, 4, 1)),
        ] {
            assert_eq!(own.no_earlier_than(previous), expected);
        }
    }
}
