//! Runs the scripts. A command's output is what the engines answered; `UPDATE_GOLDENFILES=1` writes what they answer now.
//!
//! Commands: `put K V`, `delete K`, `noop`, `recover N`, `genesis voters=N [id=HEX]` and `entry COMMAND..` (several in one entry, each quoted) with
//! `request=ID`, `at=MILLIS` where wanted; `members IDS [voters=IDS]`, `blank`; `fill N at=MILLIS` (N requests with ids); `run`
//! and `end` around entries that are to be applied as one run; `raise LEVEL`, `step "STEP"`, `txn "PART"..`, `compact REVISION`,
//! `grant LEASE TTL`, `revoke LEASE`, `expire LEASE ENTRY TERM`, `sweep`, `activate ALARM MEMBER`, `deactivate ALARM MEMBER`; `alarms`, `bytes`; `query FROM [END] [at=REVISION] ..`; `get K`, `list [PREFIX] [from=K] [limit=N]`, `status`, `digest`,
//! `digest-at N`; what is in `auth.rs`; `persist`, `crash`, `reopen`. After every command the invariants are checked.

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

use crate::auth;

#[test]
fn kv_scripts() {
    run("kv", 6);
}

#[test]
fn etcd_scripts() {
    run("etcd", 14);
}

#[test]
fn auth_scripts() {
    run("auth", 5);
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
        self.apply_request(request, commands)
    }

    fn apply_request(&mut self, request: Option<RequestId>, commands: Vec<Command>) -> Answer {
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

    fn query(&self, line: &Line) -> Answer {
        let mut args = line.consume_args();
        let number = |text: &str| text.parse::<u64>();
        let mut range = Vec::new();
        while let Some(word) = args.next_pos() {
            range.push(word);
        }
        let mut query = kv::Query::all(keys(&range)?);
        query.revision = args
            .take_key("at")
            .map(number)
            .transpose()?
            .map(kv::Revision);
        query.limit = args.take_key("limit").map(str::parse).transpose()?;
        query.values = args.take_key("values") != Some("no");
        query.count_only = args.take_key("count") == Some("only");
        query.filter.modified_min = args.take_key("modified-min").map_or(Ok(0), str::parse)?;
        query.filter.created_max = args.take_key("created-max").map_or(Ok(0), str::parse)?;
        query.order = args.take_key("by").map(|order| match order {
            "value" => (kv::Sort::Value, kv::Order::Ascending),
            "version" => (kv::Sort::Version, kv::Order::Descending),
            "page-value" => (kv::Sort::Value, kv::Order::OfPage),
            _ => (kv::Sort::Key, kv::Order::Descending),
        });
        let within = args.take_key("after").map(number).transpose()?;
        let changes = args.take_key("changes").map_or(Ok(0), str::parse)?;
        let reader = self.engines.reader();
        let mut answer = String::new();
        let found = match within {
            Some(before) => match reader.query_within(&query, kv::Revision(before), changes)? {
                Some(found) => found,
                None => return Ok("given up".into()),
            },
            None => match reader.query(&query)? {
                Ok((revision, found)) => {
                    writeln!(answer, "revision {revision}")?;
                    found
                }
                Err(rejection) => return Ok(format!("rejected: {rejection}")),
            },
        };
        for item in &found.items {
            writeln!(
                answer,
                "{} {:?} created={} modified={} version={} lease={}",
                String::from_utf8_lossy(&item.key),
                String::from_utf8_lossy(&item.value),
                item.created,
                item.modified,
                item.version,
                item.lease
            )?;
        }
        writeln!(answer, "count {} more {}", found.count, found.more)?;
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
            "put" | "delete" | "noop" | "recover" | "genesis" | "raise" | "step" | "txn"
            | "advance" | "compact" | "grant" | "expire" | "revoke" | "sweep" | "activate"
            | "deactivate" => self.entry(line, vec![command(line)?]),
            "entry" => {
                let mut args = line.consume_args();
                let mut commands = Vec::new();
                while let Some(text) = args.next_pos() {
                    commands.push(quoted(text)?);
                }
                self.entry(line, commands)
            }
            "auth" => {
                let command = auth::command(&words(line))?;
                self.apply_request(None, vec![command])
            }
            "who" => Ok(auth::who(&self.engines.reader())),
            "may" => auth::may(&self.engines.reader(), &words(line)),
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
            "query" => self.query(line),
            "status" => self.status(),
            "alarms" => Ok(format!("{:?}", self.engines.reader().alarms())),
            "bytes" => Ok(self.engines.reader().bytes().to_string()),
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

fn words(line: &Line) -> Vec<&str> {
    let mut args = line.consume_args();
    std::iter::from_fn(|| args.next_pos()).collect()
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
        "raise" => Command::System(system::Command::Raise {
            feature_level: args.next_pos().ok_or("to which level?")?.parse()?,
        }),
        "step" => Command::Kv(kv::Command::Step(step(
            args.next_pos().ok_or("which step?")?,
        )?)),
        "txn" => {
            let mut words = Vec::new();
            while let Some(word) = args.next_pos() {
                words.push(word.to_owned());
            }
            let txn = txn(&mut words.into_iter())?;
            Command::Kv(kv::Command::Step(kv::Step::Txn(Box::new(txn))))
        }
        name @ ("compact" | "advance") => {
            let revision = args.next_pos().ok_or("an argument is missing")?.parse()?;
            Command::Kv(of_revision(name, kv::Revision(revision)))
        }
        "grant" => Command::Kv(kv::Command::Grant {
            lease: kv::LeaseId(args.next_pos().ok_or("an argument is missing")?.parse()?),
            ttl_seconds: args.next_pos().ok_or("for how long?")?.parse()?,
        }),
        "revoke" => Command::Kv(kv::Command::Revoke {
            lease: kv::LeaseId(args.next_pos().ok_or("an argument is missing")?.parse()?),
        }),
        "expire" => Command::Kv(kv::Command::Expire {
            lease: kv::LeaseId(args.next_pos().ok_or("which lease?")?.parse()?),
            granted: args.next_pos().ok_or("granted by which entry?")?.parse()?,
            term: args.next_pos().ok_or("which term?")?.parse()?,
        }),
        "sweep" => Command::Kv(kv::Command::Sweep),
        name @ ("activate" | "deactivate") => {
            let kind = match args.next_pos().ok_or("which alarm?")? {
                "nospace" => kv::AlarmKind::NoSpace,
                "corrupt" => kv::AlarmKind::Corrupt,
                other => return Err(format!("no alarm {other:?}").into()),
            };
            let member = args.next_pos().ok_or("of which member?")?.parse()?;
            let alarm = kv::Alarm { kind, member };
            Command::Kv(match name {
                "activate" => kv::Command::Activate(alarm),
                _ => kv::Command::Deactivate(alarm),
            })
        }
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

fn of_revision(name: &str, revision: kv::Revision) -> kv::Command {
    match name {
        "compact" => kv::Command::Compact { revision },
        _ => kv::Command::Advance { revision },
    }
}

/// A command of an entry: `put k v`, `delete k`, `noop`, `genesis N`, `step ..`, `revoke LEASE` or one about users and roles.
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
        ["step", ..] => Command::Kv(kv::Command::Step(step(&text[5..])?)),
        ["revoke", lease] => Command::Kv(kv::Command::Revoke {
            lease: kv::LeaseId(lease.parse()?),
        }),
        words => auth::command(words)?,
    })
}

/// `put K V [lease]`, `keep-value K lease`, `keep-lease K V`, `delete FROM [END]`, `get FROM [END]`.
fn step(text: &str) -> Result<kv::Step, Box<dyn Error>> {
    let words: Vec<_> = text.split(' ').collect();
    let lease =
        |word: &str| -> Result<kv::LeaseId, Box<dyn Error>> { Ok(kv::LeaseId(word.parse()?)) };
    let put = |key: &str, value: Option<&str>, lease| {
        kv::Step::Put(kv::Put {
            key: self::text(key),
            value: value.map(self::text),
            lease,
        })
    };
    Ok(match words.as_slice() {
        ["put", key, value] => put(key, Some(value), Some(kv::LeaseId::NONE)),
        ["put", key, value, id] => put(key, Some(value), Some(lease(id)?)),
        ["keep-value", key, id] => put(key, None, Some(lease(id)?)),
        ["keep-lease", key, value] => put(key, Some(value), None),
        ["delete", range @ ..] => kv::Step::Delete(keys(range)?),
        ["get", range @ ..] => kv::Step::Range(keys(range)?, None),
        ["get-at", revision, range @ ..] => {
            kv::Step::Range(keys(range)?, Some(kv::Revision(revision.parse()?)))
        }
        _ => return Err(format!("no step {text:?}").into()),
    })
}

/// `K`, `FROM END` or `FROM ..`.
pub fn keys(words: &[&str]) -> Result<kv::Keys, Box<dyn Error>> {
    let (from, end) = match words {
        [key] => (key, kv::End::Same),
        [from, ".."] => (from, kv::End::Open),
        [from, end] => (from, kv::End::Before(text(end))),
        _ => return Err("which keys?".into()),
    };
    Ok(kv::Keys {
        from: text(from),
        end,
    })
}

/// `[version|created|modified|lease|value] [=|>|<|!=] X of KEYS`.
fn compare(words: &str) -> Result<kv::Compare, Box<dyn Error>> {
    let words: Vec<_> = words.split(' ').collect();
    let [target, relation, given, "of", range @ ..] = words.as_slice() else {
        return Err("which comparison?".into());
    };
    let relation = match *relation {
        "=" => kv::Relation::Equal,
        ">" => kv::Relation::Greater,
        "<" => kv::Relation::Less,
        "!=" => kv::Relation::NotEqual,
        other => return Err(format!("no relation {other:?}").into()),
    };
    let target = match *target {
        "version" => kv::Target::Version(given.parse()?),
        "created" => kv::Target::Created(given.parse()?),
        "modified" => kv::Target::Modified(given.parse()?),
        "lease" => kv::Target::Lease(given.parse()?),
        "value" => kv::Target::Value(text(given)),
        other => return Err(format!("no target {other:?}").into()),
    };
    Ok(kv::Compare {
        keys: keys(range)?,
        relation,
        target,
    })
}

/// A transaction of words: `if COMPARISON`, `then STEP`, `else STEP`, and `then-txn (` .. `)` for one within.
fn txn(words: &mut std::vec::IntoIter<String>) -> Result<kv::Txn, Box<dyn Error>> {
    let mut txn = kv::Txn::default();
    while let Some(word) = words.next() {
        match word.split_once(' ').unwrap_or((&word, "")) {
            ("if", rest) => txn.compare.push(compare(rest)?),
            ("then", "(") => {
                let within = self::txn(words)?;
                txn.success.push(kv::Step::Txn(Box::new(within)));
            }
            ("else", "(") => {
                let within = self::txn(words)?;
                txn.failure.push(kv::Step::Txn(Box::new(within)));
            }
            ("then", rest) => txn.success.push(step(rest)?),
            ("else", rest) => txn.failure.push(step(rest)?),
            (")", "") => break,
            _ => return Err(format!("no part of a transaction: {word:?}").into()),
        }
    }
    Ok(txn)
}

fn render_done(done: &kv::Done) -> String {
    match done {
        kv::Done::Range => "range".into(),
        kv::Done::Put => "put".into(),
        kv::Done::Delete(keys) => format!("delete {keys}"),
        kv::Done::Txn { succeeded, done } => {
            let done: Vec<_> = done.iter().map(render_done).collect();
            let branch = if *succeeded { "then" } else { "else" };
            format!("{branch} [{}]", done.join(", "))
        }
    }
}

/// A word as bytes; `<N bytes>` stands for that many.
pub fn text(word: &str) -> Bytes {
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
                    Reply::Kv(kv::Reply::Step { before, done }) => {
                        write!(line, " | after revision {before}: {}", render_done(done)).unwrap();
                    }
                    Reply::Kv(kv::Reply::Compacted { revision }) => {
                        write!(line, " | done at revision {revision}").unwrap();
                    }
                    Reply::Kv(kv::Reply::Granted { lease, revision }) => {
                        write!(line, " | lease {lease} at revision {revision}").unwrap();
                    }
                    Reply::Kv(kv::Reply::Revoked { revision }) => {
                        write!(line, " | revoked at revision {revision}").unwrap();
                    }
                    Reply::Auth(_) => line.push_str(" | done"),
                    Reply::Kv(kv::Reply::Alarmed { was_active }) => {
                        write!(line, " | was active: {was_active}").unwrap();
                    }
                    Reply::System(system::Reply) => line.push_str(" | done"),
                }
            }
            line
        }
    }
}
