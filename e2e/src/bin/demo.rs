//! `make demo`: from an empty machine to a Cluster of five nodes.

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .parent()
        .expect("the crate lies below the root of the checkout");
    e2e::demo::run(root)
}
