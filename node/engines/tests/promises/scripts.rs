//! Runs the scripts. A command's output is what the engines answered; `UPDATE_GOLDENFILES=1` writes what they answer now.
//!
//! Commands: `put K V`, `delete K`, `noop`, `recover N`, `genesis voters=N [id=HEX]` and `entry COMMAND..` (several in one entry, each quoted) with
//! `request=ID`, `at=MILLIS` where wanted; `members IDS [voters=IDS]`, `blank`; `fill N at=MILLIS` (N requests with ids); `run`
//! and `end` around entries that are to be applied as one run; `get K`, `list [PREFIX] [from=K] [limit=N]`, `status`, `digest`,
//! `digest-at N`; `persist`, `crash`, `reopen`. After every command the invariants are checked.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use goldenscript::{Command as Line, Context, Runner};
use node_engines::{
    Change, ClusterId, Command, Engines, Entry, Incarnation, LogId, LogIndex, Outcome, Proposal,
    Reply, RequestId, Stamp, kv, system,
};
use node_storage::{Memory, Storage as _};

#[test]
fn kv_scripts() {
    run("kv", 6);
}

#[test]
fn request_scripts() {
    run("requests", 6);
}

#[test]
fn stamp_scripts() {
    run("stamps", 2);
}

#[test]
fn forming_scripts() {
    run("forming", 7);
}

#[test]
fn digest_scripts() {
    run("digests", 3);
}

/// Runs every script of a folder, of which there are at least `least`.
fn run(folder: &str, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scripts")
        .join(folder);
    let mut scripts: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|item| item.unwrap().path())
        .collect();
    scripts.sort();
    assert!(scripts.len() >= least, "{} scripts", scripts.len());
    for script in scripts {
        goldenscript::run(&mut Cluster::new(), &script)
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    }
}

/// One node's engines, and the log that feeds them.
struct Cluster {
    memory: Memory,
    engines: Engines,
    next_index: u64,
    millis: u64,
    /// Entries waiting for `end`.
    run: Option<Vec<(LogId, Change)>>,
}

type Answer = Result<String, Box<dyn Error>>;

impl Cluster {
    fn new() -> Cluster {
        let memory = Memory::new();
        let engines = Engines::open(Arc::new(memory.clone())).unwrap();
        Cluster {
            memory,
            engines,
            next_index: 0,
            millis: 0,
            run: None,
        }
    }

    fn apply(&mut self, change: Change) -> Answer {
        let id = LogId {
            term: 1,
            leader: 1,
            index: self.next_index,
        };
        self.next_index += 1;
        if let Some(run) = &mut self.run {
            run.push((id, change));
            return Ok(String::new());
        }
        self.apply_run(vec![(id, change)])
    }

    fn apply_run(&mut self, run: Vec<(LogId, Change)>) -> Answer {
        let outcomes = self.engines.apply(run)?;
        Ok(outcomes
            .iter()
            .map(|outcome| render(outcome) + "\n")
            .collect())
    }

    fn entry(&mut self, line: &Line, commands: Vec<Command>) -> Answer {
        let mut args = line.consume_args();
        let request = args
            .take_key("request")
            .map(str::parse::<RequestId>)
            .transpose()?;
        if let Some(at) = args.take_key("at") {
            self.millis = at.parse()?;
        }
        let stamp = Stamp {
            millis: self.millis,
            logical: 0,
            seed: 0,
        };
        let entry = Entry::stamped(Proposal { request, commands }, stamp);
        self.apply(Change::Command(entry.encode()))
    }

    fn fill(&mut self, line: &Line) -> Answer {
        let mut args = line.consume_args();
        let count: u64 = args.next_pos().ok_or("how many?")?.parse()?;
        let millis = args.take_key("at").ok_or("at=?")?.parse()?;
        self.millis = millis;
        let first = self.next_index;
        let entry = |index: u64| {
            let request = Some(format!("fill-{index}").parse().unwrap());
            let commands = vec![Command::System(system::Command::Noop)];
            let stamp = Stamp {
                millis,
                logical: 0,
                seed: 0,
            };
            let entry = Entry::stamped(Proposal { request, commands }, stamp);
            (
                LogId {
                    term: 1,
                    leader: 1,
                    index,
                },
                Change::Command(entry.encode()),
            )
        };
        self.next_index += count;
        let outcomes = self
            .engines
            .apply((first..self.next_index).map(entry).collect())?;
        let accepted = |outcome: &&Outcome| matches!(outcome, Outcome::Accepted { .. });
        let accepted = outcomes.iter().filter(accepted).count();
        Ok(format!(
            "{accepted} accepted, {} rejected",
            outcomes.len() - accepted
        ))
    }

    fn members(&mut self, line: &Line) -> Answer {
        let mut args = line.consume_args();
        let ids =
            |text: &str| -> Result<BTreeSet<u64>, _> { text.split(',').map(str::parse).collect() };
        let now = ids(args.next_pos().ok_or("which members?")?)?;
        let voters = args
            .take_key("voters")
            .map(ids)
            .transpose()?
            .unwrap_or_else(|| now.clone());
        let blob = Bytes::from(format!("{now:?}"));
        self.apply(Change::Members { now, voters, blob })
    }

    fn reopen(&mut self) -> Answer {
        self.engines = Engines::open(Arc::new(self.memory.clone()))?;
        let applied = self.engines.reader().applied();
        self.next_index = applied.map_or(0, |applied| applied.last.index + 1);
        Ok(String::new())
    }

    fn get(&self, key: &str) -> Answer {
        Ok(match self.engines.reader().get(key.as_bytes())? {
            None => "nothing".into(),
            Some(found) => {
                let value = String::from_utf8_lossy(&found.value);
                format!(
                    "{value:?} revision={} created={}",
                    found.revision, found.created
                )
            }
        })
    }

    fn list(&self, line: &Line) -> Answer {
        let mut args = line.consume_args();
        let prefix = args.next_pos().unwrap_or_default();
        let from = args.take_key("from").map(str::as_bytes);
        let limit = args.take_key("limit").map_or(Ok(100), str::parse)?;
        let page = self.engines.reader().list(prefix.as_bytes(), from, limit);
        let mut answer = String::new();
        for (key, revision, bytes) in page.items {
            writeln!(
                answer,
                "{} revision={revision} bytes={bytes}",
                String::from_utf8_lossy(&key)
            )?;
        }
        if let Some(next) = page.next {
            writeln!(answer, "next={}", String::from_utf8_lossy(&next))?;
        }
        Ok(answer)
    }

    fn status(&self) -> Answer {
        let reader = self.engines.reader();
        let mut answer = String::new();
        writeln!(
            answer,
            "position {} revision {}",
            reader.position(),
            reader.revision()
        )?;
        let cluster = reader
            .cluster_id()
            .map_or("none".into(), |id| id.to_string());
        let voters = reader
            .intended_voters()
            .map_or("none".into(), |voters| voters.to_string());
        writeln!(
            answer,
            "cluster {cluster} intended voters {voters} open {}",
            reader.open()
        )?;
        let membership = reader.applied().map_or(String::new(), |applied| {
            let at = applied
                .membership_at
                .map_or("never".into(), |at| at.index.to_string());
            format!("{} at {at}", String::from_utf8_lossy(&applied.membership))
        });
        writeln!(
            answer,
            "membership {membership} removed {:?}",
            reader.removed()
        )?;
        writeln!(
            answer,
            "incarnation {} level {}",
            reader.incarnation().0,
            reader.feature_level()
        )?;
        Ok(answer)
    }
}

impl Runner for Cluster {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Answer {
        let arg = |number: usize| -> Result<String, Box<dyn Error>> {
            Ok(line
                .consume_args()
                .nth(number)
                .ok_or("an argument is missing")?
                .to_string())
        };
        match line.name.as_str() {
            "put" | "delete" | "noop" | "recover" | "genesis" => {
                self.entry(line, vec![command(line)?])
            }
            "entry" => {
                let mut args = line.consume_args();
                let mut commands = Vec::new();
                while let Some(text) = args.next_pos() {
                    commands.push(quoted(text)?);
                }
                self.entry(line, commands)
            }
            "members" => self.members(line),
            "blank" => self.apply(Change::Blank),
            "fill" => self.fill(line),
            "run" => {
                self.run = Some(Vec::new());
                Ok(String::new())
            }
            "end" => {
                let run = self.run.take().ok_or("no run was begun")?;
                self.apply_run(run)
            }
            "get" => self.get(line.consume_args().next_pos().ok_or("which key?")?),
            "list" => self.list(line),
            "status" => self.status(),
            "digest" => {
                let (index, digest) = self.engines.reader().digest();
                Ok(format!("{index} {digest}"))
            }
            "digest-at" => {
                let digest = self.engines.reader().digest_at(LogIndex(arg(0)?.parse()?));
                Ok(digest.map_or("not kept".into(), |digest| digest.to_string()))
            }
            "persist" => {
                self.memory.persist()?;
                Ok(String::new())
            }
            "crash" => {
                self.memory.crash();
                self.reopen()
            }
            "reopen" => self.reopen(),
            name => Err(format!("no command {name:?}").into()),
        }
    }

    fn end_command(&mut self, _: &Line, _: &Context) -> Answer {
        self.engines.check_invariants()?;
        Ok(String::new())
    }
}

fn command(line: &Line) -> Result<Command, Box<dyn Error>> {
    let mut args = line.consume_args();
    let mut next = || args.next_pos().map(text).ok_or("an argument is missing");
    Ok(match line.name.as_str() {
        "put" => Command::Kv(kv::Command::Put {
            key: next()?,
            value: next()?,
        }),
        "delete" => Command::Kv(kv::Command::Delete { key: next()? }),
        "noop" => Command::System(system::Command::Noop),
        "recover" => {
            let incarnation = args.next_pos().ok_or("which incarnation?")?.parse()?;
            Command::System(system::Command::Recover {
                incarnation: Incarnation(incarnation),
            })
        }
        "genesis" => {
            let id = args
                .take_key("id")
                .unwrap_or("000102030405060708090a0b0c0d0e0f");
            let cluster_id: ClusterId = id.parse()?;
            let voters = args.take_key("voters").ok_or("voters=?")?.parse()?;
            Command::System(system::Command::Genesis { cluster_id, voters })
        }
        name => return Err(format!("no command {name:?}").into()),
    })
}

/// A command of an entry: `put k v`, `delete k`, `noop` or `genesis N`.
fn quoted(text: &str) -> Result<Command, Box<dyn Error>> {
    let words: Vec<_> = text.split(' ').collect();
    let bytes = |word: &str| self::text(word);
    Ok(match words.as_slice() {
        ["put", key, value] => Command::Kv(kv::Command::Put {
            key: bytes(key),
            value: bytes(value),
        }),
        ["delete", key] => Command::Kv(kv::Command::Delete { key: bytes(key) }),
        ["noop"] => Command::System(system::Command::Noop),
        ["genesis", voters] => Command::System(system::Command::Genesis {
            cluster_id: ClusterId([7; 16]),
            voters: voters.parse()?,
        }),
        _ => return Err(format!("no command {text:?}").into()),
    })
}

/// A word as bytes; `<N bytes>` stands for that many.
fn text(word: &str) -> Bytes {
    let length = word
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix("bytes>"));
    match length.and_then(|length| length.trim().parse::<usize>().ok()) {
        Some(length) => Bytes::from(vec![b'x'; length]),
        None => Bytes::copy_from_slice(word.as_bytes()),
    }
}

fn render(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rejected(rejection) => format!("rejected: {rejection}"),
        Outcome::Accepted { position, replies } => {
            let mut line = format!("accepted {position}");
            for reply in replies {
                match reply {
                    Reply::Kv(kv::Reply::Put { revision, created }) => {
                        write!(line, " | put revision={revision} created={created}").unwrap();
                    }
                    Reply::Kv(kv::Reply::Delete { revision, existed }) => {
                        write!(line, " | delete revision={revision} existed={existed}").unwrap();
                    }
                    Reply::System(system::Reply) => line.push_str(" | done"),
                }
            }
            line
        }
    }
}
