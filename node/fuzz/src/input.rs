//! How a target hands its input on.

use std::path::PathBuf;

use node_host::Host;

/// Runs `work` to its end, on this thread.
pub fn wait<F: Future>(work: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().expect("a runtime").block_on(work)
}

/// Gives `work` a folder, in memory, with one file in it.
pub fn with_file<F: Future>(name: &str, bytes: &[u8], work: impl FnOnce(Host, PathBuf) -> F) {
    let dir = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("a written file");
    wait(work(Host::real(), path));
}
