//! One client at its work.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::child::{log_tail, spawn_kept};
use e2e::wait;

use super::made::Client;
use super::servers::Servers;

/// No client works longer.
const WITHIN_SECONDS: &str = "180";
const LEADER_WITHIN: Duration = Duration::from_secs(30);

/// What a client said.
#[derive(Debug)]
pub struct Said {
    /// A line for each check.
    pub lines: Vec<String>,
    /// Whether it found everything as it should be.
    pub ended_well: bool,
    /// The end of its standard error.
    err: String,
}

impl fmt::Display for Said {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(to, "  {line}")?;
        }
        write!(to, "standard error: {}", self.err)
    }
}

/// The process, which does not outlive this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended and was waited for.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Runs a client, and does what it asks for with the servers.
pub fn run(client: &Client, servers: &mut dyn Servers) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("err");
    let die_with_parent = ["--pdeathsig", "KILL", "--"];
    let mut command = Command::new("setpriv");
    command
        .args(die_with_parent)
        .args(["timeout", WITHIN_SECONDS, "setpriv"])
        .args(die_with_parent)
        .args(&client.command)
        .arg(servers.urls().join(","))
        .envs(client.environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap());
    let mut process = Process(spawn_kept(command).unwrap());
    let mut input = process.0.stdin.take().unwrap();
    let output = BufReader::new(process.0.stdout.take().unwrap());
    let (mut lines, mut lost) = (Vec::new(), None);
    for line in output.lines().map(Result::unwrap) {
        let Some(wish) = line.strip_prefix('!') else {
            lines.push(line);
            continue;
        };
        fulfil(wish, servers, &mut lost);
        // One that is gone meanwhile says by its end what was wrong.
        input.write_all(b"\n").ok();
    }
    let status = process.0.wait().unwrap();
    Said {
        lines,
        ended_well: status.success() && lost.is_none(),
        err: log_tail(&log),
    }
}

fn fulfil(wish: &str, servers: &mut dyn Servers, lost: &mut Option<usize>) {
    if wish == "bring back" {
        servers.bring_back(lost.take().unwrap());
        return;
    }
    let mut leader = None;
    wait::until_blocking("a server leads", LEADER_WITHIN, || {
        leader = servers.leader();
        Ok(leader.is_some())
    })
    .unwrap();
    let leader = leader.unwrap();
    let server = match wish {
        "lose leader" => leader,
        "lose follower" => (leader + 1) % 3,
        _ => panic!("a client asks for {wish:?}"),
    };
    servers.lose(server);
    *lost = Some(server);
}
