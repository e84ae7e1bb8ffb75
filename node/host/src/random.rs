//! The contract of chance.

/// A source of random bytes: unpredictable on a real machine, a function of the seed in the simulator.
pub trait Random: Send + Sync {
    /// Fills `bytes` with chance. Good enough for keys on a real machine.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number.
    fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
