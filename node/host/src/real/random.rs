//! Chance from the kernel.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::Random as Contract;

/// The kernel's random numbers.
#[derive(Debug)]
pub struct Random;

impl Contract for Random {
    fn fill(&self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let filled = match getrandom(&mut *rest, GetRandomFlags::empty()) {
                Err(Errno::INTR) => 0,
                // Without it no id and no key can be drawn, and there is no state worth saving.
                outcome => outcome.expect("invariant: the kernel has getrandom (Linux 3.17)"),
            };
            rest = rest.get_mut(filled..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_byte() {
        let mut seen = [0_u8; 4096];
        for _ in 0..4 {
            let mut drawn = [0; 4096];
            Random.fill(&mut drawn);
            seen.iter_mut()
                .zip(drawn)
                .for_each(|(all, one)| *all |= one);
        }
        // All four draws of one byte being zero has a chance of 1 in 2^32.
        assert!(seen.iter().filter(|byte| **byte == 0).count() < 3);
        assert_ne!(Random.u64(), Random.u64());
    }
}
