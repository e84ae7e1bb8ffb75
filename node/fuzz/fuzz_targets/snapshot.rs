#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    node_fuzz::with_file("1-1-1.snapshot", bytes, node_replication::fuzz::snapshot);
});
