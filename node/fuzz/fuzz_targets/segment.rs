#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    node_fuzz::with_file(
        "0000000000000001.log",
        bytes,
        node_replication::fuzz::segment,
    );
});
