//! Which files there are: every source file of the house, with its lines that are not tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// One source file.
pub struct Source {
    /// Path below the root.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// The lines before the first test module.
    pub fn code(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
    }

    /// True where the file is itself a test.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("tests.rs")
            || self.path.contains("/testdata/")
    }

    /// True for `lib.rs`, `mod.rs` and the file beside a folder of its name.
    pub fn is_module_root(&self) -> bool {
        self.path.ends_with("/lib.rs") || self.path.ends_with("/mod.rs")
    }
}

/// Every Rust file of the checkout, in order.
pub fn all() -> Vec<Source> {
    let mut found = Vec::new();
    for room in ["crds", "e2e", "node", "operator"] {
        collect(&root().join(room), &mut found);
    }
    assert!(
        found.len() > 30,
        "the walk over the sources found only {} files",
        found.len()
    );
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(dir: &Path, into: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            into.push(Source { path, text });
        }
    }
}
