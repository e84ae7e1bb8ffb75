//! etcdctl cannot tell our nodes from etcd: the command lines in `testdata/etcdctl` are given to both at the same time, and the
//! answers compared, but for what no two clusters have in common. What is known to differ is marked there, and must.

mod mask;
mod run;
mod script;
mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use e2e::bench::etcd::Etcds;
use e2e::bench::local::Trio;
use e2e::tools::{Cache, ETCD};
use e2e::wait;
use run::Answer;
use script::{Command, Step};
use side::Side;
use tokio::runtime::Runtime;

/// The files that share a pair of clusters, in order. The pairs are asked at the same time, which takes half a minute.
const PAIRS: [&[&str]; 4] = [
    &[
        "00-fresh.txt",
        "10-put.txt",
        "20-get.txt",
        "21-get-many.txt",
        "30-del.txt",
        "40-txn.txt",
        "50-compaction.txt",
        "85-txn-from-key.txt",
    ],
    &["60-watch.txt", "61-watch-compacted.txt", "95-auth.txt"],
    &["70-maintenance.txt", "80-large.txt", "90-lease.txt"],
    &["71-hash.txt", "72-quota.txt"],
];
/// The quota of all, in bytes: small enough to be used up.
const QUOTA_BYTES: u32 = 4 << 20;
/// The quota that our nodes have unless they are told another.
const QUOTA_BYTES_USUALLY: u64 = 8 << 30;
/// Fewer than these are not a comparison.
const COMMANDS_MIN: usize = 150;
const START_WITHIN: Duration = Duration::from_secs(30);
/// Time for what is in the background to begin. Nothing tells when a watch has.
const SETTLE: Duration = Duration::from_secs(2);

/// What a failure shows at most: differences, lines of each text, and characters of each line.
const DIFFERENCES_SHOWN_MAX: usize = 20;
const LINES_SHOWN_MAX: usize = 20;
const CHARACTERS_SHOWN_MAX: usize = 2_000;

/// A command with both answers.
struct Asked {
    command: Command,
    theirs: Answer,
    ours: Answer,
}

impl Asked {
    /// Whether the answers are alike where they should not be, or the other way round.
    fn is_wrong(&self) -> bool {
        (self.theirs == self.ours) == self.command.differs.is_some()
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Command { at, line, .. } = &self.command;
        writeln!(to, "{at}: etcdctl {line}")?;
        show(to, "  | ", &self.command.input)?;
        if let Some(reason) = &self.command.differs {
            writeln!(to, "  is marked, but no longer differs: {reason}")?;
        }
        for (who, answer) in [("etcd", &self.theirs), ("ours", &self.ours)] {
            writeln!(to, "  {who} ({}):", answer.end)?;
            show(to, "    out: ", &answer.out)?;
            show(to, "    err: ", &answer.err)?;
        }
        Ok(())
    }
}

fn show(to: &mut fmt::Formatter<'_>, before: &str, text: &str) -> fmt::Result {
    for line in text.lines().take(LINES_SHOWN_MAX) {
        let line: String = line.chars().take(CHARACTERS_SHOWN_MAX).collect();
        writeln!(to, "{before}{line}")?;
    }
    match text.lines().count().saturating_sub(LINES_SHOWN_MAX) {
        0 => Ok(()),
        more => writeln!(to, "{before}... and {more} lines"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/etcdctl")
}

#[test]
fn etcdctl_cannot_tell_our_nodes_from_etcd() {
    every_file_has_its_place();
    let asked: Vec<Asked> = thread::scope(|scope| {
        let pairs = PAIRS.map(|files| scope.spawn(move || ask_pair(files)));
        let answered = pairs.into_iter().flat_map(|pair| pair.join().unwrap());
        answered.collect()
    });
    assert!(
        asked.len() >= COMMANDS_MIN,
        "only {} commands ran",
        asked.len()
    );
    let wrong: Vec<&Asked> = asked.iter().filter(|asked| asked.is_wrong()).collect();
    let shown = wrong.iter().take(DIFFERENCES_SHOWN_MAX);
    let shown: Vec<String> = shown.map(ToString::to_string).collect();
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} commands are not answered as they should be",
        shown.join("\n"),
        wrong.len(),
        asked.len()
    );
}

/// A file that no pair is asked would be forgotten.
fn every_file_has_its_place() {
    let names = fs::read_dir(folder()).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.filter(|name| name.ends_with(".txt")).collect();
    let placed = PAIRS.into_iter().flatten();
    let placed: BTreeSet<String> = placed.map(|name| (*name).to_owned()).collect();
    assert_eq!(found, placed);
}

/// Starts a pair of clusters and gives both the command lines of some files.
fn ask_pair(files: &[&str]) -> Vec<Asked> {
    let quota = format!("[kv]\nquota_bytes = {QUOTA_BYTES}\n");
    let is_small = files.contains(&"72-quota.txt");
    let trio = Trio::start_with(if is_small { &quota } else { "" }).unwrap();
    wait::until_blocking("all nodes follow a leader", START_WITHIN, || {
        // One that does not answer yet is asked again.
        Ok(trio.is_whole().unwrap_or(false))
    })
    .unwrap();
    let quota = match is_small {
        true => u64::from(QUOTA_BYTES),
        false => QUOTA_BYTES_USUALLY,
    };
    let flags = [format!("--quota-backend-bytes={quota}")];
    let etcds = Etcds::start_with(&flags);
    let etcds = Runtime::new().unwrap().block_on(etcds).unwrap();
    let etcdctl = Cache::from_environment().unwrap().program(&ETCD, "etcdctl");
    let urls: Vec<String> = (0..3).map(|node| trio.etcd_url(node)).collect();
    let mut sides = [
        Side::new(etcdctl.clone(), etcds.urls()),
        Side::new(etcdctl, &urls),
    ];
    let mut asked = Vec::new();
    for file in files {
        asked.extend(ask_file(&mut sides, file));
    }
    asked
}

fn ask_file(sides: &mut [Side; 2], file: &str) -> Vec<Asked> {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    let steps = script::parse(file, &text);
    align(sides);
    let mut answers = [BTreeMap::new(), BTreeMap::new()];
    let mut begins = false;
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Sleep(time) => thread::sleep(*time),
            Step::Join => {
                begins = false;
                both(sides, &mut answers, Side::join);
            }
            Step::Ask(command) => {
                if begins && !command.background {
                    thread::sleep(SETTLE);
                }
                begins = command.background;
                both(sides, &mut answers, |side| side.ask(number, command));
            }
        }
    }
    both(sides, &mut answers, Side::join);
    let [mut theirs, mut ours] = answers;
    let asked = steps.into_iter().enumerate();
    let asked = asked.filter_map(|(number, step)| match step {
        Step::Ask(command) => Some(Asked {
            command,
            theirs: theirs.remove(&number).unwrap(),
            ours: ours.remove(&number).unwrap(),
        }),
        Step::Join | Step::Sleep(_) => None,
    });
    asked.collect()
}

/// Has both sides begin a file at the same revision.
fn align(sides: &mut [Side; 2]) {
    let revisions = sides.each_mut().map(Side::begin);
    let most = revisions.into_iter().max().unwrap();
    for side in sides {
        side.fill_up_to(most);
    }
}

/// Has both sides do something at the same time, and keeps the answers by the numbers of their commands.
fn both(
    sides: &mut [Side; 2],
    answers: &mut [BTreeMap<usize, Answer>; 2],
    act: impl Fn(&mut Side) -> Vec<(usize, Answer)> + Sync,
) {
    thread::scope(|scope| {
        for (side, answers) in sides.iter_mut().zip(answers) {
            let act = &act;
            scope.spawn(move || answers.extend(act(side)));
        }
    });
}
