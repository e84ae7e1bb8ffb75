//! Files of the chart, and what stands in their tables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folder of the chart.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/kluster")
}

/// A file of the chart.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of each row of the tables under the heading `## <heading>`, but for the tables' own headings.
pub fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let heading = format!("## {heading}");
    let lines: Vec<&str> = page
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect();
    assert!(!lines.is_empty(), "nothing under {heading:?}");
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim_start_matches("| ").trim_end_matches(" |");
        inner
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let rows = lines.iter().filter(|line| line.starts_with("| `"));
    rows.map(|line| cells(line)).collect()
}

/// What stands between the backticks of a cell.
pub fn code(cell: &str) -> &str {
    cell.strip_prefix('`')
        .and_then(|cell| cell.strip_suffix('`'))
        .unwrap_or_else(|| panic!("{cell:?} is not one word of code"))
}

/// The anchors of the headings of a page, as a reader of Markdown makes them.
pub fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            words
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// The anchors that a text links to on its own page.
pub fn links(text: &str) -> Vec<&str> {
    text.split("](#")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

/// The variants of an enum of `plan/reason.rs`, as its source has them.
pub fn variants(of: &str) -> Vec<&'static str> {
    let source = concat!(
        include_str!("../../../src/plan/reason.rs"),
        include_str!("../../../src/plan/outcome.rs")
    );
    let start = format!("pub enum {of} {{");
    let variants: Vec<_> = source
        .lines()
        .skip_while(|line| *line != start)
        .skip(1)
        .take_while(|line| *line != "}")
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([',', ' ', '{']))
        .collect();
    assert!(variants.len() >= 7, "{of}: {variants:?}");
    variants
}
