//! `docs/conditions.md` explains exactly the conditions and reasons that there are.

use super::page::{anchors, code, links, read, rows, variants};

fn sorted(mut list: Vec<&str>) -> Vec<&str> {
    list.sort_unstable();
    list
}

fn check(page: &str, heading: &str, of: &str, columns: usize) {
    let rows = rows(page, heading);
    for row in &rows {
        let whole = row.len() == columns && row.iter().all(|cell| !cell.is_empty());
        assert!(whole, "{columns} cells, none empty: {row:?}");
    }
    let explained = rows.iter().map(|row| code(&row[0])).collect();
    assert_eq!(
        sorted(explained),
        sorted(variants(of)),
        "docs/conditions.md (left) and enum {of} (right)"
    );
}

#[test]
fn every_condition_and_every_reason_is_explained_once() {
    let page = read("docs/conditions.md");
    check(&page, "Conditions", "ConditionType", 3);
    check(&page, "Reasons", "Reason", 4);
    check(&page, "Steps", "Step", 2);
}

#[test]
fn every_link_on_the_page_leads_somewhere() {
    let page = read("docs/conditions.md");
    let known = anchors(&page);
    for link in links(&page) {
        assert!(known.contains(link), "#{link} is none of {known:#?}");
    }
    for file in ["README.md", "templates/NOTES.txt"] {
        assert!(read(file).contains("docs/conditions.md"), "{file}");
    }
}
