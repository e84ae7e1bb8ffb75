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
    /// The lines before the first inline test module; a module that is only named (`mod tests;`) ends nothing.
    pub fn code(&self) -> impl Iterator<Item = &str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let opens = |at: usize| {
            let line = |at: usize| lines.get(at).map_or("", |line| line.trim());
            line(at) == "#[cfg(test)]"
                && line(at + 1).starts_with("mod ")
                && line(at + 1).ends_with('{')
        };
        let end = (0..lines.len()).find(|at| opens(*at));
        let end = end.unwrap_or(lines.len());
        lines.into_iter().take(end)
    }

    /// True where the file is itself a test.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("tests.rs")
            || self.path.contains("/testdata/")
    }

    /// True for `lib.rs`, `mod.rs` and, outside `node/`, the file beside a folder of its name. (Below `node/` some of the
    /// latter hold a first idea of their own beside the table of contents.)
    pub fn is_module_root(&self) -> bool {
        let beside_its_folder = || {
            !self.path.starts_with("node/") && root().join(&self.path).with_extension("").is_dir()
        };
        self.path.ends_with("/lib.rs") || self.path.ends_with("/mod.rs") || beside_its_folder()
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
