//! One file a promise, `testdata/decide/*.yaml`, named for it; a new case needs no Rust.

use std::path::Path;

use super::fixture::{Case, text};
use crate::decide::{Action, decide};

#[test]
fn every_case_is_decided_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/decide");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 30, "cases are missing: {}", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the case, if anything.
fn check(file: &Path) -> Option<String> {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let yaml = std::fs::read_to_string(file).unwrap();
    let case: Case = serde_yaml_ng::from_str(&yaml).unwrap_or_else(|e| panic!("{name}: {e}"));
    let actions = decide(&case.observed());
    let texts: Vec<String> = actions.iter().map(text).collect();
    if texts != case.actions {
        return Some(format!(
            "{name}: expected {:?}, got {texts:?}",
            case.actions
        ));
    }
    let status = match actions.first() {
        Some(Action::ReportStatus(status)) => serde_json::to_value(status).unwrap(),
        _ => serde_json::Value::Null,
    };
    case.status.iter().find_map(|(key, wanted)| {
        let got = &status[key];
        (got != wanted).then(|| format!("{name}: status.{key}: expected {wanted}, got {got}"))
    })
}
