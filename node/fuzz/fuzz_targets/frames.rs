#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| node_fuzz::wait(node_replication::fuzz::frames(bytes)));
