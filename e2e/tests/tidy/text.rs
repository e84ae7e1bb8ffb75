//! What the text of the sources must and must not hold.

use std::collections::BTreeSet;

use crate::sources::{self, Source};

const FILE_LINES_MAX: usize = 600;
const MAIN_LINES_MAX: usize = 40;
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "Containerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "charts",
    "crds",
    "e2e",
    "node",
    "operator",
    "rust-toolchain.toml",
];
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "misc", "manager", "types",
];

fn check(what: &str, wrong: impl Fn(&Source) -> Option<String>) {
    let found: Vec<_> = sources::all()
        .iter()
        .filter_map(|s| wrong(s).map(|why| format!("{}: {why}", s.path)))
        .collect();
    assert!(found.is_empty(), "{what}\n{}", found.join("\n"));
}

/// Lines of code (not of tests) that hold `needle`, as text for a failure.
fn lines_with(source: &Source, needle: &str) -> Option<String> {
    let hit = source
        .code()
        .enumerate()
        .find(|(_, line)| line.contains(needle));
    hit.map(|(number, line)| format!("line {}: {}", number + 1, line.trim()))
}

#[test]
fn the_top_level_is_the_plan_and_nothing_else() {
    let tracked = std::process::Command::new("git")
        .args(["ls-files"])
        .current_dir(sources::root())
        .output()
        .unwrap();
    let names = String::from_utf8(tracked.stdout).unwrap();
    let top: BTreeSet<&str> = names
        .lines()
        .filter_map(|l| l.split('/').next())
        .filter(|l| !l.starts_with('.'))
        .collect();
    assert_eq!(top, TOP_LEVEL.iter().copied().collect());
}

#[test]
fn a_file_is_one_idea() {
    check("files past the limit: split them", |s| {
        let lines = s.code().count();
        (!s.is_test() && lines > FILE_LINES_MAX).then(|| format!("{lines} lines"))
    });
    check("main.rs only wires", |s| {
        let lines = s.text.lines().count();
        (s.path.ends_with("src/main.rs") && lines > MAIN_LINES_MAX)
            .then(|| format!("{lines} lines"))
    });
}

#[test]
fn module_roots_are_tables_of_contents() {
    check("a module root holds docs, `mod` and `use` only", |s| {
        if !s.is_module_root() || s.is_test() {
            return None;
        }
        let code = s.code().collect::<Vec<_>>().join("\n");
        let mut in_list = false;
        for line in code.lines().map(str::trim) {
            let list_ends = in_list && line.contains(';');
            let plain = line.is_empty()
                || line.starts_with("//")
                || line.starts_with("#[")
                || line.starts_with("#![");
            let declares = [
                "mod ",
                "pub mod ",
                "pub(crate) mod ",
                "use ",
                "pub use ",
                "pub(crate) use ",
                "tonic::include_proto!",
            ]
            .iter()
            .any(|start| line.starts_with(start));
            if !(plain || declares || in_list) {
                return Some(line.to_owned());
            }
            let opens = line.contains('{') || line.contains("allow(") || line.contains("expect(");
            in_list = (in_list || (opens && !line.contains(';') && !line.contains(")]")))
                && !list_ends
                && !line.contains(")]");
        }
        None
    });
}

/// `mpsc::channel::<T>()` with nothing in its brackets is the standard library's, which has no bound.
fn typed_channel_without_bound(source: &Source) -> Option<String> {
    source.code().find_map(|line| {
        let (_, after) = line.split_once("mpsc::channel::<")?;
        after.contains(">()").then(|| line.trim().to_owned())
    })
}

#[test]
fn every_queue_has_a_bound() {
    check("no channel without a bound", |s| {
        if s.path.starts_with("e2e/tests/tidy") {
            return None;
        }
        [
            "unbounded_channel",
            "unbounded()",
            "unbounded::<",
            "mpsc::channel()",
        ]
        .iter()
        .find_map(|needle| lines_with(s, needle))
        .or_else(|| typed_channel_without_bound(s))
    });
}

#[test]
fn names_say_what_they_hold() {
    check("a module named for nothing", |s| {
        let stem = s
            .path
            .trim_end_matches("/mod.rs")
            .trim_end_matches(".rs")
            .rsplit('/')
            .next()
            .unwrap_or_default();
        EMPTY_NAMES.contains(&stem).then(|| stem.to_owned())
    });
}

#[test]
fn nothing_is_left_over() {
    check("leftovers", |s| {
        if s.path.starts_with("e2e/tests/tidy") {
            return None;
        }
        let marks = [
            "TODO",
            "FIXME",
            "XXX",
            "todo!(",
            "unimplemented!(",
            "#[ignore",
            "dbg!(",
        ];
        marks.iter().find_map(|mark| {
            let hit = s
                .text
                .lines()
                .enumerate()
                .find(|(_, line)| line.contains(mark));
            hit.map(|(number, line)| format!("line {}: {}", number + 1, line.trim()))
        })
    });
}

#[test]
fn openraft_stays_in_its_room() {
    check("openraft's types leave replication/src/raft", |s| {
        let inside =
            s.path.starts_with("node/replication/src/raft") || s.path.starts_with("e2e/tests/tidy");
        (!inside)
            .then(|| lines_with(s, "openraft::").or_else(|| lines_with(s, "openraft_rt")))
            .flatten()
    });
}

#[test]
fn only_observe_apply_and_report_name_a_client() {
    check("a Kubernetes client in a pure step", |s| {
        let pure = ["validate", "plan", "build"].iter().any(|step| {
            s.path.starts_with(&format!("operator/src/{step}/"))
                || s.path == format!("operator/src/{step}.rs")
        });
        let client = || {
            ["kube::Client", "kube::Api", "Api<", "kube::client"]
                .iter()
                .find_map(|n| lines_with(s, n))
        };
        pure.then(client).flatten()
    });
}

#[test]
fn engines_and_log_meet_in_one_file() {
    check(
        "engines and replication are both named outside server's machine.rs",
        |s| {
            let both = s.text.contains("node_engines::") && s.text.contains("impl Machine for");
            let elsewhere =
                s.path != "node/server/src/machine.rs" && !s.path.starts_with("e2e/tests/tidy");
            (both && elsewhere).then(|| "implements the log's machine".to_owned())
        },
    );
}

#[test]
fn nothing_of_one_machine_is_written_down() {
    let tracked = std::process::Command::new("git")
        .args(["ls-files"])
        .current_dir(sources::root())
        .output()
        .unwrap();
    let names = String::from_utf8(tracked.stdout).unwrap();
    for name in names.lines().filter(|n| !n.starts_with("e2e/tests/tidy")) {
        let Ok(text) = std::fs::read_to_string(sources::root().join(name)) else {
            continue;
        };
        for mark in ["/work/", "/root/"] {
            let hit = text.lines().position(|line| line.contains(mark));
            assert!(
                hit.is_none(),
                "{name}:{} names a path of one machine ({mark})",
                hit.unwrap_or_default() + 1
            );
        }
    }
}
