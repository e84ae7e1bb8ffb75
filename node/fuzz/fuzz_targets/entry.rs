#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use node_engines::{Entry, Outcome, Proposal};

// What is read is written the same again: two nodes that hold the same entry hold the same bytes.
fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(proposal) = Proposal::decode(&bytes) {
        assert_eq!(proposal.encode(), bytes);
    }
    if let Ok(entry) = Entry::decode(&bytes) {
        assert_eq!(entry.encode(), bytes);
    }
    if let Ok(outcome) = Outcome::decode(&bytes) {
        assert_eq!(outcome.encode(), bytes);
    }
});
